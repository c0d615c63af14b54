/* The vTPM's part of an appraisal: its quote, the PCRs, and the logs that explain them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/explain.h"

#include "lib/appraise/tee_tpm_voucher.h"
#include "lib/policy/policy_internal.h"

/* PCRs 0 to 15 are static: a log can lead to them. 16 and up are for debugging and dynamic launch. */
#define LOGGED_PCRS 0xffffU

/* --- The quote --- */

static void check_ak(struct work *w)
{
    struct clo_digest given;
    struct clo_digest bound;
    struct clo_error err;

    if (w->inputs->ak == NULL || !w->is_ak_bound)
        return;
    bool same = clo_public_key_fingerprint(w->inputs->ak, &given, &err) &&
                clo_public_key_fingerprint(w->ak, &bound, &err) && clo_digest_equal(&given, &bound);
    clo_check_that(w->checks, "hcl.ak", same, "the key that was given %s the one in the claims",
                   same ? "is" : "is not");
}

static void check_nonce(struct work *w)
{
    static const char id[] = "tpm.quote.nonce";
    struct clo_bytes qualifying = w->quote.quote.qualifying_data;
    struct clo_bytes expected = w->inputs->expected_qualifying;

    if (w->runtime_data.data != NULL) {
        bool binds = appraise_binds(w, CLO_HASH_SHA256, qualifying);
        clo_check_that(w->checks, id, binds, "the quote's qualifying data %s",
                       binds ? "are the digest of the runtime data"
                             : "are not the digest of the runtime data: the quote was made for "
                               "another nonce or key");
        /* The key that signed it is bound by a verified report, or the caller's. */
        w->appraisal->binds_pubkey = binds && w->is_ak_bound;
        w->binds_runtime_data = binds;
    } else if (expected.data != NULL) {
        bool same = clo_bytes_equal(qualifying, expected);
        w->matches_qualifying = same;
        clo_check_that(w->checks, id, same,
                       "the quote's qualifying data %s the nonce that was given",
                       same ? "is" : "is not");
    } else if (!clo_evidence_has(w->evidence, CLO_EVIDENCE_SYSTEMD_REPORT)) {
        clo_check_skip(w->checks, id, "no nonce was given: the quote may be an old one");
    }
}

static const char *signer(const struct work *w)
{
    const struct tpm_vouched *vouched = tpm_vouched(w);

    return w->is_ak_bound    ? "the quote is signed by the key that the report binds"
           : vouched == NULL ? "the quote is signed by the key that was given"
           : vouched->by == TPM_VOUCHED_BY_CERTIFICATE
                   ? "the quote is signed by the key that the certificate is of"
           : vouched->by == TPM_VOUCHED_BY_CALLER
                   ? "the quote is signed by the key that was given"
                   : "the quote is signed by the key that came with it, which nobody vouches for";
}

/* What the TPM says of itself: its firmware, its clock, and how often it was reset. */
static bool claim_quote(struct work *w, struct clo_bytes signature, struct clo_error *err)
{
    static const char *const schemes[] = {
        [CLO_RSASSA_PKCS1] = "rsassa", [CLO_RSASSA_PSS] = "rsapss", [CLO_ECDSA_RAW] = "ecdsa"
    };
    const struct clo_quote *quote = &w->quote.quote;
    struct clo_json_object o = { .json = json_object() };
    struct clo_quote_signature parsed;
    char text[40];

    snprintf(text, sizeof text, "0x%016llx", (unsigned long long)quote->firmware_version);
    clo_json_set(&o, "tpm_firmware_version", json_string(text));
    snprintf(text, sizeof text, "%llu", (unsigned long long)quote->clock);
    clo_json_set(&o, "tpm_clock", json_string(text));
    clo_json_set(&o, "tpm_is_clock_safe", json_boolean(quote->is_safe));
    clo_json_set(&o, "tpm_reset_count", json_integer(quote->reset_count));
    clo_json_set(&o, "tpm_restart_count", json_integer(quote->restart_count));
    if (clo_quote_signature_parse(signature, &parsed, err)) {
        snprintf(text, sizeof text, "%s-%s", schemes[parsed.scheme], clo_hash_name(parsed.hash));
        clo_json_set(&o, "tpm_signature", json_string(text));
    }
    if (!quote->is_safe)
        appraise_warn(w, "the TPM's clock may have gone back since its last orderly shutdown");
    return appraise_claims(w, clo_json_finish(&o), err);
}

