#include "cloister/appraise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"

#include "lib/appraise/tee_tpm_voucher.h"
#include "lib/appraise/verified.h"
#include "lib/jose/recipient.h"
#include "lib/policy/policy_internal.h"

/* --- Runtime data: what the guest says of this one exchange --- */

/* Of devices next to the TEE, in Trustee's runtime data: bound like all of them, and judged by nobody here. */
static bool take_additional(struct work *w, const char *evidence, struct clo_error *err)
{
    if (evidence == NULL || evidence[0] == '\0' || strcmp(evidence, "{}") == 0)
        return true;
    appraise_warn(w, "the evidence of devices that came along is bound, but was not appraised");
    return appraise_claim(w, "additional_evidence", json_string("not appraised"), err);
}

static bool take_resource(struct work *w, const char *resource, struct clo_error *err)
{
    if (!clo_resource_template_check(resource, err))
        return clo_fail(err, CLO_ERR_FORMAT, "%s", err->text);
    snprintf(w->appraisal->resource, sizeof w->appraisal->resource, "%s", resource);
    return appraise_claim(w, "resource", json_string(resource), err);
}

/* Others may ask for a result alone, and have no key: nothing is released to it then. */
static bool take_key(const json_t *runtime_data, bool may_lack, json_t **out, struct clo_error *err)
{
    if (may_lack && json_object_get(runtime_data, "tee-pubkey") == NULL)
        return true;
    return clo_json_get_object(runtime_data, "tee-pubkey", out, err) &&
           clo_jwe_recipient_check(*out, err);
}

