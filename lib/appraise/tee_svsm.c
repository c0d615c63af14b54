/* SEV-SNP with a service module (SVSM) at VMPL 0, which is the guest's TPM: a report of VMPL 0 binds the endorsement key, and the TPM's
 * answer to a credential ties the key that signed the quote to that one. */
#include <stdlib.h>

#include "lib/appraise/tee_tpm_voucher.h"
#include "lib/policy/policy_internal.h"
#include "lib/snp/svsm.h"

struct kept {
    struct clo_tpm_challenge challenge;
    struct clo_public_key *ak;
};

static void free_kept(void *state)
{
    struct kept *kept = state;

    clo_tpm_challenge_free(&kept->challenge);
    clo_public_key_free(kept->ak);
    free(kept);
}

/* --- What the report signed --- */

static bool check_binding(struct work *w, const struct clo_snp_report *report,
                          struct clo_bytes manifest)
{
    static const char id[] = "svsm.binding";
    struct clo_bytes nonce = w->inputs->expected_qualifying;
    struct clo_digest digest;

    if (w->runtime_data.data != NULL) {
        clo_hash(CLO_HASH_SHA512, w->runtime_data, &digest);
        nonce = clo_digest_bytes(&digest);
    } else if (nonce.data == NULL) {
        clo_check_skip(w->checks, id,
                       "neither runtime data nor a nonce: what REPORT_DATA binds cannot be told");
        return false;
    }
    bool binds = clo_svsm_binds(report->report_data, nonce, manifest);
    return clo_check_that(w->checks, id, binds, "REPORT_DATA %s of the nonce and the manifest",
                          binds ? "is the SHA-512 digest" : "is not the SHA-512 digest");
}

/* Other levels are the guest's own: it could write any manifest. */
static bool check_level(struct work *w, const struct clo_snp_report *report)
{
    return clo_check_that(w->checks, "svsm.vmpl", report->vmpl == 0,
                          "the report was asked for at VMPL %u%s", report->vmpl,
                          report->vmpl == 0 ? "" : ": only VMPL 0 speaks for the services");
}

/* Firmware without a service module runs at VMPL 0 itself, and so does what it starts: that could have a report of any manifest. Which
 * launches have one, no digest shows. */
static void check_measurement(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    const struct clo_snp_verified *verified = tee_snp_verified(w);

    if (verified == NULL || policy->is_strict_builtin)
        return;
    if (policy_says(&policy->snp.svsm_measurement))
        policy_check_values(&policy->snp.svsm_measurement, "policy.svsm",
                            "launch measurement of a service module", verified->report.measurement,
                            w->checks);
    else
        clo_check_that(w->checks, "policy.svsm", false,
                       "the policy does not say which launch measurements have a service module at "
                       "VMPL 0 (\"svsm_measurement\"): firmware without one lets its guest write "
                       "any manifest");
}

/* --- Whose key the quote is by --- */

static bool check_answer(struct work *w, const struct kept *kept,
                         const struct clo_tpm_public *bound, const struct clo_tpm_public *ek,
                         const struct clo_tpm_public *ak)
{
    static const char id[] = "svsm.ak";
    struct clo_error refused;

    if (!tpm_voucher_same_key(bound->key, ek->key))
        return clo_check_that(w->checks, id, false,
                              "the credential was for another endorsement key than the manifest's");
    if (!clo_tpm_public_endorses(ek, &refused) || !clo_tpm_public_attests(ak, &refused))
        return clo_check_that(w->checks, id, false, "%s", refused.text);
    bool holds = clo_tpm_challenge_is_answered(&kept->challenge, w->inputs->activation.answer);
    return clo_check_that(
            w->checks, id, holds, "%s",
            holds ? "the TPM of the manifest holds the attestation key: it opened the "
                    "credential"
                  : "the answer is not what the credential held");
}

