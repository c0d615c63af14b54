/* A signed report of systemd's next to what signed it. Hardware holds the report's digest in REPORT_DATA; a TPM in the audit of
 * the session in which it quoted its PCRs and certified its NvPCRs, so that none of these is of another moment. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/appraise/tee.h"
#include "lib/evidence/systemd_report.h"
#include "lib/evidence/systemd_tpm.h"
#include "lib/tcg/attest_signature.h"

#define TPM_ALG_SHA256    0x000b
#define TPMA_NV_TYPE      4 /* where the index' type begins (part 2, table 205) */
#define TPMA_NV_TYPE_MASK 0xfU
#define TPM_NT_EXTEND     4U
#define TPMA_NV_WRITTEN   (1U << 29)

/* --- What the digest is in --- */

bool appraise_binds_report(const struct work *w, struct clo_bytes field)
{
    struct clo_digest digest;

    return systemd_report_digest(clo_evidence_get(w->evidence, CLO_EVIDENCE_SYSTEMD_REPORT),
                                 &digest) &&
           field.size == 64 &&
           clo_bytes_equal(clo_bytes_slice(field, 0, 32), clo_digest_bytes(&digest)) &&
           clo_bytes_all(clo_bytes_slice(field, 32, 32), 0);
}

/* TPM2B_DATA with a TPMT_HA, as systemd makes qualifying data. */
static bool is_digest(struct clo_bytes extra, uint16_t algorithm, const struct clo_digest *digest)
{
    struct clo_bytes wanted = clo_digest_bytes(digest);
    struct clo_reader r = clo_reader(extra);

    return clo_read_be16(&r) == 2 + wanted.size && clo_read_be16(&r) == algorithm &&
           clo_bytes_equal(clo_read_bytes(&r, wanted.size), wanted) && clo_reader_ok(&r) &&
           clo_reader_left(&r) == 0;
}

static bool is_digest_of(struct clo_bytes extra, uint16_t algorithm, struct clo_bytes text)
{
    enum clo_hash hash = clo_hash_from_tpm(algorithm);
    struct clo_digest digest;

    if (hash == CLO_HASH_NONE)
        return false;
    clo_hash(hash, text, &digest);
    return is_digest(extra, algorithm, &digest);
}

/* --- The TPM's --- */

/* The evidence next to the stream must be what is in it: the session vouches for the latter. */
static bool check_quote(struct work *w, const struct systemd_tpm *tpm)
{
    bool same = clo_bytes_equal(clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_QUOTE),
                                clo_buffer_bytes(&tpm->quote->attest)) &&
                clo_bytes_equal(clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_AK),
                                clo_buffer_bytes(&tpm->area));

    return clo_check_that(w->checks, "report.quote", same, "key and quote %s the report's",
                          same ? "are" : "are not");
}

static bool verify_component(const struct work *w, const struct systemd_component *component,
                             struct clo_error *err)
{
    struct clo_quote_signature signature;

    return clo_quote_signature_parse(clo_buffer_bytes(&component->signature), &signature, err) &&
           tcg_attest_verify(clo_buffer_bytes(&component->attest), &signature, w->ak, false, err);
}

static bool check_signatures(struct work *w, const struct systemd_tpm *tpm)
{
    static const char id[] = "report.signatures";
    size_t count = 0;
    struct clo_error err;

    for (size_t i = 0; i < tpm->count; i++) {
        if (tpm->components[i].attest.size == 0)
            continue;
        if (!verify_component(w, &tpm->components[i], &err))
            return clo_check_that(w->checks, id, false, "component %zu: %s", i, err.text);
        count++;
    }
    return clo_check_that(w->checks, id, true, "the key signed all %zu attestations", count);
}

static bool check_binding(struct work *w, const struct systemd_tpm *tpm,
                          const struct systemd_report *report)
{
    bool holds = is_digest(clo_buffer_bytes(&tpm->audit->extra), TPM_ALG_SHA256, &report->digest);

    return clo_check_that(w->checks, "report.binding", holds,
                          "the session's audit was made %s this report",
                          holds ? "for" : "for another text than");
}