static bool read_runtime_data(struct work *w, struct clo_error *err)
{
    static const char *const own_keys[] = { "nonce", "tee-pubkey", "resource", NULL };
    static const char *const foreign_keys[] = { "additional-evidence", "nonce", "tee-pubkey",
                                                NULL };
    const char *const *keys = w->inputs->runtime_digest.data == NULL ? own_keys : foreign_keys;
    static const char id[] = "evidence.nonce";
    struct clo_bytes expected = w->inputs->expected_nonce;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    bool is_foreign = keys == foreign_keys;
    const char *nonce, *resource, *additional;
    json_t *jwk = NULL;

    w->runtime_data = clo_evidence_get(w->evidence, CLO_EVIDENCE_RUNTIME_DATA);
    if (w->runtime_data.data == NULL) {
        if (clo_evidence_has(w->evidence, CLO_EVIDENCE_SYSTEMD_REPORT))
            return true; /* which may have it: appraise_systemd() */
        if (expected.data != NULL)
            clo_check_that(w->checks, id, false, "the evidence has no runtime data, so no nonce");
        else
            clo_check_skip(w->checks, id, "no nonce was expected, and none is there");
        return true;
    }
    if (!clo_json_parse_bounded(w->runtime_data, CLO_JSON_VALUES_MAX, &json, err) ||
        !clo_json_only(json, keys, err) || !clo_json_get_string(json, "nonce", &nonce, err) ||
        !take_key(json, is_foreign, &jwk, err) ||
        !clo_json_get_string_optional(json, "resource", &resource, err) ||
        (resource != NULL && !take_resource(w, resource, err)) ||
        !clo_json_get_string_optional(json, "additional-evidence", &additional, err) ||
        !take_additional(w, additional, err))
        return clo_wrap(err, "evidence: runtime data");
    w->appraisal->tee_pubkey = json_incref(jwk); /* NULL stays it */
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

/* PCRs, where the policy demands some, are held against nothing in a bare report: it is another kind. */
static void check_kind(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    enum clo_evidence_kind kind = w->tee->kind;
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

static void appraise_tpm_policy(struct work *w)
{
    clo_check_that(w->checks, "policy.tee",
                   (clo_policy_evidence(w->inputs->policy) >> CLO_EVIDENCE_OF_TPM & 1) != 0,
                   "a TPM without a hardware report");
    tpm_voucher_check_policy(w);
}

bool appraise_is_wrapped(const struct work *w)
{
    return w->hardware != NULL && w->tee != w->hardware;
}

static void appraise_policy(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (w->hardware != NULL)
        w->hardware->warn(w);
    if (policy == NULL) {
        if (!w->appraised)
            clo_check_skip(w->checks, "policy", "no policy: nothing was appraised");
        return;
    }
    check_kind(w);
    if (w->hardware != NULL)
        w->hardware->check_ages(w);
    check_freshness(w);
    if (appraise_is_wrapped(w) && w->tee->check_policy != NULL)
        w->tee->check_policy(w);
    if (w->hardware != NULL)
        w->hardware->check_policy(w);
    else if (w->tee->kind != CLO_EVIDENCE_OF_TPM)
        clo_check_skip(w->checks, "policy", "there is no verified report to hold it against");
    else
        appraise_tpm_policy(w);
}

static const struct clo_check *failed(const struct clo_checks *checks, const char *id)
{
    const struct clo_check *check = clo_checks_get(checks, id);

    return check != NULL && check->result == CLO_CHECK_FAIL ? check : NULL;
}

/* Which failure tells most: a phase that nobody knows, then the registers in the order of their kinds. */
static const struct clo_check *most_telling(const struct clo_checks *checks)
{
    const struct clo_check *check = failed(checks, "policy.phase");

    for (size_t i = 0; check == NULL && tees[i] != NULL; i++)
        for (size_t k = 0; check == NULL && tees[i]->telling != NULL && tees[i]->telling[k] != NULL;
             k++)
            check = failed(checks, tees[i]->telling[k]);
    for (size_t i = 0; check == NULL && i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            check = &checks->items[i];
    return check;
}

static bool is_register(const char *id)
{
    for (size_t i = 0; tees[i] != NULL; i++) {
        const char *begin = tees[i]->register_ids;
        if (begin != NULL && strncmp(id, begin, strlen(begin)) == 0)
            return true;
    }
    return false;
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
    appraisal->is_tcb_left_out = w->hardware != NULL && w->hardware->is_tcb_left_out != NULL &&
                                 w->hardware->is_tcb_left_out(w);
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
        else if (is_register(check->id))
            snprintf(appraisal->summary, sizeof appraisal->summary, "%s", check->detail);
        else
            snprintf(appraisal->summary, sizeof appraisal->summary, "%s: %s", check->id,
                     check->detail);
        return;
    }
    conclude_accepted(w);
}

static bool is_there(const struct work *w, const struct tee *tee)
{
    if (tee->label != NULL)
        return clo_evidence_has(w->evidence, tee->label);
    return w->inputs->ak != NULL || w->inputs->activation.challenge.data != NULL ||
           clo_evidence_has(w->evidence, CLO_EVIDENCE_TPM_AK) ||
           clo_evidence_has(w->evidence, CLO_EVIDENCE_TPM_AK_CERTIFICATES);
}

/* The entry by which the evidence came: the first of the table that is there. Two kinds are refused, but where the
 * second member belongs to the first (an HCL report of TDX has the quote next to it). */
static bool find_tee(struct work *w, struct clo_error *err)
{
    for (size_t i = 0; tees[i] != NULL; i++) {
        const struct tee *tee = tees[i];
        if (!is_there(w, tee))
            continue;
        if (w->tee == NULL)
            w->tee = tee;
        else if (tee->label != NULL &&
                 (w->tee->with_label == NULL || strcmp(w->tee->with_label, tee->label) != 0))
            return clo_fail(err, CLO_ERR_FORMAT, "evidence: two hardware reports");
    }
    return true;
}

/* --- First stage: what the evidence proves --- */

static bool verify(struct work *w, struct clo_error *err)
{
    if (!find_tee(w, err) || !read_runtime_data(w, err))
        return false;
    if (w->tee == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: no hardware report in it");
    w->appraisal->tee = clo_tee_names(w->tee->id)->name;
    /* Next to a bare report a TPM is the host's: what it says is not looked at. */
    if (!w->tee->appraise(w, err) || (w->tee->has_tpm && !appraise_tpm(w, err)) ||
        !appraise_systemd(w, err))
        return false;
    tpm_voucher_check_given(w);
    w->appraisal->is_verified = w->hardware != NULL;
    return appraise_instances(w, err) && appraise_init_data(w, err) &&
           (!w->checks->failed || clo_out_of_memory(err));
}

struct clo_verified_evidence {
    struct clo_appraise_inputs inputs;
    struct clo_appraisal *appraisal; /* as far as the first stage makes it */
    struct work work;
};

bool clo_evidence_verify(const struct clo_evidence *evidence,
                         const struct clo_appraise_inputs *inputs,
                         struct clo_verified_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_verified_evidence_freep)
    struct clo_verified_evidence *verified = calloc(1, sizeof *verified);

    if (verified == NULL)
        return clo_out_of_memory(err);
    verified->appraisal = calloc(1, sizeof *verified->appraisal);
    if (verified->appraisal == NULL)
        return clo_out_of_memory(err);
    verified->inputs = *inputs;
    verified->appraisal->status = CLO_CONTRAINDICATED;
    verified->appraisal->claims = json_object();
    verified->work = (struct work){ .evidence = evidence,
                                    .inputs = &verified->inputs,
                                    .appraisal = verified->appraisal,
                                    .checks = &verified->appraisal->checks };
    if (!verify(&verified->work, err))
        return false;
    *out = CLO_TAKE(verified);
    return true;
}

void clo_verified_evidence_free(struct clo_verified_evidence *verified)
{
    if (verified == NULL)
        return;
    struct work *w = &verified->work;
    json_decref(w->root_name);
    for (size_t i = 0; i < CLO_COUNT(w->kept) && w->kept[i].entry != NULL; i++)
        w->kept[i].entry->free(w->kept[i].state);
    clo_eventlog_free(w->log);
    clo_userlog_free(w->userlog);
    clo_buffer_free(&w->log_bytes);
    clo_appraisal_free(verified->appraisal);
    free(verified);
}

void clo_verified_evidence_freep(struct clo_verified_evidence **verified)
{
    clo_verified_evidence_free(*verified);
    *verified = NULL;
}

bool clo_verified_evidence_is_authentic(const struct clo_verified_evidence *verified)
{
    return clo_appraisal_is_authentic(verified->appraisal);
}

/* --- Second stage: what terms say to that --- */

static void appraise_registers(struct work *w)
{
    const struct tee *tee = w->tee;

    if (strcmp(w->proven.prefix == NULL ? "" : w->proven.prefix, "pcr") == 0)
        w->proven.phase = w->phase;
    if (tee->check_registers != NULL) {
        appraise_select(w);
        tee->check_registers(w);
    }
    appraise_phase(w);
    if (tee->has_tpm) {
        appraise_select(w);
        appraise_pcrs(w);
    } else if (w->inputs->reference_count > 0 && tee->check_registers == NULL) {
        clo_check_that(w->checks, "pcr", false,
                       "reference values were given, but nothing in the evidence binds PCRs");
    }
}

static bool appraise(struct work *w, struct clo_error *err)
{
    appraise_registers(w);
    if (!appraise_id_block(w, err) || !appraise_launch_endorsement(w, err) ||
        !appraise_expectations(w, err) || !appraise_host_inputs(w, err))
        return false;
    appraise_policy(w);
    w->appraisal->is_fresh = shows_freshness(w);
    appraise_open(w);
    if (w->checks->failed)
        return clo_out_of_memory(err);
    if (w->explains && !appraise_provenance(w, err))
        return false;
    conclude(w);
    return true;
}

/* With room for those that follow. */
static bool copy_checks(const struct clo_checks *from, struct clo_checks *to)
{
    size_t capacity = from->count + 32;
    struct clo_check *items = malloc(capacity * sizeof *items);

    if (items == NULL)
        return false;
    if (from->count > 0)
        memcpy(items, from->items, from->count * sizeof *items);
    *to = *from;
    to->items = items;
    to->capacity = capacity;
    return true;
}

/* One's own, to go on with: the claims' values are shared. */
static struct clo_appraisal *copy(const struct clo_appraisal *from)
{
    struct clo_appraisal *to = malloc(sizeof *to);

    if (to == NULL)
        return NULL;
    *to = *from;
    to->provenance = NULL;
    to->tee_pubkey = json_incref(from->tee_pubkey);
    to->claims = json_copy(from->claims);
    to->checks = (struct clo_checks){ 0 };
    if (to->claims != NULL && copy_checks(&from->checks, &to->checks))
        return to;
    clo_appraisal_free(to);
    return NULL;
}

static void name_policy(struct clo_appraisal *appraisal, const struct clo_policy *policy)
{
    if (policy == NULL)
        return;
    appraisal->has_policy = true;
    appraisal->has_strict_policy = policy->is_strict_builtin;
    snprintf(appraisal->policy_name, sizeof appraisal->policy_name, "%s",
             policy->name[0] == '\0' ? "unnamed" : policy->name);
    appraisal->policy_fingerprint = policy->fingerprint;
    appraisal->accepts_weak = policy->accept_weak[0] != '\0';
}

bool clo_policies_trust_alike(const struct clo_policy *a, const struct clo_policy *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return clo_digest_equal(&a->trust, &b->trust);
}

bool clo_appraise_verified(const struct clo_verified_evidence *verified,
                           const struct clo_appraise_terms *terms, struct clo_appraisal **out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_appraise_inputs inputs = verified->inputs;
    struct work w = verified->work;

    if (terms->reference_count > APPRAISE_REFERENCES_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu references, at most %d", terms->reference_count,
                        APPRAISE_REFERENCES_MAX);
    if (!clo_policies_trust_alike(terms->policy, inputs.policy))
        return clo_fail(err, CLO_ERR_USAGE,
                        "the evidence was verified by other roots than the policy's");
    appraisal = copy(verified->appraisal);
    if (appraisal == NULL)
        return clo_out_of_memory(err);
    name_policy(appraisal, terms->policy);
    inputs.policy = terms->policy;
    inputs.references = terms->references;
    inputs.reference_count = terms->reference_count;
    w.inputs = &inputs;
    w.appraisal = appraisal;
    w.checks = &appraisal->checks;
    w.explains = terms->explains;
    w.phase = inputs.phase != NULL    ? inputs.phase
              : inputs.policy != NULL ? inputs.policy->phase
                                      : CLO_PHASE_ENTER_INITRD;
    if (!appraise(&w, err))
        return false;
    *out = CLO_TAKE(appraisal);
    return true;
}

bool clo_appraise(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                  struct clo_appraisal **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_verified_evidence_freep) struct clo_verified_evidence *verified = NULL;
    const struct clo_appraise_terms terms = { .policy = inputs->policy,
                                              .references = inputs->references,
                                              .reference_count = inputs->reference_count,
                                              .explains = true };

    if (inputs->reference_count > APPRAISE_REFERENCES_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu references, at most %d", inputs->reference_count,
                        APPRAISE_REFERENCES_MAX);
    return clo_evidence_verify(evidence, inputs, &verified, err) &&
           clo_appraise_verified(verified, &terms, out, err);
}
