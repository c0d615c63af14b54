#include "evidence_file.h"

#include "cloister/tdx.h"

/* Versions 3 to 5 of Intel's quotes, little endian; no JSON begins so. */
static bool looks_like_quote(struct clo_bytes in)
{
    return in.size >= 48 && in.data[0] >= 3 && in.data[0] <= 5 && in.data[1] == 0;
}

static bool looks_like_report(struct clo_bytes in)
{
    return in.size == CLO_TDX_REPORT_SIZE && in.data[0] == CLO_TDX_TEE_TYPE;
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

bool evidence_file_json(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    struct clo_tdx_quote quote;
    struct clo_tdx_report report;

    *out = NULL;
    err->status = CLO_OK;
    if (looks_like_quote(in)) {
        if (!clo_tdx_parse(in, &quote, err))
            return false;
        *out = finish("tdx-quote", clo_tdx_quote_json(&quote));
    } else if (looks_like_report(in)) {
        if (!clo_tdx_report_parse(in, &report, err))
            return false;
        *out = finish("tdreport", clo_tdx_report_json(&report));
    } else {
        return false;
    }
    return *out != NULL || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}
