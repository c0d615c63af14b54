/* The policy's member "tpm": of a TPM that no hardware report binds. */
#ifndef CLOISTER_LIB_POLICY_TPM_H
#define CLOISTER_LIB_POLICY_TPM_H

#include "cloister/policy.h"
#include "cloister/quote.h"
#include "lib/cloud/gce.h"

#define CLO_POLICY_TPM_LIST_MAX 16

struct clo_policy_tpm_words {
    char items[CLO_POLICY_TPM_LIST_MAX][CLO_GCE_NAME_MAX];
    size_t count;
    bool any;
};

struct clo_policy_tpm {
    bool require_voucher; /* a maker's certificate, up to a root that the policy names */
    bool require_safe_clock;
    bool has_gce, allow_not_production;
    struct clo_policy_tpm_words projects, zones, instances, firmware;
};

/* What verified evidence says; NULL: nothing. */
struct policy_tpm_facts {
    const struct clo_quote *quote;
    const struct clo_gce_instance *instance;
    bool is_vouched;
};
/* Checks policy.tpm.*. */
void policy_appraise_tpm(const struct clo_policy *policy, const struct policy_tpm_facts *facts,
                         struct clo_checks *checks);
CLO_MUST_USE bool policy_read_tpm(const json_t *json, struct clo_policy *policy,
                                  struct clo_error *err);

#endif
