/* From a bundle of evidence to a verdict: verifies everything in it, binds the pieces to each other,
 * and holds the result against reference values and a policy.
 *
 * Only a verdict of `affirming` made with a policy may release anything. */
#ifndef CLOISTER_APPRAISE_H
#define CLOISTER_APPRAISE_H

#include "cloister/checks.h"
#include "cloister/evidence.h"
#include "cloister/policy.h"
#include "cloister/quote.h"
#include "cloister/reference.h"
#include "cloister/resource.h"

CLO_BEGIN_C

enum clo_appraisal_status {
    CLO_AFFIRMING,
    CLO_WARNING, /* authentic, but not all was appraised, something is not pinned, or it may be an old one */
    CLO_CONTRAINDICATED,
};
CLO_API const char *clo_appraisal_status_name(enum clo_appraisal_status status);

/* A pin that reads like a claim: measurement=HEX. */
struct clo_expectation {
    const char *name;
    const char *value;
};

/* What the caller holds, or has fetched, of what the makers publish. None of it is trusted for being here:
 * it is verified like what the evidence brings, which is a hint next to it. Certificates may come from
 * either, since signatures prove them. Of revocation lists and collateral the newest decide; what the
 * evidence brings of them and is older than what is here is left out, and says so. */
struct clo_endorsements {
    const struct clo_snp_certificates *certificates; /* NULL: none; may hold lists, too */
    const struct clo_crl *const *crls; /* if any: one of the lists has to be of the chain */
    size_t crl_count;
    const struct clo_tdx_collateral *const *tdx_collateral; /* sets, of any platforms */
    size_t tdx_collateral_count;
    /* Of the evidence's lists and collateral none counts: only what they revoke does. Without one of
     * these for the chain or platform the evidence is refused. */
    bool are_required;
};

/* What a cloud signed of its firmware (Google's; Microsoft's of the utility VM): which launch measurements it has. Its own
 * roots count for it, and none of the processor's maker's. Microsoft's names its issuer and feed: each must be one of these,
 * or of the policy's. */
struct clo_launch_endorsement {
    struct clo_bytes bytes; /* data NULL: none */
    const struct clo_digest *roots;
    size_t root_count;
    const char *const *issuers; /* did:x509 */
    size_t issuer_count;
    const char *const *feeds;
    size_t feed_count;
};

/* That a TPM opened a credential: then it holds the attestation key that the credential was for. `challenge` is what was kept when
 * it was made (the caller's own, believed), `answer` what the TPM's side sent. challenge.data NULL: none. */
struct clo_tpm_activation {
    struct clo_bytes challenge, answer;
};

/* What the caller brings. A zeroed struct asks only: is it authentic, by AMD's or Intel's roots? (`at` must
 * always be set.) */
struct clo_appraise_inputs {
    const struct clo_policy *policy; /* NULL: none; nothing may be released on the result */
    /* At most 64. A register is held against the first of these that knows it; a prediction and a
     * calibration go side by side. Several predictions (or calibrations) of the same registers are
     * alternatives, an image and its update: one of them must be right as a whole. */
    const struct clo_reference *const *references;
    size_t reference_count;
    const char *phase;               /* NULL: the policy's, or "enter-initrd" */
    struct clo_bytes expected_nonce; /* the text that we gave; data NULL: freshness is not shown */
    int64_t at;                      /* Unix time */
    /* Roots by fingerprint. Authentic is what ends in one of these or of the policy's (without both,
     * AMD's and Intel's); acceptable, where there is a policy, only what ends in one of the policy's. */
    const struct clo_digest *roots;
    size_t root_count;
    /* For evidence without runtime data: what the quote's qualifying data, or a bare report's
     * REPORT_DATA, must be. data NULL: none. */
    struct clo_bytes expected_qualifying;
    /* A key that the caller trusts by itself to be a TPM's: for evidence without a hardware report.
     * With one, it must be the key that the report binds. */
    const struct clo_public_key *ak;
    struct clo_bytes ak_public; /* its TPMT_PUBLIC, if it came as one; data NULL: not given */
    struct clo_tpm_activation activation; /* for such evidence as well */
    bool must_be_gce; /* a certificate must say that the TPM is of an instance of Google's */
    struct clo_endorsements endorsements; /* of the caller's own */
    /* Leaves the TCB evaluation of TDX out: the result is then never better than a warning. */
    bool without_tcb;
    /* What the owner signed of an SEV-SNP launch: ID block and authentication. data NULL: not given. */
    struct clo_bytes id_block, id_auth;
    struct clo_launch_endorsement launch_endorsement;
    const struct clo_expectation *expectations;
    size_t expectation_count;
    /* What evidence of clients that hash their runtime data in another way was made over: REPORT_DATA, and a quote's
     * qualifying data, are this and zeros. data NULL: as our own guests do it (docs/formats/evidence.md). */
    struct clo_bytes runtime_digest;
    /* The digest of what was handed to the guest at its start, which HOST_DATA, MRCONFIGID or PCR 8 must hold. data NULL:
     * nothing was claimed. */
    struct clo_bytes init_data;
    /* Of a verifier that sees the same certificates again and again; NULL: none. What is in it was verified before, and is
     * held against dates, roots and revocation lists like any other. */
    struct clo_certificate_cache *certificate_cache;
};