/* Exclusive: nobody else's command came between, such as one that extends a register. */
static bool check_session(struct work *w, const struct systemd_tpm *tpm)
{
    static const char id[] = "report.session";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer told = { 0 };
    const json_t *exclusive = json_object_get(tpm->audit->attested, "exclusiveSession");
    struct clo_digest digest;
    struct clo_error err;

    if (!systemd_tpm_session(tpm, &digest, &err) ||
        !clo_json_get_bytes(tpm->audit->attested, "sessionDigest", CLO_JSON_HEX, CLO_HASH_SIZE_MAX,
                            &told, &err))
        return clo_check_that(w->checks, id, false, "%s", err.text);
    if (!clo_bytes_equal(clo_buffer_bytes(&told), clo_digest_bytes(&digest)))
        return clo_check_that(w->checks, id, false,
                              "the audited session is not of these attestations: they were made "
                              "at other times, or one is missing");
    bool is_exclusive =
            json_is_string(exclusive) && strcmp(json_string_value(exclusive), "YES") == 0;
    return clo_check_that(w->checks, id, is_exclusive, "all was answered in one session, %s",
                          is_exclusive ? "in which no other command came between"
                                       : "but other commands came between");
}

/* --- NvPCRs --- */

/* Only what can be extended and nothing else is a register: an ordinary index holds what was written last. */
static const char *nv_fault(const struct systemd_component *nv, struct clo_bytes name,
                            struct clo_bytes contents, struct clo_bytes index_name)
{
    uint32_t type = nv->nv_attributes >> TPMA_NV_TYPE & TPMA_NV_TYPE_MASK;

    if (!clo_bytes_equal(name, index_name))
        return "is not the index that was certified";
    if (type != TPM_NT_EXTEND || (nv->nv_attributes & TPMA_NV_WRITTEN) == 0)
        return "is not an index that can only be extended";
    if (contents.size == 0 || contents.size != clo_hash_size(clo_hash_from_tpm(nv->nv_hash)) ||
        json_integer_value(json_object_get(nv->attested, "offset")) != 0)
        return "is not certified whole";
    return is_digest_of(clo_buffer_bytes(&nv->extra), nv->nv_hash,
                        clo_bytes_text(nv->authenticated))
                   ? NULL
                   : "was certified under another name";
}

/* What was signed next to the value: {"name", "priority"}. */
static bool is_named(const struct systemd_component *nv)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;
    const char *name;

    return clo_json_parse_bounded(clo_bytes_text(nv->authenticated), CLO_JSON_VALUES_MAX, &json,
                                  &ignored) &&
           clo_json_get_string(json, "name", &name, &ignored) && strcmp(name, nv->name) == 0;
}

static bool check_nv(struct work *w, const struct systemd_component *nv, json_t *values)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer contents = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer index_name = { 0 };
    char index[16];
    struct clo_error err = { .text = "" };
    const char *fault = "malformed";

    if (systemd_nv_name(nv, &name, &err) &&
        clo_json_get_bytes(nv->attested, "nvContents", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &contents,
                           &err) &&
        clo_json_get_bytes(nv->attested, "indexName", CLO_JSON_HEX, CLO_TPM_NAME_MAX, &index_name,
                           &err))
        fault = nv_fault(nv, clo_buffer_bytes(&name), clo_buffer_bytes(&contents),
                         clo_buffer_bytes(&index_name));
    if (fault == NULL && (!is_named(nv) || json_object_get(values, nv->name) != NULL))
        fault = "was certified under another name";
    if (fault != NULL)
        return clo_check_that(w->checks, "report.nvpcr", false, "\"%.60s\" %s%s%s", nv->name, fault,
                              err.text[0] == '\0' ? "" : ": ", err.text);
    snprintf(index, sizeof index, "0x%08x", nv->nv_index);
    return json_object_set_new(values, nv->name,
                               json_pack("{s:s, s:o}", "index", index, "value",
                                         clo_json_hex(clo_buffer_bytes(&contents)))) == 0;
}

static bool check_nvs(struct work *w, const struct systemd_tpm *tpm, bool *holds,
                      struct clo_error *err)
{
    json_t *values = json_object();
    size_t count = 0;

