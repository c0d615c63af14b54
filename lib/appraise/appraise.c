#include "cloister/appraise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"

#include "appraise_internal.h"
#include "lib/policy/policy_internal.h"

/* --- Runtime data: what the guest says of this one exchange --- */

static bool take_resource(struct work *w, const char *resource, struct clo_error *err)
{
    if (!clo_resource_template_check(resource, err))
        return clo_fail(err, CLO_ERR_FORMAT, "%s", err->text);
    snprintf(w->appraisal->resource, sizeof w->appraisal->resource, "%s", resource);
    return appraise_claim(w, "resource", json_string(resource), err);
}

static bool read_runtime_data(struct work *w, struct clo_error *err)
{
    static const char *const keys[] = { "nonce", "tee-pubkey", "resource", NULL };
    static const char id[] = "evidence.nonce";
    struct clo_bytes expected = w->inputs->expected_nonce;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    const char *nonce, *resource;
    json_t *jwk;

    w->runtime_data = clo_evidence_get(w->evidence, CLO_EVIDENCE_RUNTIME_DATA);
    if (w->runtime_data.data == NULL) {
        if (expected.data != NULL)
            clo_check_that(w->checks, id, false, "the evidence has no runtime data, so no nonce");
        else
            clo_check_skip(w->checks, id, "no nonce was expected, and none is there");
        return true;
    }
    if (!clo_json_parse(w->runtime_data, &json, err) || !clo_json_only(json, keys, err) ||
        !clo_json_get_string(json, "nonce", &nonce, err) ||
        !clo_json_get_object(json, "tee-pubkey", &jwk, err) ||
        !clo_jwk_to_public_key(jwk, &key, err) ||
        !clo_json_get_string_optional(json, "resource", &resource, err) ||
        (resource != NULL && !take_resource(w, resource, err)))
        return clo_wrap(err, "evidence: runtime data");
    w->appraisal->tee_pubkey = json_incref(jwk);
    if (expected.data == NULL)
        clo_check_skip(w->checks, id, "no nonce was expected: freshness is not shown");
    else
        w->appraisal->matches_nonce = clo_check_that(
                w->checks, id, clo_bytes_equal(clo_bytes_text(nonce), expected),
                "the nonce \"%.100s\" %s", nonce,
                clo_bytes_equal(clo_bytes_text(nonce), expected)
                        ? "is the expected one"
                        : "is not the one that was given out: old or foreign evidence");
    return appraise_claim(w, "nonce", json_string(nonce), err);
}

/* --- Policy, warnings, verdict --- */

static enum clo_evidence_kind kind_of(const struct work *w)
{
    if (strcmp(w->appraisal->tee, "tpm") == 0)
        return CLO_EVIDENCE_OF_TPM;
    return clo_evidence_has(w->evidence, CLO_EVIDENCE_HCL_REPORT) ? CLO_EVIDENCE_OF_VTPM
                                                                  : CLO_EVIDENCE_OF_BARE;
}

/* PCRs, where the policy demands some, are held against nothing in a bare report: it is another kind. */
static void check_kind(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    enum clo_evidence_kind kind = kind_of(w);
    bool holds = (clo_policy_evidence(policy) >> kind & 1) != 0;
    bool is_implied = !policy->has_evidence && kind == CLO_EVIDENCE_OF_BARE;

    if (!policy->is_strict_builtin)
        clo_check_that(w->checks, "policy.evidence", holds, "evidence of the kind \"%s\" %s",
                       clo_evidence_kind_name(kind),
                       holds ? "is accepted"
                       : is_implied
                               ? "has no TPM that the report binds, and the policy demands PCRs "
                                 "or a phase"
                               : "is not one that the policy accepts");
}

static void check_ages(struct work *w)
{
    const struct clo_policy_ages *ages = &w->inputs->policy->maximum_age;
    const struct clo_tdx_tcb *tcb = &w->tdx.tcb;
    int64_t at = w->inputs->at;

    if (w->is_verified)
        policy_check_age(ages->crl, "policy.crl_age", "revocation list", w->snp.revocation_checked,
                         w->snp.revocation_issued, at, w->checks);
    if (!w->is_tdx_verified)
        return;
    policy_check_age(ages->crl, "policy.crl_age", "revocation list",
                     tcb->is_evaluated && tcb->lists_issued != INT64_MAX, tcb->lists_issued, at,
                     w->checks);
    policy_check_age(ages->collateral, "policy.collateral_age", "TCB info or QE identity",
                     tcb->is_evaluated && tcb->documents_issued != INT64_MAX, tcb->documents_issued,
                     at, w->checks);
}

/* A nonce of the caller's is in what a verified report or quote signed. */
static bool shows_freshness(const struct work *w)
{
    return (w->appraisal->matches_nonce && w->binds_runtime_data) || w->matches_qualifying;
}

