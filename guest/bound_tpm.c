#include "guest/bound_tpm.h"

#include "device/random.h"
#include "lib/cloud/hcl_claims.h"

void clo_bound_tpm_free(struct clo_bound_tpm *bound)
{
    clo_public_key_freep(&bound->ak);
}

void clo_bound_tpm_take(struct clo_bound_tpm *bound, const struct clo_evidence *evidence)
{
    struct clo_error ignored;
    struct clo_hcl hcl;

    clo_public_key_freep(&bound->ak);
    if (clo_evidence_has(evidence, CLO_EVIDENCE_HCL_REPORT) &&
        clo_hcl_parse(clo_evidence_get(evidence, CLO_EVIDENCE_HCL_REPORT), &hcl, &ignored) &&
        !clo_hcl_claimed_ak(&hcl, &bound->ak, &ignored))
        bound->ak = NULL;
}

bool clo_bound_tpm_audit(const struct clo_bound_tpm *bound, struct clo_tpm *tpm,
                         const struct clo_tpm2_name *pin, struct clo_tpm2_name *srk,
                         struct clo_error *err)
{
    if (pin != NULL)
        *srk = *pin;
    else if (!clo_tpm_certified_srk(tpm, CLO_TPM_AK, bound->ak, &clo_random_system, srk, err))
        return false;
    return clo_tpm_audit(tpm, srk, err);
}
