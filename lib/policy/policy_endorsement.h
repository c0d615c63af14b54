/* The policy's member "endorsement": what a cloud's launch endorsement must say of itself. */
#ifndef CLOISTER_LIB_POLICY_ENDORSEMENT_H
#define CLOISTER_LIB_POLICY_ENDORSEMENT_H

#include "cloister/checks.h"
#include "cloister/json.h"

struct clo_policy_endorsement {
    bool is_demanded; /* the member is there: without an endorsement nothing is accepted */
    uint64_t minimum_svn;
    int64_t maximum_age; /* 0: any */
};

CLO_MUST_USE bool policy_read_endorsement(const json_t *json, struct clo_policy_endorsement *out,
                                          struct clo_error *err);
/* Checks policy.endorsement_svn and policy.endorsement_age of one that is verified; `signed_at` and `at` are Unix times. */
void policy_check_endorsement(const struct clo_policy_endorsement *policy, uint64_t svn,
                              int64_t signed_at, int64_t at, struct clo_checks *checks);

#endif
