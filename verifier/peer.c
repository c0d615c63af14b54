#include "verifier/peer.h"

#include <arpa/inet.h>

#include "cloister/crypto.h"

uint64_t clo_peer_name(struct clo_bytes key, const char *peer)
{
    struct clo_bytes address = clo_bytes_text(peer);
    struct in6_addr six;
    struct clo_digest digest;
    uint64_t name = 0;

    if (inet_pton(AF_INET6, peer, &six) == 1)
        address = IN6_IS_ADDR_V4MAPPED(&six) ? clo_bytes(six.s6_addr + 12, 4)
                                             : clo_bytes(six.s6_addr, 8);
    clo_hmac(CLO_HASH_SHA256, key, address, &digest);
    for (size_t i = 0; i < sizeof name; i++)
        name = name << 8 | digest.bytes[i];
    return name == 0 ? 1 : name;
}
