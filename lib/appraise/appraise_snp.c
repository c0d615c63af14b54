/* The hardware evidence of SEV-SNP: a report with its chain, bare or inside an HCL report. */
#include <stdlib.h>

#include "appraise_internal.h"

bool clo_appraise_snp_report(const struct clo_evidence *evidence, struct clo_snp_report *out)
{
    struct clo_bytes bare = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_REPORT);
    struct clo_bytes wrapped = clo_evidence_get(evidence, CLO_EVIDENCE_HCL_REPORT);
    struct clo_error ignored;
    struct clo_hcl hcl;

    if (bare.data != NULL)
        return clo_snp_parse(bare, out, &ignored);
    return wrapped.data != NULL && clo_hcl_parse(wrapped, &hcl, &ignored) &&
           hcl.report_type == CLO_HCL_SNP && clo_snp_parse(hcl.hardware_report, out, &ignored);
}

static bool add_all(struct clo_snp_certificates *to, const struct clo_snp_certificates *from,
                    struct clo_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (!clo_snp_certificates_add(to, clo_certificate_der(from->items[i]), err))
            return false;
    return true;
}

/* The caller's and our own come first, so that a bundle cannot crowd them out. */
static bool gather_certificates(struct work *w, struct clo_snp_certificates *out,
                                struct clo_error *err)
{
    struct clo_bytes brought = clo_evidence_get(w->evidence, CLO_EVIDENCE_SNP_CERTIFICATES);

    if (w->inputs->endorsements.certificates != NULL &&
        !add_all(out, w->inputs->endorsements.certificates, err))
        return false;
    if (w->inputs->policy != NULL && !add_all(out, &w->inputs->policy->root_certificates, err))
        return false;
    if (!clo_snp_certificates_add_amd(out, err))
        return false;
    return brought.data == NULL || clo_snp_certificates_add_table(out, brought, err) ||
           clo_wrap(err, "evidence: certificates");
}

/* The caller's revocation lists, and those that came among its certificates; then the evidence's. */
static void gather_crls(const struct work *w, const struct clo_snp_certificates *all,
                        const struct clo_crl **out, struct clo_snp_trust *trust)
{
    const struct clo_endorsements *owner = &w->inputs->endorsements;
    const struct clo_snp_certificates *given = owner->certificates;
    size_t count = 0;

    for (size_t i = 0; i < owner->crl_count; i++)
        out[count++] = owner->crls[i];
    for (size_t i = 0; given != NULL && i < given->crl_count; i++)
        out[count++] = given->crls[i];
    trust->named_crl_count = owner->crl_count;
    trust->owner_crl_count = count;
    trust->owner_crls_alone = owner->are_required;
    for (size_t i = 0; i < all->crl_count; i++)
        out[count++] = all->crls[i];
    trust->crls = out;
    trust->crl_count = count;
}

/* Authentic is what ends in a root that the caller or the policy names. AMD's count unless the caller
 * names others, or a policy does not name them. */
bool appraise_snp_verify(struct work *w, const struct clo_snp_report *report, struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_digest *roots = NULL;
    CLO_CLEANUP(clo_freep) const struct clo_crl **crls = NULL;
    struct clo_snp_chain chain = { 0 };
    struct clo_error refused;
    size_t policy_roots = policy == NULL ? 0 : policy->root_count;
    bool has_own = inputs->root_count > 0;

    roots = calloc(inputs->root_count + policy_roots + 1, sizeof *roots);
    crls = calloc(inputs->endorsements.crl_count + 2 * CLO_SNP_CRLS_MAX, sizeof *crls);
    if (roots == NULL || crls == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < inputs->root_count; i++)
        roots[i] = inputs->roots[i];
    for (size_t i = 0; i < policy_roots; i++)
        roots[inputs->root_count + i] = policy->roots[i];
    struct clo_snp_trust trust = {
        .at = inputs->at,
        .amd = policy == NULL || policy->is_strict_builtin
                       ? !has_own
                       : clo_policy_trusts_maker(policy, CLO_TEE_SNP),
        .roots = roots,
        .root_count = inputs->root_count + policy_roots,
        .stale_crls = policy == NULL ? 0 : policy->grace.crl,
    };
    if (!gather_certificates(w, &certificates, err))
        return false;
    gather_crls(w, &certificates, crls, &trust);
    /* Without a leaf the chain is empty, and every check says so. */
    if (!clo_snp_chain_find(report, &certificates, &chain, &refused))
        chain = (struct clo_snp_chain){ 0 };
    w->is_verified = clo_snp_verify(report, &chain, &trust, w->checks, &w->snp, &refused);
    if (!w->is_verified && refused.status == CLO_ERR_SYSTEM)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", refused.text);
    if (!w->is_verified)
        return true;
    appraise_provenance_snp(w, &chain, crls, trust.crl_count);
    json_t *claims = clo_snp_claims(&w->snp);
    bool ok = claims != NULL && json_object_update(w->appraisal->claims, claims) == 0;
    json_decref(claims);
    return ok || clo_out_of_memory(err);
}

/* A report of the guest's own: REPORT_DATA is SHA-512 of the runtime data. */
bool appraise_snp(struct work *w, struct clo_error *err)
{
    static const char id[] = "snp.report_data";
    struct clo_bytes qualifying = w->inputs->expected_qualifying;
    struct clo_snp_report report;
    struct clo_digest digest;

    if (!clo_snp_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_SNP_REPORT), &report, err))
        return clo_wrap(err, "evidence");
    if (!appraise_snp_verify(w, &report, err))
        return false;
    if (w->runtime_data.data != NULL) {
        clo_hash(CLO_HASH_SHA512, w->runtime_data, &digest);
        bool binds = clo_check_that(w->checks, id,
                                    clo_bytes_equal(report.report_data, clo_digest_bytes(&digest)),
                                    "REPORT_DATA and the SHA-512 digest of the runtime data");
        w->appraisal->binds_pubkey = binds && w->is_verified;
        w->binds_runtime_data = w->appraisal->binds_pubkey;
    } else if (qualifying.data != NULL) {
        size_t size = qualifying.size;
        bool same = clo_check_that(
                w->checks, id,
                size > 0 && size <= report.report_data.size &&
                        clo_bytes_equal(clo_bytes_slice(report.report_data, 0, size), qualifying) &&
                        clo_bytes_all(clo_bytes_slice(report.report_data, size, 64), 0),
                "REPORT_DATA and the nonce that was given");
        w->matches_qualifying = same && w->is_verified;
    } else {
        clo_check_skip(w->checks, id, "no runtime data and no nonce to hold REPORT_DATA against");
    }
    return true;
}

void appraise_warn_of_snp(struct work *w)
{
    const struct clo_snp_report *report = &w->snp.report;

    if (report->is_newer)
        appraise_warn(w, "report version %u is newer than what this program knows",
                      report->version);
    if (w->inputs->policy != NULL)
        return;
    if ((report->policy & CLO_SNP_POLICY_DEBUG) != 0)
        appraise_warn(w, "the guest policy allows debugging: the host can read the guest");
    if ((report->policy & CLO_SNP_POLICY_MIGRATE) != 0)
        appraise_warn(w, "the guest policy allows a migration agent");
    if ((report->policy & ~CLO_SNP_POLICY_KNOWN) != 0 || (report->policy & CLO_SNP_POLICY_MBO) == 0)
        appraise_warn(w, "guest policy 0x%016llx: reserved bits are not as they must be",
                      (unsigned long long)report->policy);
    if (report->vmpl > 3)
        appraise_warn(w, "the report is of VMPL %u, which does not exist", report->vmpl);
}