static void check_freshness(struct work *w)
{
    if (w->inputs->policy->require_freshness)
        clo_check_that(w->checks, "policy.freshness", shows_freshness(w), "%s",
                       shows_freshness(w) ? "the evidence was made for the nonce that was given"
                                          : "no nonce shows that the evidence is not an old one");
}

static void appraise_snp_policy(struct work *w)
{
    json_t *behind = clo_policy_snp_behind(w->inputs->policy, &w->snp);

    clo_policy_appraise_snp(w->inputs->policy, &w->snp, w->checks);
    if (behind != NULL)
        json_object_set_new(w->appraisal->claims, "tcb_behind", behind);
}

static void appraise_policy(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (w->is_verified)
        appraise_warn_of_snp(w);
    if (w->is_tdx_verified)
        appraise_warn_of_tdx(w);
    if (policy == NULL) {
        if (!w->appraised)
            clo_check_skip(w->checks, "policy", "no policy: nothing was appraised");
        return;
    }
    check_kind(w);
    check_ages(w);
    check_freshness(w);
    if (w->is_verified)
        appraise_snp_policy(w);
    else if (w->is_tdx_verified)
        clo_policy_appraise_tdx(policy, &w->tdx, w->proven_rtmrs, w->checks);
    else if (strcmp(w->appraisal->tee, "tpm") != 0)
        clo_check_skip(w->checks, "policy", "there is no verified report to hold it against");
    else
        clo_check_that(w->checks, "policy.tee",
                       (clo_policy_evidence(policy) >> CLO_EVIDENCE_OF_TPM & 1) != 0,
                       "a TPM without a hardware report");
}

/* Which failure tells most: a phase that nobody knows, then what the kernel was
 * told and what was started, before what follows from it. */
static const struct clo_check *most_telling(const struct clo_checks *checks)
{
    static const char *const order[] = {
        "policy.phase", "pcr.11", "pcr.12", "pcr.13", "pcr.15", "pcr.7", "pcr.4",
        "pcr.9",        "pcr.5",  "pcr.14", "pcr.0",  "pcr.1",  "pcr.2", "pcr.3",
        "pcr.6",        "rtmr.2", "rtmr.1", "rtmr.0", "rtmr.3", "mr_td",
    };

    for (size_t i = 0; i < CLO_COUNT(order); i++) {
        const struct clo_check *check = clo_checks_get(checks, order[i]);
        if (check != NULL && check->result == CLO_CHECK_FAIL)
            return check;
    }
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            return &checks->items[i];
    return NULL;
}

/* What is left open, in a few words: "program and debug are open". */
static void name_open(const struct clo_appraisal *appraisal, char *out, size_t size)
{
    const char *last = "";
    size_t used = 0;

    for (size_t i = 0; i < appraisal->open_count; i++) {
        const struct appraise_open *open = &appraisal->open[i];
        if (strcmp(open->aspect, last) == 0)
            continue;
        used = strlen(out);
        snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", open->aspect);
        last = open->aspect;
    }
    used = strlen(out);
    if (used > 0)
        snprintf(out + used, size - used, ": not pinned");
    if (!appraisal->is_fresh)
        snprintf(out + strlen(out), size - strlen(out), "%sfreshness was not shown",
                 used == 0 ? "" : "; ");
}

/* Nothing failed. Affirming is what was looked at, is pinned and is fresh; the rest is a warning. */
static void conclude_accepted(struct work *w)
{
    struct clo_appraisal *appraisal = w->appraisal;
    bool is_pinned = appraisal->open_count == 0 && appraisal->is_fresh;
    bool is_appraised = appraisal->has_policy || (w->appraised && appraisal->warning_count == 0);
    char but[200] = "";

    /* A platform whose TCB nobody looked at is never more than a warning. */
    appraisal->is_tcb_left_out = w->is_tdx_verified && !w->tdx.tcb.is_evaluated;
    appraisal->status =
            is_pinned && is_appraised && !appraisal->is_tcb_left_out ? CLO_AFFIRMING : CLO_WARNING;
    name_open(appraisal, but, sizeof but);
    if (appraisal->is_tcb_left_out)
        snprintf(appraisal->summary, sizeof appraisal->summary,
                 "authentic, but its TCB was not evaluated");
    else if (appraisal->has_policy)
        snprintf(appraisal->summary, sizeof appraisal->summary, "accepted by policy \"%s\"%s%s",
                 appraisal->policy_name, but[0] == '\0' ? "" : ", but ", but);
    else if (w->appraised)
        snprintf(appraisal->summary, sizeof appraisal->summary,
                 "authentic and as expected; no policy was given%s%s", but[0] == '\0' ? "" : "; ",
                 but);
    else
        snprintf(appraisal->summary, sizeof appraisal->summary,
                 "authentic; nothing was appraised, since no policy was given");
}

