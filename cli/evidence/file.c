#include "cli/evidence/file.h"

#include <string.h>

#include "cloister/encoding.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"
#include "device/file.h"
#include "lib/cloud/azure_imds.h"

/* Reports and quotes begin with a small number in 16 bits or more: its second byte is zero, which text has none of. */
static bool is_binary(struct clo_bytes in)
{
    return in.size > 1 && in.data[1] == 0;
}

static bool read_hex(struct clo_bytes text, struct clo_buffer *out, struct clo_error *err)
{
    bool has_prefix = text.size > 1 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';

    return clo_hex_read(clo_bytes_slice(text, has_prefix ? 2 : 0, text.size), out, err);
}

static struct clo_buffer without_spaces(struct clo_bytes in)
{
    struct clo_buffer out = { 0 };

    for (size_t i = 0, run; i < in.size; i = run + 1) {
        for (run = i; run < in.size && strchr(" \t\r\n", in.data[run]) == NULL; run++)
            ;
        clo_buffer_append(&out, clo_bytes_slice(in, i, run - i));
    }
    return out;
}

/* What Azure's service answers: the quote in it. */
static bool unwrap_json(struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };

    if (!clo_azure_is_tdquote(clo_buffer_bytes(out)))
        return true;
    if (!clo_azure_tdquote_parse(clo_buffer_bytes(out), &quote, err))
        return false;
    out->size = 0;
    clo_buffer_append(out, clo_buffer_bytes(&quote));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool evidence_file_read(const char *path, size_t limit, struct clo_buffer *out,
                        struct clo_error *err)
{
    static bool (*const forms[])(struct clo_bytes, struct clo_buffer *,
                                 struct clo_error *) = { read_hex, clo_base64_read,
                                                         clo_base64url_read_padded };

    if (!clo_file_read(path, limit, out, err))
        return false;
    if (!unwrap_json(out, err))
        return clo_wrap(err, "%s", path);
    struct clo_bytes in = clo_buffer_bytes(out);
    if (in.size == 0 || memchr(in.data, 0, in.size) != NULL)
        return true;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = without_spaces(in);
    for (size_t i = 0; i < CLO_COUNT(forms); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_error ignored;
        if (!forms[i](clo_buffer_bytes(&text), &bytes, &ignored) ||
            !is_binary(clo_buffer_bytes(&bytes)))
            continue;
        out->size = 0;
        clo_buffer_append(out, clo_buffer_bytes(&bytes));
        break;
    }
    return (clo_buffer_ok(out) && clo_buffer_ok(&text)) || clo_out_of_memory(err);
}

/* Versions 3 to 5 of Intel's quotes, little endian; no JSON begins so. */
static bool looks_like_quote(struct clo_bytes in)
{
    return in.size >= 48 && in.data[0] >= 3 && in.data[0] <= 5 && in.data[1] == 0;
}

static bool looks_like_report(struct clo_bytes in)
{
    return in.size == CLO_TDX_REPORT_SIZE && in.data[0] == CLO_TDX_TEE_TYPE;
}

/* A report's version is a whole number of 32 bits: where a quote has its key's type it has zeros. In the
 * firmware's response it comes behind status and size. */
static bool looks_like_snp(struct clo_bytes in)
{
    static const uint8_t response[] = { 0, 0, 0, 0, 0xa0, 0x04, 0, 0 };

    return in.size >= CLO_SNP_REPORT_SIZE &&
           ((in.data[0] != 0 && in.data[1] == 0 && in.data[2] == 0 && in.data[3] == 0) ||
            memcmp(in.data, response, sizeof response) == 0);
}

static bool has_text(struct clo_bytes in, const char *text)
{
    return in.size > 0 && memmem(in.data, in.size, text, strlen(text)) != NULL;
}

/* Asked last, since quotes hold PEM: DER, PEM, or a table whose first entry is one of those we know. */
static bool looks_like_certificates(struct clo_bytes in)
{
    struct clo_bytes guid = clo_bytes_slice(in, 0, 16);

    return (in.size > 4 && in.data[0] == 0x30 && in.data[1] == 0x82) || clo_snp_table_knows(guid) ||
           (in.size > 0 && in.data[0] != '{' &&
            (has_text(in, "-----BEGIN CERTIFICATE-----") || has_text(in, "-----BEGIN X509 CRL")));
}

static json_t *finish(const char *type, json_t *fields)
{
    json_t *json = fields == NULL ? NULL : json_pack("{s:s,s:b}", "type", type, "verified", 0);

    if (json == NULL || json_object_update(json, fields) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(fields);
    return json;
}

/* The product of a report of version 2 stands in the certificate, if one came along. */
static enum clo_snp_product product_of(const struct clo_snp_report *report,
                                       const struct clo_snp_certificates *certificates)
{
    enum clo_snp_product product = clo_snp_report_product(report);
    struct clo_snp_chain chain;
    struct clo_snp_leaf leaf;
    struct clo_error ignored;

    if (product == CLO_SNP_UNKNOWN && clo_snp_chain_find(report, certificates, &chain, &ignored) &&
        clo_snp_leaf_parse(chain.leaf, &leaf, &ignored))
        product = leaf.product;
    return product;
}

static bool snp_json(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *more = NULL;
    struct clo_snp_report report;
    struct clo_bytes raw;
    struct clo_bytes table;

    if (!clo_snp_unwrap(in, &raw, &table, err) || !clo_snp_parse(raw, &report, err) ||
        (table.size > 0 && !clo_snp_certificates_add_table(&certificates, table, err)))
        return false;
    json_t *fields = clo_snp_report_json(&report, product_of(&report, &certificates));
    *out = finish("snp-report", fields);
    if (*out == NULL || table.size == 0)
        return true;
    more = clo_snp_certificates_json(&certificates);
    if (more == NULL || json_object_update(*out, more) != 0) {
        json_decref(*out);
        *out = NULL;
    }
    return true;
}

static bool certificates_json(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };

    if (!clo_snp_certificates_read(&certificates, in, err))
        return false;
    *out = finish("certificates", clo_snp_certificates_json(&certificates));
    return true;
}

bool evidence_file_json(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    struct clo_tdx_quote quote;
    struct clo_tdx_report report;

    *out = NULL;
    err->status = CLO_OK;
    if (looks_like_snp(in)) {
        if (!snp_json(in, out, err))
            return false;
    } else if (looks_like_quote(in)) {
        if (!clo_tdx_parse(in, &quote, err))
            return false;
        *out = finish("tdx-quote", clo_tdx_quote_json(&quote));
    } else if (looks_like_report(in)) {
        if (!clo_tdx_report_parse(in, &report, err))
            return false;
        *out = finish("tdreport", clo_tdx_report_json(&report));
    } else if (looks_like_certificates(in)) {
        if (!certificates_json(in, out, err))
            return false;
    } else {
        return false;
    }
    return *out != NULL || clo_out_of_memory(err);
}
