/* What the parts of a policy share: policy.c has the common members, each kind of platform a file of
 * its own with the functions named after it. */
#ifndef CLOISTER_LIB_POLICY_INTERNAL_H
#define CLOISTER_LIB_POLICY_INTERNAL_H

#include "cloister/policy.h"

/* An array of whole numbers up to `last` (at most 31), as a mask. */
CLO_MUST_USE bool policy_read_mask(const json_t *json, const char *key, unsigned last,
                                   uint32_t *out, struct clo_error *err);
/* "any", or an array of digests of that size; absent: an empty list. */
CLO_MUST_USE bool policy_read_digests(const json_t *json, const char *key, enum clo_hash hash,
                                      struct clo_policy_digests *out, struct clo_error *err);

bool policy_says(const struct clo_policy_digests *list);
/* Is the value one of them (or was "any" written)? */
bool policy_names(const struct clo_policy_digests *list, struct clo_bytes value);

/* The member "snp": what holds when it is not there, what the built-in policy says, and reading it. */
void policy_init_snp(struct clo_policy *policy);
void policy_strict_snp(struct clo_policy *policy);
CLO_MUST_USE bool policy_read_snp(const json_t *json, struct clo_policy *policy,
                                  struct clo_error *err);

#endif
