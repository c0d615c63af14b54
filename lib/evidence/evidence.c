#include "cloister/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#define TYPE_MEMBER "__cmwc_t"
#define MEDIA       "application/vnd.cloister."

static const struct {
    const char *label, *media_type;
} kinds[] = {
    { CLO_EVIDENCE_RUNTIME_DATA, MEDIA "runtime-data+json" },
    { CLO_EVIDENCE_HCL_REPORT, MEDIA "hcl-report" },
    { CLO_EVIDENCE_SNP_REPORT, MEDIA "snp-report" },
    { CLO_EVIDENCE_SNP_CERTIFICATES, MEDIA "snp-certificates" },
    { CLO_EVIDENCE_SVSM_MANIFEST, MEDIA "svsm-manifest" },
    { CLO_EVIDENCE_TDX_QUOTE, MEDIA "tdx-quote" },
    { CLO_EVIDENCE_TDX_CCEL, MEDIA "tdx-ccel" },
    { CLO_EVIDENCE_TDX_COLLATERAL, MEDIA "tdx-collateral+json" },
    { CLO_EVIDENCE_NITRO_DOCUMENT, MEDIA "nitro-document" },
    { CLO_EVIDENCE_TPM_QUOTE, MEDIA "tpm-quote" },
    { CLO_EVIDENCE_TPM_SIGNATURE, MEDIA "tpm-signature" },
    { CLO_EVIDENCE_TPM_PCRS, MEDIA "tpm-pcrs+json" },
    { CLO_EVIDENCE_TPM_AK, MEDIA "tpm-ak" },
    { CLO_EVIDENCE_TPM_AK_CERTIFICATES, MEDIA "tpm-ak-certificates" },
    { CLO_EVIDENCE_TPM_EK, MEDIA "tpm-ek" },
    { CLO_EVIDENCE_TPM_EK_CERTIFICATES, MEDIA "tpm-ek-certificates" },
    { CLO_EVIDENCE_EVENTLOG, MEDIA "eventlog" },
    { CLO_EVIDENCE_USERSPACE_LOG, MEDIA "userspace-log+json" },
    { CLO_EVIDENCE_SYSTEMD_REPORT, MEDIA "systemd-report+json" },
    { CLO_EVIDENCE_SAMPLE, MEDIA "sample" },
};

struct clo_evidence {
    struct clo_buffer members[CLO_COUNT(kinds)];
    bool present[CLO_COUNT(kinds)];
};

static bool find_kind(const char *label, size_t *out)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (strcmp(kinds[i].label, label) == 0) {
            *out = i;
            return true;
        }
    return false;
}

bool clo_evidence_new(struct clo_evidence **out, struct clo_error *err)
{
    struct clo_evidence *evidence = calloc(1, sizeof *evidence);

    if (evidence == NULL)
        return clo_out_of_memory(err);
    *out = evidence;
    return true;
}

void clo_evidence_free(struct clo_evidence *evidence)
{
    if (evidence == NULL)
        return;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        clo_buffer_free(&evidence->members[i]);
    free(evidence);
}

void clo_evidence_freep(struct clo_evidence **evidence)
{
    clo_evidence_free(*evidence);
    *evidence = NULL;
}

bool clo_evidence_add(struct clo_evidence *evidence, const char *label, struct clo_bytes bytes,
                      struct clo_error *err)
{
    size_t kind;

    if (!find_kind(label, &kind))
        return clo_fail(err, CLO_ERR_USAGE, "evidence: unknown label \"%s\"", label);
    if (evidence->present[kind])
        return clo_fail(err, CLO_ERR_USAGE, "evidence: \"%s\" is there already", label);
    clo_buffer_append(&evidence->members[kind], bytes);
    if (!clo_buffer_ok(&evidence->members[kind])) {
        clo_buffer_free(&evidence->members[kind]);
        return clo_out_of_memory(err);
    }
    evidence->present[kind] = true;
    return true;
}

/* One CMW record: [type, value] or [type, value, indicators] (section 3.1). */
static bool read_member(struct clo_evidence *evidence, const char *label, const json_t *record,
                        struct clo_error *err)
{
    size_t kind;