    for (size_t i = 0; *holds && i < tpm->count; i++) {
        if (tpm->components[i].kind != SYSTEMD_NVPCR)
            continue;
        *holds = check_nv(w, &tpm->components[i], values);
        count++;
    }
    if (!*holds || count == 0) {
        json_decref(values);
        return true;
    }
    clo_check_that(w->checks, "report.nvpcr", true, "%zu NvPCRs are certified", count);
    return appraise_claim(w, "nvpcrs", values, err);
}

static bool appraise_tpms(struct work *w, const struct systemd_report *report,
                          struct clo_error *err)
{
    CLO_CLEANUP(systemd_tpm_free) struct systemd_tpm tpm = { .count = 0 };

    if (report->signatures[0].data == NULL ||
        !systemd_tpm_read(report->signatures[0].data, &tpm, err))
        return report->signatures[0].data != NULL
                       ? false
                       : clo_fail(err, CLO_ERR_FORMAT, "systemd-report: the signature is empty");
    if (w->ak == NULL) {
        clo_check_that(w->checks, "report.signatures", false,
                       "there is no key to verify them with");
        return true;
    }
    bool is_quote = check_quote(w, &tpm);
    bool is_signed = check_signatures(w, &tpm);
    bool is_bound = check_binding(w, &tpm, report);
    bool holds = check_session(w, &tpm) && is_quote && is_signed && is_bound;
    w->binds_report = holds;
    return check_nvs(w, &tpm, &holds, err);
}

/* --- All of it --- */

/* A verifier's nonce reaches the report as the contents of a file that systemd-report-files reports. */
static void check_nonce(struct work *w, const struct systemd_report *report)
{
    static const char id[] = "evidence.nonce";
    struct clo_bytes nonce = w->inputs->expected_nonce;

    if (nonce.data == NULL) {
        clo_check_skip(
                w->checks, id,
                "no nonce was expected: the report may be an old one, whatever time it says");
        return;
    }
    bool holds = nonce.size > 0 && systemd_report_has(report, nonce);
    clo_check_that(w->checks, id, holds, "the nonce that was given is %s of the report",
                   holds ? "the value of a metric" : "not the value of a metric");
    w->matches_qualifying = holds && w->binds_report;
}

/* Only what a verified signature was made for is claimed: next to other evidence a report is anybody's. */
static bool claim(struct work *w, const struct systemd_report *report, struct clo_error *err)
{
    const char *timestamp;

    if (!w->binds_report && w->tee->kind != CLO_EVIDENCE_OF_TPM)
        clo_check_that(w->checks, "report.binding", false,
                       "nothing that is verified was made for this report");
    if (!w->binds_report)
        return true;
    if (!clo_json_get_string_optional(report->json, "timestamp", &timestamp, err))
        return clo_wrap(err, "systemd-report");
    return appraise_claim(w, "report_digest", clo_json_hex(clo_digest_bytes(&report->digest)),
                          err) &&
           (timestamp == NULL ||
            appraise_claim(w, "report_timestamp", clo_json_text(timestamp), err));
}

bool appraise_systemd(struct work *w, struct clo_error *err)
{
    CLO_CLEANUP(systemd_report_free) struct systemd_report report = { .count = 0 };
    struct clo_bytes stream = clo_evidence_get(w->evidence, CLO_EVIDENCE_SYSTEMD_REPORT);

    if (stream.data == NULL)
        return true;
    /* Anybody may have sent it: it is not parsed. */
    if (w->hardware == NULL && w->tee->kind != CLO_EVIDENCE_OF_TPM) {
        clo_check_that(w->checks, "report.binding", false,
                       "nothing that is verified was made for this report");
        return true;
    }
    if (!systemd_report_parse(stream, &report, err))
        return false;
    if (report.count != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "systemd-report: not one signature");
    bool is_of_report = report.signatures[0].is_of_report;
    clo_check_that(w->checks, "report.digest", is_of_report, "the signature %s this report",
                   is_of_report ? "names" : "names another text than");
    if (w->tee->kind == CLO_EVIDENCE_OF_TPM && !appraise_tpms(w, &report, err))
        return false;
    check_nonce(w, &report);
    return claim(w, &report, err);
}
