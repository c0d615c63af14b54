/* Source: systemd 262, src/report/report-sign.c (context_sign_report), report-sign-tsm.c (vl_method_sign), and what
 * systemd-report of 262.1 writes. */
#include "lib/evidence/systemd_report.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/json_read.h"
#include "lib/evidence/import_internal.h"
#include "lib/evidence/systemd_tpm.h"

#define RECORD_SEPARATOR 0x1e
#define REPORT_TYPE      "application/vnd.io.systemd.report"
#define SIGNATURE_TYPE   "application/vnd.io.systemd.report.signature"
#define METRICS_MAX      100000
#define MECHANISM_MAX    40

/* --- The stream --- */

bool systemd_report_is(struct clo_bytes in)
{
    static const char type[] = "\"" REPORT_TYPE "\"";

    return in.size > 0 && in.data[0] == RECORD_SEPARATOR &&
           memmem(in.data, in.size < 4096 ? in.size : 4096, type, sizeof type - 1) != NULL;
}

/* From a separator up to the next one; a record ends in a newline (RFC 7464, section 2.2). */
static bool next_record(struct clo_bytes *rest, struct clo_bytes *out, struct clo_error *err)
{
    const uint8_t *end;

    if (rest->data[0] != RECORD_SEPARATOR)
        return clo_fail(err, CLO_ERR_FORMAT, "a record does not begin with 0x1e");
    end = rest->size < 2 ? NULL : memchr(rest->data + 1, RECORD_SEPARATOR, rest->size - 1);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    *out = clo_bytes_slice(*rest, 0, size);
    *rest = clo_bytes_slice(*rest, size, rest->size);
    return out->data[out->size - 1] == '\n' ||
           clo_fail(err, CLO_ERR_FORMAT, "a record is cut short");
}

static bool read_json(struct clo_bytes record, const char *type, json_t **out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *media_type;

    if (!clo_json_parse(clo_bytes_slice(record, 1, record.size), &json, err) ||
        !clo_json_get_string(json, "mediaType", &media_type, err))
        return false;
    if (strcmp(media_type, type) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "a record of type \"%.60s\"", media_type);
    *out = CLO_TAKE(json);
    return true;
}

/* It is said to people, as it is. */
static bool is_name(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-");

    return size > 0 && size <= MECHANISM_MAX && text[size] == '\0';
}

static bool read_signature(struct clo_bytes record, struct systemd_report *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer digest = { 0 };
    struct systemd_signature *signature = &out->signatures[out->count];
    json_t **json = &out->owned[out->count];

    if (out->count == SYSTEMD_SIGNATURES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d signatures", SYSTEMD_SIGNATURES_MAX);
    if (!read_json(record, SIGNATURE_TYPE, json, err))
        return false;
    out->count++;
    signature->record = record;
    signature->data = json_object_get(*json, "data");
    if (!clo_json_get_string(*json, "mechanism", &signature->mechanism, err) ||
        !clo_json_get_bytes(*json, "sha256", CLO_JSON_HEX, 32, &digest, err))
        return false;
    if (!is_name(signature->mechanism))
        return clo_fail(err, CLO_ERR_FORMAT, "\"mechanism\" is not a short name");
    signature->is_of_report =
            clo_bytes_equal(clo_buffer_bytes(&digest), clo_digest_bytes(&out->digest));
    return true;
}

static bool parse(struct clo_bytes in, struct systemd_report *out, struct clo_error *err)
{
    struct clo_bytes rest = in, record;

    if (in.size == 0 || in.data[0] != RECORD_SEPARATOR)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "not a stream of records: 'systemd-report generate --sign=require-one' "
                        "makes a signed one");
    /* Guests send it: all records share one limit. */
    if (!json_is_bounded(in, CLO_JSON_VALUES_MAX, err) || !next_record(&rest, &out->record, err) ||
        !read_json(out->record, REPORT_TYPE, &out->json, err))
        return false;
    clo_hash(CLO_HASH_SHA256, out->record, &out->digest);
    while (rest.size > 0)
        if (!next_record(&rest, &record, err) || !read_signature(record, out, err))
            return clo_wrap(err, "signature %zu", out->count);
    return true;
}

