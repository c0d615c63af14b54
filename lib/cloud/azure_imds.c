#include "lib/cloud/azure_imds.h"

#include <string.h>

#include "cloister/encoding.h"

#define TD_REPORT_SIZE CLO_TDX_REPORT_SIZE
#define PEM_BEGIN      "-----BEGIN CERTIFICATE-----"
#define CERTIFICATES   8 /* in an answer: a VCEK, an ASK and an ARK are expected */

static bool parse(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    if (in.size > CLO_AZURE_IMDS_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %zu expected", in.size,
                        CLO_AZURE_IMDS_LIMIT);
    return clo_json_parse_bounded(in, CLO_JSON_VALUES_MAX, out, err);
}

/* PEM, one certificate or several; other text is none. */
static bool add_pem(const json_t *json, const char *member, struct clo_snp_certificates *out,
                    struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string(json, member, &text, err))
        return false;
    if (strstr(text, PEM_BEGIN) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": not a certificate in PEM", member);
    if (!clo_snp_certificates_add(out, clo_bytes_text(text), err))
        return clo_wrap(err, "\"%s\"", member);
    return out->count <= CERTIFICATES ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\": more than %d certificates", member, CERTIFICATES);
}

bool clo_azure_thim_parse(struct clo_bytes in, struct clo_snp_certificates *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates read = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (!parse(in, &json, err) || !add_pem(json, "vcekCert", &read, err) ||
        (json_object_get(json, "certificateChain") != NULL &&
         !add_pem(json, "certificateChain", &read, err)))
        return clo_wrap(err, "Azure THIM");
    for (size_t i = 0; i < read.count; i++)
        if (!clo_snp_certificates_add(out, clo_certificate_der(read.items[i]), err))
            return clo_wrap(err, "Azure THIM");
    return true;
}

bool clo_azure_tdquote_write(struct clo_bytes td_report, struct clo_buffer *out,
                             struct clo_error *err)
{
    if (td_report.size != TD_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "Azure tdquote: a TDREPORT of %zu bytes",
                        td_report.size);
    clo_buffer_text(out, "{\"report\":\"");
    clo_base64url_write(td_report, out);
    clo_buffer_text(out, "\"}");
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_azure_tdquote_parse(struct clo_bytes in, struct clo_buffer *quote, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *text;

    if (!parse(in, &json, err) || !clo_json_get_string(json, "quote", &text, err))
        return clo_wrap(err, "Azure tdquote");
    if (!clo_base64url_read_padded(clo_bytes_text(text), quote, err))
        return clo_wrap(err, "Azure tdquote: \"quote\"");
    return *text != '\0' || clo_fail(err, CLO_ERR_FORMAT, "Azure tdquote: \"quote\": is empty");
}

static bool has_member(struct clo_bytes in, const char *name)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;

    return in.size > 0 && memchr(in.data, '{', in.size < 16 ? in.size : 16) != NULL &&
           parse(in, &json, &ignored) && json_object_get(json, name) != NULL;
}

bool clo_azure_is_thim(struct clo_bytes in)
{
    return has_member(in, "vcekCert");
}
