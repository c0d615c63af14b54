/* How many connections each address has: an IPv4 address, or the first 64 bits of an IPv6 one. Safe to use from several threads. */
#ifndef CLOISTER_VERIFIER_ADDRESSES_H
#define CLOISTER_VERIFIER_ADDRESSES_H

#include "cloister/crypto.h"

struct clo_addresses;

CLO_MUST_USE bool clo_addresses_new(struct clo_random random, struct clo_addresses **out,
                                    struct clo_error *err);
void clo_addresses_free(struct clo_addresses *addresses);

/* Counts one more, unless `peer` has `limit` already (0: no limit): false then, and when out of memory. `name` is what
 * clo_addresses_leave() wants. */
CLO_MUST_USE bool clo_addresses_enter(struct clo_addresses *addresses, const char *peer,
                                      size_t limit, uint64_t *name);
void clo_addresses_leave(struct clo_addresses *addresses, uint64_t name);
/* How many addresses have a connection. */
size_t clo_addresses_count(struct clo_addresses *addresses);

#endif
