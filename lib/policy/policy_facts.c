/* What a policy says of kinds of evidence and of makers. */
#include <string.h>

#include "lib/policy/policy_internal.h"

#define BOUND_TPM (1U << CLO_EVIDENCE_OF_VTPM | 1U << CLO_EVIDENCE_OF_SVSM)

const struct clo_bit policy_kinds[CLO_EVIDENCE_KIND_COUNT] = {
    { CLO_EVIDENCE_OF_VTPM, "vtpm" },
    { CLO_EVIDENCE_OF_SVSM, "svsm" },
    { CLO_EVIDENCE_OF_BARE, "bare" },
    { CLO_EVIDENCE_OF_TPM, "tpm" },
};

bool clo_policy_allows(const struct clo_policy *policy, enum clo_tee tee)
{
    return (policy->tees >> tee & 1) != 0;
}

bool clo_policy_trusts_maker(const struct clo_policy *policy, enum clo_tee tee)
{
    return (policy->makers >> tee & 1) != 0;
}

const char *clo_evidence_kind_name(enum clo_evidence_kind kind)
{
    return policy_kinds[kind].name;
}

bool policy_wants_tpm(const struct clo_policy *policy)
{
    return policy->has_pcrs || strcmp(policy->phase, POLICY_PHASE) != 0;
}

uint32_t clo_policy_evidence(const struct clo_policy *policy)
{
    if (policy->is_strict_builtin)
        return (1U << CLO_EVIDENCE_KIND_COUNT) - 1;
    if (policy->has_evidence)
        return policy->evidence;
    return policy_wants_tpm(policy) ? BOUND_TPM : BOUND_TPM | 1U << CLO_EVIDENCE_OF_BARE;
}