static bool take_answer(struct work *w, struct kept *kept, const struct clo_tpm_public *bound,
                        bool is_bound, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public ek = { .key = NULL };
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public ak = { .key = NULL };

    if (!clo_tpm_challenge_parse(w->inputs->activation.challenge, &kept->challenge, err))
        return false;
    if (!clo_tpm_public_read(clo_buffer_bytes(&kept->challenge.ek), &ek, err) ||
        !clo_tpm_public_read(clo_buffer_bytes(&kept->challenge.ak), &ak, err))
        return clo_wrap(err, "challenge");
    if (!check_answer(w, kept, bound, &ek, &ak) || !is_bound)
        return true;
    kept->ak = CLO_TAKE(ak.key);
    w->ak = kept->ak;
    w->is_ak_bound = true;
    return true;
}

/* Without an answer the quote may be any TPM's; that is said, and where something hangs on its PCRs, refused. */
static void miss_answer(struct work *w)
{
    static const char why[] = "nothing shows that the quote is by a key of the manifest's TPM: "
                              "--challenge and --answer do";

    if (w->inputs->policy != NULL || w->inputs->reference_count > 0)
        clo_check_that(w->checks, "svsm.ak", false, "%s", why);
    else
        clo_check_skip(w->checks, "svsm.ak", "%s", why);
}

static bool check_vtpm(struct work *w, struct kept *kept, const struct clo_svsm_manifest *manifest,
                       bool is_bound, struct clo_error *err)
{
    static const char id[] = "svsm.vtpm";
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public bound = { .key = NULL };
    struct clo_bytes area = clo_svsm_find(manifest, &clo_svsm_vtpm);
    struct clo_error refused;

    if (area.data == NULL) {
        clo_check_that(w->checks, id, false, "the manifest has no service that is a TPM");
        return true;
    }
    if (!clo_tpm_public_read(area, &bound, err))
        return clo_wrap(err, "evidence: SVSM manifest: endorsement key");
    bool endorses = clo_tpm_public_endorses(&bound, &refused);
    clo_check_that(w->checks, id, endorses, "%s",
                   endorses ? "the manifest names the TPM's endorsement key" : refused.text);
    if (w->inputs->activation.challenge.data == NULL) {
        miss_answer(w);
        return true;
    }
    return take_answer(w, kept, &bound, is_bound && endorses, err);
}

static bool appraise(struct work *w, struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(w->evidence, CLO_EVIDENCE_SVSM_MANIFEST);
    struct clo_bytes report_bytes = clo_evidence_get(w->evidence, CLO_EVIDENCE_SNP_REPORT);
    struct kept *kept = tee_keep(w, &tee_svsm, sizeof *kept, err);
    struct clo_svsm_manifest manifest;
    struct clo_snp_report report;

    if (kept == NULL)
        return false;
    w->appraisal->tee = clo_tee_names(CLO_TEE_SNP)->name;
    if (report_bytes.data == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: a manifest of services, and no report");
    if (!clo_snp_parse(report_bytes, &report, err) || !clo_svsm_parse(bytes, &manifest, err))
        return clo_wrap(err, "evidence");
    if (!tee_snp_verify(w, &report, err))
        return false;
    bool is_level = check_level(w, &report);
    bool is_bound = check_binding(w, &report, bytes) && is_level && tee_snp_verified(w) != NULL;
    return check_vtpm(w, kept, &manifest, is_bound, err);
}

/* The same for whom no check says it: who has no policy of his own, or lets every launch have one. */
static void open_module(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (policy == NULL || !policy_pins(&policy->snp.svsm_measurement))
        appraise_leave_open(w, "firmware",
                            "nothing says that this launch has a service module at VMPL 0 "
                            "(\"svsm_measurement\"): firmware without one lets its guest write "
                            "any manifest");
}

static bool missing(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                    struct clo_requests *out, struct clo_error *err)
{
    return tee_snp.missing(evidence, inputs, out, err);
}

static const char *const identity[] = { "svsm.", NULL };

const struct tee tee_svsm = {
    .id = CLO_TEE_TPM,
    .kind = CLO_EVIDENCE_OF_SVSM,
    .label = CLO_EVIDENCE_SVSM_MANIFEST,
    .with_label = CLO_EVIDENCE_SNP_REPORT,
    .has_tpm = true,
    .appraise = appraise,
    .free = free_kept,
    .ear = { [TEE_INSTANCE_IDENTITY] = { identity, NULL } },
    .missing = missing,
    .check_policy = check_measurement,
    .open_tpm = open_module,
};
