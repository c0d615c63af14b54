#include "guest/dhcp.h"

#include "fuzz.h"

/* Transaction and hardware address are taken from the message, so that it gets past them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_dhcp_lease lease;
    uint8_t mac[6] = { 0 };
    struct clo_error err;

    struct clo_reader r = clo_reader(clo_bytes_slice(clo_bytes(data, size), 4, 4));
    for (size_t i = 0; i < sizeof mac && 28 + i < size; i++)
        mac[i] = data[28 + i];
    if (!clo_dhcp_parse(clo_bytes(data, size), clo_read_be32(&r), mac, &lease, &err))
        return 0;
    MUST(lease.type == CLO_DHCP_NAK || (lease.address != 0 && lease.server != 0));
    MUST(lease.type == CLO_DHCP_NAK || (lease.prefix >= 1 && lease.prefix <= 32));
    MUST(lease.dns_count <= CLO_DHCP_DNS_MAX);
    return 0;
}