static void conclude(struct work *w)
{
    struct clo_appraisal *appraisal = w->appraisal;
    const struct clo_check *check = most_telling(&appraisal->checks);

    if (!clo_checks_ok(&appraisal->checks)) {
        appraisal->status = CLO_CONTRAINDICATED;
        /* A register's explanation says itself where it looked. */
        if (check == NULL)
            snprintf(appraisal->summary, sizeof appraisal->summary, "refused");
        else if (strncmp(check->id, "pcr.", 4) == 0 || strncmp(check->id, "rtmr.", 5) == 0)
            snprintf(appraisal->summary, sizeof appraisal->summary, "%s", check->detail);
        else
            snprintf(appraisal->summary, sizeof appraisal->summary, "%s: %s", check->id,
                     check->detail);
        return;
    }
    conclude_accepted(w);
}

static bool refuse_two_kinds(const struct work *w, struct clo_error *err)
{
    bool has_snp = clo_evidence_has(w->evidence, CLO_EVIDENCE_SNP_REPORT);
    bool has_tdx = clo_evidence_has(w->evidence, CLO_EVIDENCE_TDX_QUOTE);

    /* An HCL report of TDX has the quote beside it. */
    if (has_snp && (has_tdx || clo_evidence_has(w->evidence, CLO_EVIDENCE_HCL_REPORT)))
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: two hardware reports");
    return true;
}

static bool appraise(struct work *w, struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;

    if (!refuse_two_kinds(w, err) || !read_runtime_data(w, err))
        return false;
    w->appraisal->tee = "snp";
    if (clo_evidence_has(w->evidence, CLO_EVIDENCE_HCL_REPORT)) {
        if (!appraise_hcl(w, err))
            return false;
    } else if (clo_evidence_has(w->evidence, CLO_EVIDENCE_SNP_REPORT)) {
        if (!appraise_snp(w, err))
            return false;
    } else if (clo_evidence_has(w->evidence, CLO_EVIDENCE_TDX_QUOTE)) {
        w->appraisal->tee = "tdx";
        if (!appraise_tdx(w, err))
            return false;
        appraise_select(w);
        appraise_tdx_registers(w);
    } else if (inputs->ak != NULL) {
        w->appraisal->tee = "tpm";
        w->ak = inputs->ak;
        appraise_warn(w, "no hardware report: the TPM's key is believed because it was given");
    } else {
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: no hardware report in it");
    }
    /* Beside a bare report a TPM is the host's: what it says is not looked at. */
    bool has_bound_tpm = clo_evidence_has(w->evidence, CLO_EVIDENCE_HCL_REPORT) ||
                         strcmp(w->appraisal->tee, "tpm") == 0;
    appraise_phase(w, has_bound_tpm);
    if (has_bound_tpm) {
        if (!appraise_tpm(w, err))
            return false;
        appraise_select(w);
        appraise_pcrs(w);
    } else if (inputs->reference_count > 0 && strcmp(w->appraisal->tee, "tdx") != 0) {
        clo_check_that(w->checks, "pcr", false,
                       "reference values were given, but nothing in the evidence binds PCRs");
    }
    w->appraisal->is_verified = w->is_verified || w->is_tdx_verified;
    if (!appraise_instances(w, err) || !appraise_id_block(w, err) || !appraise_expectations(w, err))
        return false;
    if (!appraise_host_inputs(w, err))
        return false;
    appraise_policy(w);
    w->appraisal->is_fresh = shows_freshness(w);
    appraise_open(w, has_bound_tpm);
    if (w->checks->failed)
        return clo_out_of_memory(err);
    return true;
}

bool clo_appraise(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                  struct clo_appraisal **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    const struct clo_policy *policy = inputs->policy;
    struct work w = { .evidence = evidence, .inputs = inputs };

    if (inputs->reference_count > APPRAISE_REFERENCES_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu references, at most %d", inputs->reference_count,
                        APPRAISE_REFERENCES_MAX);
    appraisal = calloc(1, sizeof *appraisal);
    if (appraisal == NULL)
        return clo_out_of_memory(err);
    appraisal->status = CLO_CONTRAINDICATED;
    appraisal->claims = json_object();
    if (policy != NULL) {
        appraisal->has_policy = true;
        appraisal->has_strict_policy = policy->is_strict_builtin;
        snprintf(appraisal->policy_name, sizeof appraisal->policy_name, "%s",
                 policy->name[0] == '\0' ? "unnamed" : policy->name);
        appraisal->policy_fingerprint = policy->fingerprint;
        appraisal->accepts_weak = policy->accept_weak[0] != '\0';
    }
    w.appraisal = appraisal;
    w.checks = &appraisal->checks;
    w.phase = inputs->phase != NULL ? inputs->phase
              : policy != NULL      ? policy->phase
                                    : CLO_PHASE_ENTER_INITRD;
    bool ok = appraise(&w, err) && appraise_provenance(&w, err);
    if (ok)
        conclude(&w);
    json_decref(w.root_name);
    clo_hcl_verified_free(w.hcl);
    clo_tdx_platform_free(w.tdx_platform);
    clo_eventlog_free(w.log);
    clo_userlog_free(w.userlog);
    if (!ok)
        return false;
    *out = CLO_TAKE(appraisal);
    return true;
}
