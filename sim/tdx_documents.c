/* TCB info and QE identity of pretend platforms, as Intel writes them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cloister/encoding.h"
#include "sim/tdx.h"

static void date(struct clo_buffer *out, int64_t at)
{
    time_t seconds = (time_t)at;
    struct tm parts;
    char text[32];

    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    clo_buffer_printf(out, "\"%s\"", text);
}

static void hex(struct clo_buffer *out, const char *name, uint8_t value, size_t size)
{
    clo_buffer_printf(out, "\"%s\":\"", name);
    for (size_t i = 0; i < size; i++)
        clo_buffer_printf(out, "%02X", value);
    clo_buffer_text(out, "\"");
}

static void components(struct clo_buffer *out, const char *name, const uint8_t svns[16])
{
    clo_buffer_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < 16; i++)
        clo_buffer_printf(out, "%s{\"svn\":%u}", i == 0 ? "" : ",", svns[i]);
    clo_buffer_text(out, "]");
}

static void level(struct clo_buffer *out, uint8_t svn, unsigned pce_svn, const char *when,
                  const char *status, const char *advisories)
{
    uint8_t sgx[16];
    uint8_t tdx[16] = { svn, 0, svn };

    memset(sgx, svn, sizeof sgx);
    clo_buffer_text(out, "{\"tcb\":{");
    components(out, "sgxtcbcomponents", sgx);
    clo_buffer_printf(out, ",\"pcesvn\":%u,", pce_svn);
    components(out, "tdxtcbcomponents", tdx);
    clo_buffer_printf(out, "},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\",\"advisoryIDs\":[%s]}", when,
                      status, advisories);
}

static void isv_level(struct clo_buffer *out, unsigned svn, const char *when, const char *status,
                      const char *advisories)
{
    clo_buffer_printf(out,
                      "{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\","
                      "\"advisoryIDs\":[%s]}",
                      svn, when, status, advisories);
}

static void module(struct clo_buffer *out)
{
    hex(out, "mrsigner", 0, 48);
    clo_buffer_text(out, ",");
    hex(out, "attributes", 0, 8);
    clo_buffer_text(out, ",");
    hex(out, "attributesMask", 0xff, 8);
}

static void tcb_info_text(const struct sim_tdx *tdx, struct clo_buffer *out)
{
    const struct sim_tdx_document *d = &tdx->tcb_info;

    clo_buffer_text(out, "{\"id\":\"TDX\",\"version\":3,\"issueDate\":");
    date(out, d->issue_date);
    clo_buffer_text(out, ",\"nextUpdate\":");
    date(out, d->next_update);
    clo_buffer_printf(out,
                      ",\"fmspc\":\"50A06F000000\",\"pceId\":\"0000\",\"tcbType\":0,"
                      "\"tcbEvaluationDataNumber\":%u,\"tdxModule\":{",
                      d->evaluation_number);
    module(out);
    clo_buffer_text(out, "},\"tdxModuleIdentities\":[{\"id\":\"TDX_01\",");
    module(out);
    clo_buffer_text(out, ",\"tcbLevels\":[");
    isv_level(out, 5, "2026-02-01T00:00:00Z", d->module, "");
    clo_buffer_text(out, ",");
    isv_level(out, 3, "2025-02-01T00:00:00Z", "OutOfDate", "\"INTEL-SA-00003\"");
    clo_buffer_text(out, "]}],\"tcbLevels\":[");
    level(out, 5, 11, "2026-03-01T00:00:00Z", d->status,
          strcmp(d->status, "UpToDate") == 0 ? "" : "\"INTEL-SA-00001\"");
    clo_buffer_text(out, ",");
    level(out, 3, 5, "2025-03-01T00:00:00Z", "OutOfDate", "\"INTEL-SA-00001\",\"INTEL-SA-00002\"");
    clo_buffer_text(out, "]}");
}

static void qe_identity_text(const struct sim_tdx *tdx, struct clo_buffer *out)
{
    const struct sim_tdx_document *d = &tdx->qe_identity;

    clo_buffer_text(out, "{\"id\":\"TD_QE\",\"version\":2,\"issueDate\":");
    date(out, d->issue_date);
    clo_buffer_text(out, ",\"nextUpdate\":");
    date(out, d->next_update);
    clo_buffer_printf(out,
                      ",\"tcbEvaluationDataNumber\":%u,\"miscselect\":\"00000000\","
                      "\"miscselectMask\":\"FFFFFFFF\","
                      "\"attributes\":\"11000000000000000000000000000000\","
                      "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",",
                      d->evaluation_number);
    hex(out, "mrsigner", 0xdc, 32);
    clo_buffer_text(out, ",\"isvprodid\":2,\"tcbLevels\":[");
    isv_level(out, 4, "2026-01-01T00:00:00Z", d->status, "");
    clo_buffer_text(out, ",");
    isv_level(out, 2, "2024-01-01T00:00:00Z", "OutOfDate", "\"INTEL-SA-00004\"");
    clo_buffer_text(out, "]}");
}

static bool edit(struct clo_buffer *text, const struct sim_tdx_document *d, struct clo_error *err)
{
    struct clo_buffer edited = { 0 };
    const char *whole = clo_buffer_string(text);
    const char *at = whole == NULL || d->from == NULL ? NULL : strstr(whole, d->from);

    if (whole == NULL)
        return clo_out_of_memory(err);
    if (d->from == NULL)
        return true;
    if (at == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "\"%s\" is not in the document", d->from);
    clo_buffer_append(&edited, clo_bytes(whole, (size_t)(at - whole)));
    clo_buffer_text(&edited, d->to);
    clo_buffer_text(&edited, at + strlen(d->from));
    clo_buffer_free(text);
    *text = edited;
    return clo_buffer_ok(text) || clo_out_of_memory(err);
}

static bool envelope(const char *name, struct clo_buffer *text, const struct sim_tdx_document *d,
                     struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    if (!d->edit_after_signing && !edit(text, d, err))
        return false;
    if (!clo_signature_make(d->key, CLO_ECDSA_RAW, CLO_HASH_SHA256, clo_buffer_bytes(text),
                            &signature, err))
        return false;
    if (d->edit_after_signing && !edit(text, d, err))
        return false;
    clo_buffer_printf(out, "{\"%s\":", name);
    clo_buffer_append(out, clo_buffer_bytes(text));
    clo_buffer_text(out, ",\"signature\":\"");
    clo_hex_write(clo_buffer_bytes(&signature), out);
    clo_buffer_text(out, "\"}");
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool sim_tdx_tcb_info(const struct sim_tdx *tdx, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    tcb_info_text(tdx, &text);
    return envelope("tcbInfo", &text, &tdx->tcb_info, out, err);
}

bool sim_tdx_qe_identity(const struct sim_tdx *tdx, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    qe_identity_text(tdx, &text);
    return envelope("enclaveIdentity", &text, &tdx->qe_identity, out, err);
}
