/* Which client an address stands for. Of IPv6 the first 64 bits count: who has one address has all below them. */
#ifndef CLOISTER_VERIFIER_PEER_H
#define CLOISTER_VERIFIER_PEER_H

#include "cloister/base.h"

/* Never zero. Under a key that nobody else knows, nobody can choose whose name his address gets. `peer` is an IP
 * address as text, or anything else. */
uint64_t clo_peer_name(struct clo_bytes key, const char *peer);

#endif