static bool check_quote(struct work *w, struct clo_error *err)
{
    static const char id[] = "tpm.quote.signature";
    struct clo_bytes attest = clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_QUOTE);
    struct clo_bytes signature = clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_SIGNATURE);
    struct clo_error refused;

    check_ak(w);
    if (attest.data == NULL || signature.data == NULL) {
        if (w->inputs->policy != NULL || w->inputs->reference_count > 0 ||
            w->inputs->expected_nonce.data != NULL || w->inputs->expected_qualifying.data != NULL)
            clo_check_that(w->checks, id, false, "the evidence has no quote");
        else
            clo_check_skip(w->checks, id, "the evidence has no quote");
        return true;
    }
    if (w->ak == NULL) {
        clo_check_skip(w->checks, id, "no verified report binds the key to verify it with");
        return true;
    }
    w->has_quote = clo_quote_verify(attest, signature, w->ak, false, &w->quote, &refused);
    if (!w->has_quote && refused.status != CLO_ERR_REFUSED && refused.status != CLO_ERR_UNVERIFIED)
        return clo_fail(err, refused.status, "evidence: %s", refused.text);
    clo_check_that(w->checks, id, w->has_quote, "%s", w->has_quote ? signer(w) : refused.text);
    if (!w->has_quote)
        return true;
    check_nonce(w);
    return claim_quote(w, signature, err);
}

/* --- PCR values --- */

static bool read_bank(const json_t *values, struct clo_pcr_bank *bank, uint32_t *mask,
                      struct clo_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(values))
        return clo_fail(err, CLO_ERR_FORMAT, "no object");
    json_object_foreach ((json_t *)(uintptr_t)values, key, value) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        char canonical[8];
        char *end;
        unsigned long pcr = strtoul(key, &end, 10);
        snprintf(canonical, sizeof canonical, "%lu", pcr < CLO_PCR_COUNT ? pcr : 0);
        if (pcr >= CLO_PCR_COUNT || strcmp(canonical, key) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%.20s\" is not a PCR", key);
        if (!clo_json_get_bytes(values, key, CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &bytes, err))
            return false;
        if (bytes.size != clo_hash_size(bank->hash))
            return clo_fail(err, CLO_ERR_FORMAT, "PCR %lu: %zu bytes", pcr, bytes.size);
        bank->values[pcr].hash = bank->hash;
        memcpy(bank->values[pcr].bytes, bytes.data, bytes.size);
        *mask |= 1U << pcr;
    }
    return true;
}

bool appraise_read_pcrs(struct clo_bytes text, struct clo_pcr_bank *bank, uint32_t *mask,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *name;
    json_t *values;

    if (!clo_json_parse_bounded(text, CLO_JSON_VALUES_MAX, &json, err))
        return false;
    if (!json_is_object(json) || json_object_size(json) != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "not exactly one bank");
    json_object_foreach (json, name, values) {
        enum clo_hash hash = clo_hash_from_name(name);
        if (hash != CLO_HASH_SHA256 && hash != CLO_HASH_SHA384)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "bank \"%.20s\"", name);
        clo_pcr_reset(bank, hash);
        if (!read_bank(values, bank, mask, err))
            return clo_wrap(err, "bank %s", name);
    }
    return true;
}

bool appraise_prove_pcrs(struct work *w, uint32_t mask, struct clo_error *err)
{
    json_t *values = json_object();

    w->pcr_mask = mask;
    /* In place of the hardware's own, if it has any. */
    w->proven = (struct registers){ .prefix = "pcr",
                                    .hash = w->pcrs.hash,
                                    .phase = w->phase,
                                    .count = CLO_PCR_COUNT,
                                    .mask = w->pcr_mask };
    memcpy(w->proven.values, w->pcrs.values, sizeof w->proven.values);
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        if ((mask >> i & 1) != 0 &&
            json_object_set_new(values, key, clo_json_hex(clo_digest_bytes(&w->pcrs.values[i]))) !=
                    0) {
            json_decref(values);
            return clo_out_of_memory(err);
        }
    }
    return appraise_claim(w, "pcrs", json_pack("{s:o}", clo_hash_name(w->pcrs.hash), values), err);
}

