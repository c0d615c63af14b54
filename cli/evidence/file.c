#include "cli/evidence/file.h"

#include <string.h>

#include "cloister/snp.h"
#include "cloister/tdx.h"
#include "device/file.h"

bool evidence_file_import(const char *path, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_IMPORT_LIMIT, &file, err) &&
           (clo_import_read(clo_buffer_bytes(&file), out, err) || clo_wrap(err, "%s", path));
}

static bool import_with(const char *path, const char *label, struct clo_import *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_IMPORT_LIMIT, &file, err) &&
           (clo_import_evidence(clo_buffer_bytes(&file), label, out, err) ||
            clo_wrap(err, "%s", path));
}

bool evidence_file_add(const char *path, const char *label, struct clo_evidence *to,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!import_with(path, label, &import, err))
        return false;
    for (size_t i = 0; i < clo_evidence_count(import.evidence); i++) {
        const char *type;
        struct clo_bytes bytes;
        const char *name = clo_evidence_at(import.evidence, i, &type, &bytes);
        if (!clo_evidence_has(to, name) && !clo_evidence_add(to, name, bytes, err))
            return clo_wrap(err, "%s", path);
    }
    return true;
}

bool evidence_file_read(const char *path, const char *label, struct clo_buffer *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!import_with(path, label, &import, err))
        return false;
    clo_buffer_append(out, clo_evidence_get(import.evidence, label));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool evidence_file_add_log(const char *path, const char *label, struct clo_evidence *to,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err))
        return false;
    return (clo_import_eventlog(clo_buffer_bytes(&file), &log, NULL, err) &&
            clo_evidence_add(to, label, clo_buffer_bytes(&log), err)) ||
           clo_wrap(err, "%s", path);
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

static bool snp_json(const struct clo_evidence *evidence, json_t **out, struct clo_error *err)
{
    struct clo_bytes table = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_CERTIFICATES);
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *more = NULL;
    struct clo_snp_report report;

    if (!clo_snp_parse(clo_evidence_get(evidence, CLO_EVIDENCE_SNP_REPORT), &report, err) ||
        (table.size > 0 && !clo_snp_certificates_add_table(&certificates, table, err)))
        return false;
    *out = finish("snp-report", clo_snp_report_json(&report, product_of(&report, &certificates)));
    if (*out == NULL || table.size == 0)
        return true;
    more = clo_snp_certificates_json(&certificates);
    if (more == NULL || json_object_update(*out, more) != 0) {
        json_decref(*out);
        *out = NULL;
    }
    return true;
}

static bool quote_json(const struct clo_evidence *evidence, json_t **out, struct clo_error *err)
{
    struct clo_tdx_quote quote;

    if (!clo_tdx_parse(clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE), &quote, err))
        return false;
    *out = finish("tdx-quote", clo_tdx_quote_json(&quote));
    return true;
}

bool evidence_file_tdreport(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    struct clo_tdx_report report;

    if (!clo_tdx_report_parse(in, &report, err))
        return false;
    *out = finish("tdreport", clo_tdx_report_json(&report));
    return *out != NULL || clo_out_of_memory(err);
}

/* With nothing besides but what belongs to a report. */
static bool is_alone(const struct clo_evidence *evidence, const char *label)
{
    size_t count = clo_evidence_count(evidence);

    return clo_evidence_has(evidence, label) &&
           count == 1u + clo_evidence_has(evidence, CLO_EVIDENCE_SNP_CERTIFICATES);
}

bool evidence_file_json(const struct clo_import *import, json_t **out, struct clo_error *err)
{
    const struct clo_evidence *evidence = import->evidence;
    bool ok;

    *out = NULL;
    if (import->kind == CLO_IMPORT_CERTIFICATES) {
        *out = finish("certificates", clo_snp_certificates_json(&import->certificates));
        ok = true;
    } else if (evidence != NULL && is_alone(evidence, CLO_EVIDENCE_SNP_REPORT)) {
        ok = snp_json(evidence, out, err);
    } else if (evidence != NULL && is_alone(evidence, CLO_EVIDENCE_TDX_QUOTE)) {
        ok = quote_json(evidence, out, err);
    } else {
        return true;
    }
    return ok && (*out != NULL || clo_out_of_memory(err));
}