/* The SEV-SNP report in the evidence, bare or inside an HCL report: what endorsements it needs follows from it.
 * False: there is none that can be read. */
CLO_API bool clo_appraise_snp_report(const struct clo_evidence *evidence,
                                     struct clo_snp_report *out);

/* Which machine it is, and in which of its boots. Lower-case hex; an empty text: nothing proves it. */
struct clo_holder {
    char instance[CLO_INSTANCE_HEX_SIZE]; /* of a bound vTPM its key, else the chip */
    /* A vTPM's key and counts; a bare SEV-SNP report's REPORT_ID; of a bare TDX quote none. */
    char boot[CLO_INSTANCE_HEX_SIZE];
    /* The quote's counts. To each a secret offset may be added, which stays the same for one key. */
    bool has_counts;
    uint32_t reset_count, restart_count;
};

/* Opaque; made only by the functions below. */
struct clo_appraisal;

/* Makes every check it can. True with an appraisal whenever the evidence could be read, also when it
 * is refused; false (CLO_ERR_FORMAT, CLO_ERR_UNSUPPORTED, CLO_ERR_USAGE, CLO_ERR_SYSTEM) otherwise. */
CLO_API CLO_MUST_USE bool clo_appraise(const struct clo_evidence *evidence,
                                       const struct clo_appraise_inputs *inputs,
                                       struct clo_appraisal **out, struct clo_error *err);
CLO_API void clo_appraisal_free(struct clo_appraisal *appraisal);
CLO_API void clo_appraisal_freep(struct clo_appraisal **appraisal);

CLO_API enum clo_appraisal_status clo_appraisal_status(const struct clo_appraisal *appraisal);
CLO_API const char *
clo_appraisal_tee(const struct clo_appraisal *appraisal); /* "snp", "tdx" or "tpm" */
/* May a secret be released on it? Affirming (or a warning for nothing but what the policy leaves open and
 * says why: accept_weak), with a policy, an expected nonce that matched, and a tee-pubkey that the
 * evidence binds. Nothing else may decide this. */
CLO_API CLO_MUST_USE bool clo_appraisal_releases(const struct clo_appraisal *appraisal,
                                                 struct clo_error *err);
/* The one-time key (JWK) that the evidence binds; NULL unless the binding was verified. */
CLO_API const json_t *clo_appraisal_tee_pubkey(const struct clo_appraisal *appraisal);
/* Genuine hardware made it, for this nonce and key: whatever else is wrong with it, it is not a forgery
 * nor a replay. */
CLO_API bool clo_appraisal_is_authentic(const struct clo_appraisal *appraisal);
/* The resource (a template) that the evidence asks for: its runtime data bind it. NULL: none, or not bound. */
CLO_API const char *clo_appraisal_resource(const struct clo_appraisal *appraisal);
CLO_API const struct clo_instances *clo_appraisal_instances(const struct clo_appraisal *appraisal);
CLO_API const struct clo_holder *clo_appraisal_holder(const struct clo_appraisal *appraisal);
CLO_API const struct clo_checks *clo_appraisal_checks(const struct clo_appraisal *appraisal);
CLO_API size_t clo_appraisal_warning_count(const struct clo_appraisal *appraisal);
CLO_API const char *clo_appraisal_warning(const struct clo_appraisal *appraisal, size_t index);
/* Was it shown that the evidence is not an old one? */
CLO_API bool clo_appraisal_is_fresh(const struct clo_appraisal *appraisal);
/* What nothing pins although no check failed: "firmware", "program", "command line", "debug", and why. */
CLO_API size_t clo_appraisal_open_count(const struct clo_appraisal *appraisal);
CLO_API const char *clo_appraisal_open(const struct clo_appraisal *appraisal, size_t index,
                                       const char **why);
CLO_API const json_t *clo_appraisal_claims(const struct clo_appraisal *appraisal);
/* The policy it was made with; NULL: none. */
CLO_API const char *clo_appraisal_policy_name(const struct clo_appraisal *appraisal);
CLO_API const struct clo_digest *
clo_appraisal_policy_fingerprint(const struct clo_appraisal *appraisal);
/* {"status","tee","summary","checks","claims","warnings","open","is_fresh"}, as `verify --json` prints it; NULL: out of memory. */
CLO_API json_t *clo_appraisal_json(const struct clo_appraisal *appraisal);
/* One line: why it was refused, the most telling reason first (a PCR's explanation, then whatever
 * else failed); or that it was not. This is what the guest is told. Borrowed. */
CLO_API const char *clo_appraisal_summary(const struct clo_appraisal *appraisal);

CLO_END_C

#endif
