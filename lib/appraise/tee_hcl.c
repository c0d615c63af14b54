/* Evidence of Azure's paravisor: a hardware report that binds the vTPM's key. */
#include <stdlib.h>

#include "lib/appraise/tee.h"

static const char id[] = "hcl.binding";

struct kept {
    struct clo_hcl_verified *hcl;
};

static void free_kept(void *state)
{
    struct kept *kept = state;

    clo_hcl_verified_free(kept->hcl);
    free(kept);
}

/* What hangs on whether a verified report binds the claims. */
static bool take_claims(struct work *w, const struct kept *kept, bool binds,
                        const struct clo_error *refused, struct clo_error *err)
{
    if (!binds && refused->status != CLO_ERR_UNVERIFIED)
        return clo_fail(err, refused->status, "evidence: %s", refused->text);
    clo_check_that(w->checks, id, binds, "%s",
                   binds ? "the report's REPORT_DATA binds the claims, and so the vTPM's key"
                         : refused->text);
    if (!binds)
        return true;
    w->ak = clo_hcl_ak(kept->hcl);
    w->is_ak_bound = true;
    json_t *claims = json_deep_copy(clo_hcl_claims(kept->hcl));
    return appraise_claim(w, "hcl", claims, err);
}

/* The TDREPORT inside is nobody's word here: the quote next to it is what vouches for the claims, and
 * the TDREPORT must be the same TD's. */
static bool appraise_tdx(struct work *w, const struct clo_hcl *hcl, struct kept *kept,
                         struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(w->evidence, CLO_EVIDENCE_TDX_QUOTE);
    struct clo_tdx_report report;
    struct clo_tdx_quote quote;
    struct clo_error refused;

    w->appraisal->tee = clo_tee_names(CLO_TEE_TDX)->name;
    if (!clo_tdx_report_parse(clo_bytes_slice(hcl->hardware_report, 0, CLO_TDX_REPORT_SIZE),
                              &report, err))
        return clo_wrap(err, "evidence: HCL report");
    if (bytes.data == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "evidence: the HCL report holds a TDREPORT, which only its own machine can "
                        "verify: a TDX quote of it is needed");
    if (!clo_tdx_parse(bytes, &quote, err))
        return clo_wrap(err, "evidence");
    if (!tee_tdx_verify(w, &quote, err))
        return false;
    bool same = clo_tdx_report_matches(&report, &quote.body);
    clo_check_that(w->checks, "hcl.tdreport", same, "%s",
                   same ? "the TDREPORT in the HCL report is of the TD that the quote speaks of"
                        : "the TDREPORT in the HCL report is of another TD than the quote");
    if (tee_tdx_verified(w) == NULL) {
        bool would_bind = clo_hcl_bind(hcl, quote.body.report_data, &refused);
        if (!would_bind)
            clo_check_that(w->checks, id, false, "%s", refused.text);
        else
            clo_check_skip(w->checks, id, "the quote is not verified");
        return true;
    }
    /* Under the paravisor nothing is measured into RTMRs: the vTPM's PCRs take their place. */
    bool binds = clo_hcl_verify_tdx(hcl, tee_tdx_verified(w), &kept->hcl, &refused);
    for (size_t i = 0; binds && i < CLO_TDX_RTMR_COUNT; i++)
        if (clo_bytes_all(quote.body.rtmr[i], 0))
            w->proven_rtmrs |= 1U << i;
    return take_claims(w, kept, binds, &refused, err);
}

/* Azure's way: the report binds claims, the claims hold the vTPM's key. */
static bool appraise(struct work *w, struct clo_error *err)
{
    struct clo_hcl hcl;
    struct clo_snp_report report;
    struct clo_error refused;
    struct kept *kept = tee_keep(w, &tee_hcl, sizeof *kept, err);

    if (kept == NULL)
        return false;
    w->appraisal->tee = clo_tee_names(CLO_TEE_SNP)->name;
    if (!clo_hcl_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_HCL_REPORT), &hcl, err))
        return clo_wrap(err, "evidence");
    if (hcl.report_type == CLO_HCL_TDX)
        return appraise_tdx(w, &hcl, kept, err);
    if (hcl.report_type != CLO_HCL_SNP)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "evidence: the HCL report holds a report of type %d, neither SEV-SNP's nor "
                        "TDX's",
                        (int)hcl.report_type);
    if (!clo_snp_parse(hcl.hardware_report, &report, err))
        return clo_wrap(err, "evidence: HCL report");
    if (!tee_snp_verify(w, &report, err))
        return false;
    if (tee_snp_verified(w) == NULL) {
        /* Said all the same, but nothing follows from it. */
        bool binds = clo_hcl_bind(&hcl, report.report_data, &refused);
        if (!binds)
            clo_check_that(w->checks, id, false, "%s", refused.text);
        else
            clo_check_skip(w->checks, id, "the hardware report is not verified");
        return true;
    }
    bool binds = clo_hcl_verify(&hcl, tee_snp_verified(w), &kept->hcl, &refused);
    return take_claims(w, kept, binds, &refused, err);
}

/* What the claims say of the VM. */
static void take_instances(struct work *w)
{
    const struct kept *kept = tee_kept(w, &tee_hcl);
    const json_t *configuration = json_object_get(clo_hcl_claims(kept->hcl), "vm-configuration");
    const char *name = json_string_value(json_object_get(configuration, "vmUniqueId"));

    if (name != NULL)
        appraise_set_instance(w, CLO_INSTANCE_VM, clo_bytes_text(name));
}

static bool missing(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                    struct clo_requests *out, struct clo_error *err)
{
    return tee_snp.missing(evidence, inputs, out, err) &&
           tee_tdx.missing(evidence, inputs, out, err);
}

static const char *const identity[] = { "hcl.", NULL };

const struct tee tee_hcl = {
    .id = CLO_TEE_TPM,
    .kind = CLO_EVIDENCE_OF_VTPM,
    .label = CLO_EVIDENCE_HCL_REPORT,
    .with_label = CLO_EVIDENCE_TDX_QUOTE,
    .has_tpm = true,
    .appraise = appraise,
    .free = free_kept,
    .ear = { [TEE_INSTANCE_IDENTITY] = { identity, NULL } },
    .missing = missing,
    .take_instances = take_instances,
};