    if (!find_kind(label, &kind))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "unknown label");
    if (!json_is_array(record) || json_array_size(record) != 2)
        return clo_fail(err, CLO_ERR_FORMAT, "is not [MEDIA TYPE, base64url]");
    const char *type = json_string_value(json_array_get(record, 0));
    const json_t *value = json_array_get(record, 1);
    if (type == NULL || !json_is_string(value))
        return clo_fail(err, CLO_ERR_FORMAT, "is not [MEDIA TYPE, base64url]");
    if (strcmp(type, kinds[kind].media_type) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "media type \"%.100s\", expected \"%s\"", type,
                        kinds[kind].media_type);
    struct clo_bytes text = clo_bytes(json_string_value(value), json_string_length(value));
    if (!clo_base64url_read(text, &evidence->members[kind], err))
        return false;
    evidence->present[kind] = true;
    return true;
}

bool clo_evidence_from_json(const json_t *json, struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    const char *type;
    const char *label;
    json_t *record;

    if (!json_is_object(json))
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: is not a JSON object");
    if (!clo_json_get_string(json, TYPE_MEMBER, &type, err))
        return clo_wrap(err, "evidence: is not a CMW collection");
    if (strcmp(type, CLO_EVIDENCE_TYPE) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "evidence: a collection of type \"%.100s\", expected \"%s\"", type,
                        CLO_EVIDENCE_TYPE);
    if (!clo_evidence_new(&evidence, err))
        return false;
    /* json_object_foreach wants a pointer it could change, and changes nothing. */
    json_object_foreach ((json_t *)(uintptr_t)json, label, record) {
        if (strcmp(label, TYPE_MEMBER) == 0)
            continue;
        if (!read_member(evidence, label, record, err))
            return clo_wrap(err, "evidence: \"%.64s\"", label);
    }
    if (clo_evidence_count(evidence) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: the bundle is empty");
    *out = CLO_TAKE(evidence);
    return true;
}

bool clo_evidence_parse(struct clo_bytes text, struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (text.size > CLO_EVIDENCE_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: %zu bytes, at most %zu", text.size,
                        CLO_EVIDENCE_LIMIT);
    if (!clo_json_parse_bounded(text, CLO_JSON_VALUES_MAX, &json, err))
        return clo_wrap(err, "evidence");
    return clo_evidence_from_json(json, out, err);
}

bool clo_evidence_has(const struct clo_evidence *evidence, const char *label)
{
    size_t kind;

    return find_kind(label, &kind) && evidence->present[kind];
}

struct clo_bytes clo_evidence_get(const struct clo_evidence *evidence, const char *label)
{
    static const uint8_t nothing;
    size_t kind;

    if (!find_kind(label, &kind) || !evidence->present[kind])
        return (struct clo_bytes){ 0 };
    /* An empty member is there all the same. */
    if (evidence->members[kind].size == 0)
        return clo_bytes(&nothing, 0);
    return clo_buffer_bytes(&evidence->members[kind]);
}

size_t clo_evidence_count(const struct clo_evidence *evidence)
{
    size_t count = 0;

    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        count += evidence->present[i];
    return count;
}

const char *clo_evidence_at(const struct clo_evidence *evidence, size_t index,
                            const char **media_type, struct clo_bytes *bytes)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (!evidence->present[i] || index-- != 0)
            continue;
        *media_type = kinds[i].media_type;
        *bytes = clo_evidence_get(evidence, kinds[i].label);
        return kinds[i].label;
    }
    return NULL;
}

json_t *clo_evidence_json(const struct clo_evidence *evidence)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (json_object_set_new(json, TYPE_MEMBER, json_string(CLO_EVIDENCE_TYPE)) != 0)
        return NULL;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (!evidence->present[i])
            continue;
        json_t *record = json_array();
        bool ok = json_array_append_new(record, json_string(kinds[i].media_type)) == 0 &&
                  json_array_append_new(record, clo_json_base64url(clo_evidence_get(
                                                        evidence, kinds[i].label))) == 0;
        if (json_object_set_new(json, kinds[i].label, record) != 0 || !ok)
            return NULL;
    }
    return CLO_TAKE(json);
}

bool clo_evidence_write(const struct clo_evidence *evidence, struct clo_buffer *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_evidence_json(evidence);

    if (json == NULL)
        return clo_out_of_memory(err);
    return clo_json_write(json, out, err);
}
