/* Evidence of Azure's paravisor: a hardware report that binds the vTPM's key. */
#include "appraise_internal.h"

/* Azure's way: the report binds claims, the claims hold the vTPM's key. */
bool appraise_hcl(struct work *w, struct clo_error *err)
{
    static const char id[] = "hcl.binding";
    struct clo_hcl hcl;
    struct clo_snp_report report;
    struct clo_error refused;

    if (!clo_hcl_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_HCL_REPORT), &hcl, err))
        return clo_wrap(err, "evidence");
    if (hcl.report_type != CLO_HCL_SNP)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "evidence: the HCL report holds a TDX report, which this version does not "
                        "appraise");
    if (!clo_snp_parse(hcl.hardware_report, &report, err))
        return clo_wrap(err, "evidence: HCL report");
    if (!appraise_snp_verify(w, &report, err))
        return false;
    if (!w->is_verified) {
        /* Said all the same, but nothing follows from it. */
        bool binds = clo_hcl_bind(&hcl, report.report_data, &refused);
        if (!binds)
            clo_check_that(w->checks, id, false, "%s", refused.text);
        else
            clo_check_skip(w->checks, id, "the hardware report is not verified");
        return true;
    }
    bool binds = clo_hcl_verify(&hcl, &w->snp, &w->hcl, &refused);
    if (!binds && refused.status != CLO_ERR_UNVERIFIED)
        return clo_fail(err, refused.status, "evidence: %s", refused.text);
    clo_check_that(w->checks, id, binds, "%s",
                   binds ? "the report's REPORT_DATA binds the claims, and so the vTPM's key"
                         : refused.text);
    if (!binds)
        return true;
    w->ak = clo_hcl_ak(w->hcl);
    json_t *claims = json_deep_copy(clo_hcl_claims(w->hcl));
    return appraise_claim(w, "hcl", claims, err);
}