static bool check_pcrs(struct work *w, struct clo_error *err)
{
    static const char id[] = "tpm.pcrs";
    struct clo_bytes text = clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_PCRS);
    uint32_t mask = 0;
    struct clo_error refused;

    if (text.data == NULL) {
        if (w->inputs->policy != NULL || w->inputs->reference_count > 0)
            clo_check_that(w->checks, id, false, "the evidence has no PCR values");
        else
            clo_check_skip(w->checks, id, "the evidence has no PCR values");
        return true;
    }
    if (!appraise_read_pcrs(text, &w->pcrs, &mask, err))
        return clo_wrap(err, "evidence: PCR values");
    if (!w->has_quote) {
        clo_check_skip(w->checks, id, "there is no verified quote to hold them against");
        return true;
    }
    if (mask == 0) {
        clo_check_that(w->checks, id, false, "the evidence has no PCR values");
        return true;
    }
    bool covers = clo_quote_covers(&w->quote, &w->pcrs, mask, &refused);
    clo_check_that(w->checks, id, covers, "%s",
                   covers ? "the quote is of exactly these PCR values" : refused.text);
    if (!covers)
        return true;
    return appraise_prove_pcrs(w, mask, err);
}

/* --- The logs --- */

static bool check_logs(struct work *w, struct clo_error *err)
{
    static const char id[] = "eventlog.replay";
    struct clo_bytes log = clo_evidence_get(w->evidence, CLO_EVIDENCE_EVENTLOG);
    struct clo_bytes userlog = clo_evidence_get(w->evidence, CLO_EVIDENCE_USERSPACE_LOG);
    struct clo_pcr_bank replayed;
    struct clo_error refused;

    if (log.data != NULL && !clo_eventlog_parse(log, &w->log, err))
        return clo_wrap(err, "evidence: event log");
    if (userlog.data != NULL && !clo_userlog_parse(userlog, &w->userlog, err))
        return clo_wrap(err, "evidence: user space's log");
    if (w->log == NULL) {
        clo_check_skip(w->checks, id, "the evidence has no event log");
        return true;
    }
    if (w->pcr_mask == 0) {
        clo_check_skip(w->checks, id, "there are no proven PCRs to hold it against");
        return true;
    }
    if (!clo_eventlog_replay(w->log, w->pcrs.hash, &replayed, &refused) ||
        (w->userlog != NULL && !clo_userlog_replay(w->userlog, &replayed, &refused))) {
        clo_check_that(w->checks, id, false, "%s", refused.text);
        return true;
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer differ = { 0 };
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++)
        if ((w->pcr_mask & LOGGED_PCRS) >> i & 1 && i != CLO_IMA_PCR &&
            !clo_digest_equal(&replayed.values[i], &w->pcrs.values[i]))
            clo_buffer_printf(&differ, "%s%u", differ.size == 0 ? "" : ", ", i);
    if (!clo_buffer_ok(&differ))
        return clo_out_of_memory(err);
    clo_check_that(w->checks, id, differ.size == 0, "%s%s",
                   differ.size == 0 ? "the logs lead to the quoted PCRs"
                                    : "the logs do not lead to the quoted PCRs ",
                   differ.size == 0 ? "" : clo_buffer_string(&differ));
    return true;
}

bool appraise_tpm(struct work *w, struct clo_error *err)
{
    /* Where a document that was verified says them itself, there is no quote. */
    bool are_proven = w->pcr_mask != 0;

    return (are_proven || (check_quote(w, err) && check_pcrs(w, err))) && check_logs(w, err);
}

/* --- Reference values --- */