void systemd_report_free(struct systemd_report *report)
{
    json_decref(report->json);
    for (size_t i = 0; i < report->count; i++)
        json_decref(report->owned[i]);
    *report = (struct systemd_report){ .count = 0 };
}

bool systemd_report_parse(struct clo_bytes in, struct systemd_report *out, struct clo_error *err)
{
    *out = (struct systemd_report){ .count = 0 };
    if (in.size <= CLO_EVIDENCE_LIMIT
                ? parse(in, out, err)
                : clo_fail(err, CLO_ERR_FORMAT, "larger than %zu bytes", CLO_EVIDENCE_LIMIT))
        return true;
    systemd_report_free(out);
    return clo_wrap(err, "systemd-report");
}

bool systemd_report_digest(struct clo_bytes in, struct clo_digest *out)
{
    struct clo_bytes rest = in, record;
    struct clo_error ignored;

    if (in.size == 0 || !next_record(&rest, &record, &ignored))
        return false;
    clo_hash(CLO_HASH_SHA256, record, out);
    return true;
}

bool systemd_report_has(const struct systemd_report *report, struct clo_bytes text)
{
    const json_t *metrics = json_object_get(report->json, "metrics");

    for (size_t i = 0; i < json_array_size(metrics) && i < METRICS_MAX; i++) {
        const json_t *value = json_object_get(json_array_get(metrics, i), "value");
        if (json_is_string(value) &&
            clo_bytes_equal(clo_bytes(json_string_value(value), json_string_length(value)), text))
            return true;
    }
    return false;
}

/* --- As evidence --- */

static bool add_base64(const json_t *data, const char *key, const char *label,
                       struct clo_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    return import_base64(data, key, &bytes, err) &&
           clo_evidence_add(out, label, clo_buffer_bytes(&bytes), err);
}

/* What configfs-tsm gives: a report, and next to it perhaps a table of certificates (Linux, Documentation/ABI/testing/configfs-tsm). */
static bool add_tsm(const json_t *data, struct clo_evidence *out, struct clo_error *err)
{
    const char *provider;

    if (!clo_json_get_string(data, "provider", &provider, err))
        return false;
    if (json_object_get(data, "manifestblob") != NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "a service module at VMPL 0 made the report: that is not looked at here");
    if (strcmp(provider, "tdx_guest") == 0)
        return add_base64(data, "outblob", CLO_EVIDENCE_TDX_QUOTE, out, err);
    if (strcmp(provider, "sev_guest") != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a report of provider \"%.40s\"", provider);
    return add_base64(data, "outblob", CLO_EVIDENCE_SNP_REPORT, out, err) &&
           (json_object_get(data, "auxblob") == NULL ||
            add_base64(data, "auxblob", CLO_EVIDENCE_SNP_CERTIFICATES, out, err));
}

static bool add_signature(const struct systemd_signature *signature, struct clo_evidence *out,
                          struct clo_error *err)
{
    if (signature->data == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "it has no data");
    if (strcmp(signature->mechanism, "tsm") == 0)
        return add_tsm(signature->data, out, err);
    if (strcmp(signature->mechanism, "tpm2") == 0)
        return systemd_tpm_add(signature->data, out, err);
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "nothing vouches for the key of this mechanism");
}

bool systemd_report_evidence(const struct systemd_report *report, size_t signature,
                             struct clo_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    const struct systemd_signature *one = &report->signatures[signature];

    clo_buffer_append(&stream, report->record);
    clo_buffer_append(&stream, one->record);
    if (!clo_buffer_ok(&stream))
        return clo_out_of_memory(err);
    return (add_signature(one, out, err) &&
            clo_evidence_add(out, CLO_EVIDENCE_SYSTEMD_REPORT, clo_buffer_bytes(&stream), err)) ||
           clo_wrap(err, "systemd-report: %.40s", one->mechanism);
}