static void check_pcr(struct work *w, unsigned pcr)
{
    struct clo_digest expected;
    struct clo_error ignored;
    char id[16];

    snprintf(id, sizeof id, "pcr.%u", pcr);
    const struct clo_reference *reference = clo_reference_for(
            w->references, w->reference_count, w->pcrs.hash, pcr, w->phase, &expected);
    if (reference == NULL) {
        clo_check_that(w->checks, id, false, "PCR %u: no reference value in phase \"%s\"", pcr,
                       w->phase);
        return;
    }
    if ((w->pcr_mask >> pcr & 1) == 0) {
        clo_check_that(w->checks, id, false, "PCR %u: is not in the quote", pcr);
        return;
    }
    const struct clo_digest *actual = &w->pcrs.values[pcr];
    if (clo_digest_equal(&expected, actual)) {
        clo_check_that(w->checks, id, true, "PCR %u: as in \"%s\" (%s)", pcr,
                       clo_reference_name(reference), clo_reference_origin(reference));
        return;
    }
    const struct clo_explain_inputs explain = {
        .reference = reference,
        .log = w->log,
        .userlog = w->userlog,
        .hash = w->pcrs.hash,
        .pcr = pcr,
        .phase = w->phase,
        .actual = actual,
    };
    struct clo_explanation explanation;
    if (w->explains && clo_explain(&explain, &explanation, &ignored))
        clo_check_that(w->checks, id, false, "%s", explanation.text);
    else
        clo_check_that(w->checks, id, false, "PCR %u: differs from its reference value", pcr);
}

/* A policy that leaves out PCR 0 takes any firmware, one without PCR 12 any command line that the host
 * adds, and one without PCR 4 any program: what PCR 11 says is the program's own word. */
static void check_policy_pcrs(struct work *w, uint32_t wanted)
{
    bool has_own_db = w->inputs->policy->has_own_db;
    bool has_firmware = policy_pcrs_pin_firmware(wanted);
    bool has_program = policy_pcrs_pin_program(wanted, has_own_db);
    bool has_command_line = policy_pcrs_pin_command_line(wanted);

    clo_check_that(w->checks, "policy.pcrs", has_firmware && has_program && has_command_line, "%s",
                   !has_firmware       ? "PCR 0 is left out: any firmware would do"
                   : !has_command_line ? "PCR 12 is left out: any command line that the host adds "
                                         "would do"
                   : has_program       ? "firmware, program and command line are among the PCRs"
                   : has_own_db ? "PCR 4 is left out, and 7 and 11 are not both there: any program "
                                  "would do"
                                : "PCR 4 is left out: any program would do, since any can extend "
                                  "PCR 11 as this one does");
}

void appraise_pcrs(struct work *w)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    bool has_owner_policy = policy != NULL && !policy->is_strict_builtin;
    uint32_t known = 0;

    /* Without proven PCRs the bank is not known either. */
    if (w->pcr_mask == 0) {
        if (has_owner_policy || inputs->reference_count > 0)
            clo_check_that(w->checks, "pcr", false, "there are no proven PCRs");
        return;
    }
    for (size_t i = 0; i < w->reference_count; i++)
        known |= clo_reference_mask(w->references[i], w->pcrs.hash, w->phase) |
                 clo_reference_phased(w->references[i], w->pcrs.hash);
    known &= ~(1U << CLO_IMA_PCR);
    uint32_t wanted = policy != NULL && policy->has_pcrs ? policy->pcrs : known;
    if (inputs->reference_count == 0 && !has_owner_policy) {
        clo_check_skip(w->checks, "pcr", "no reference values were given");
        return;
    }
    if (wanted == 0) {
        clo_check_that(w->checks, "pcr", false, "no reference value for any PCR in phase \"%s\"",
                       w->phase);
        return;
    }
    w->appraised = true;
    w->pcrs_held = wanted;
    if (has_owner_policy)
        check_policy_pcrs(w, wanted);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if ((wanted >> pcr & 1) != 0)
            check_pcr(w, pcr);
        else if ((known >> pcr & 1) != 0)
            appraise_warn(w, "PCR %u has a reference value, but the policy does not demand it",
                          pcr);
    }
}
