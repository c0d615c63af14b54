/* A quote as the JSON claims that DESIGN section 3 promises. */
#include <inttypes.h>
#include <stdio.h>

#include "cloister/encoding.h"
#include "tdx_internal.h"

static void set_attributes(struct clo_json_object *o, const struct clo_tdx_body *body)
{
    static const struct clo_bit attributes[] = {
        { 0, "debug" }, { 28, "sept_ve_disable" }, { 29, "migratable" }, { 30, "pks" },
        { 31, "kl" },   { 63, "perfmon" },
    };
    static const struct clo_bit features[] = {
        { 0, "x87" },    { 1, "sse" },  { 2, "avx" },          { 5, "avx512_opmask" },
        { 8, "pt" },     { 9, "pku" },  { 11, "cet_user" },    { 12, "cet_supervisor" },
        { 14, "uintr" }, { 15, "lbr" }, { 17, "amx_tilecfg" }, { 18, "amx_tiledata" },
    };

    clo_json_set_hex(o, "td_attributes", body->td_attributes);
    clo_json_set_bits(o, "td_attributes_bits", clo_tdx_attributes(body), attributes,
                      CLO_COUNT(attributes));
    clo_json_set_hex(o, "xfam", body->xfam);
    clo_json_set_bits(o, "xfam_bits", clo_tdx_xfam(body), features, CLO_COUNT(features));
}

static void set_extended(struct clo_json_object *o, const struct clo_tdx_body *body)
{
    clo_json_set(o, "vmid", json_integer(body->vmid));
    clo_json_set_hex(o, "td_id", body->td_id);
    clo_json_set_hex(o, "dev_info", body->dev_info);
    clo_json_set_hex(o, "init_servtd_hash", body->init_servtd_hash);
    clo_json_set_hex(o, "init_servtd_attrs", body->init_servtd_attrs);
    clo_json_set_hex(o, "init_cpu_svn", body->init_cpu_svn);
    clo_json_set_hex(o, "init_tee_tcb_svn", body->init_tee_tcb_svn);
    clo_json_set_hex(o, "init_tee_fmspc", body->init_tee_fmspc);
    clo_json_set_hex(o, "cur_servtd_hash", body->cur_servtd_hash);
    clo_json_set_hex(o, "cur_servtd_attrs", body->cur_servtd_attrs);
}

static void set_body(struct clo_json_object *o, const struct clo_tdx_body *body)
{
    clo_json_set_hex(o, "tee_tcb_svn", body->tee_tcb_svn);
    clo_json_set_hex(o, "mr_seam", body->mr_seam);
    clo_json_set_hex(o, "mr_signer_seam", body->mr_signer_seam);
    clo_json_set_hex(o, "seam_attributes", body->seam_attributes);
    set_attributes(o, body);
    clo_json_set_hex(o, "mr_td", body->mr_td);
    clo_json_set_hex(o, "mr_config_id", body->mr_config_id);
    clo_json_set_hex(o, "mr_owner", body->mr_owner);
    clo_json_set_hex(o, "mr_owner_config", body->mr_owner_config);
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++) {
        char name[8];
        snprintf(name, sizeof name, "rtmr%zu", i);
        clo_json_set_hex(o, name, body->rtmr[i]);
    }
    clo_json_set_hex(o, "report_data", body->report_data);
    if (body->has_td15) {
        clo_json_set_hex(o, "tee_tcb_svn2", body->tee_tcb_svn2);
        clo_json_set_hex(o, "mr_service_td", body->mr_service_td);
    }
    if (body->has_extended)
        set_extended(o, body);
}

static json_t *qe_report_json(const struct clo_tdx_qe_report *report)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set_hex(&o, "cpu_svn", report->cpu_svn);
    clo_json_set(&o, "miscselect", json_sprintf("0x%08" PRIx32, report->miscselect));
    clo_json_set_hex(&o, "attributes", report->attributes);
    clo_json_set_hex(&o, "mr_enclave", report->mr_enclave);
    clo_json_set_hex(&o, "mr_signer", report->mr_signer);
    clo_json_set(&o, "isv_prod_id", json_integer(report->isv_prod_id));
    clo_json_set(&o, "isv_svn", json_integer(report->isv_svn));
    clo_json_set_hex(&o, "report_data", report->report_data);
    return clo_json_finish(&o);
}

static void set_header(struct clo_json_object *o, const struct clo_tdx_quote *quote)
{
    clo_json_set(o, "version", json_integer(quote->version));
    clo_json_set(o, "tee_type", json_sprintf("0x%08" PRIx32, quote->tee_type));
    clo_json_set(o, "att_key_type", json_integer(quote->att_key_type));
    clo_json_set_hex(o, "qe_vendor_id", quote->qe_vendor_id);
    clo_json_set_hex(o, "user_data", quote->user_data);
    clo_json_set(o, "body_type", json_integer(quote->body.type));
    clo_json_set(o, "body_size", json_integer((json_int_t)quote->body.raw.size));
}

json_t *clo_tdx_quote_json(const struct clo_tdx_quote *quote)
{
    struct clo_json_object o = { .json = json_object() };

    set_header(&o, quote);
    clo_json_set_hex(&o, "header_svns", quote->svns);
    set_body(&o, &quote->body);
    clo_json_set_hex(&o, "signature", quote->signature);
    clo_json_set_hex(&o, "attestation_key", quote->attestation_key);
    clo_json_set(&o, "qe_report", qe_report_json(&quote->qe_report));
    clo_json_set_hex(&o, "qe_report_signature", quote->qe_report_signature);
    clo_json_set_hex(&o, "qe_auth_data", quote->qe_auth_data);
    clo_json_set(&o, "cert_data_type", json_integer(6));
    clo_json_set(&o, "inner_cert_data_type", json_integer(quote->inner_type));
    clo_json_set(&o, "chain_size", json_integer((json_int_t)quote->chain.size));
    clo_json_set(&o, "trailing_bytes", json_integer((json_int_t)quote->trailing.size));
    return clo_json_finish(&o);
}

json_t *clo_tdx_report_json(const struct clo_tdx_report *report)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "report_type", json_sprintf("0x%02x", report->type));
    clo_json_set(&o, "report_subtype", json_integer(report->subtype));
    clo_json_set(&o, "report_version", json_integer(report->version));
    clo_json_set_hex(&o, "cpu_svn", report->cpu_svn);
    clo_json_set_hex(&o, "tee_tcb_info_hash", report->tee_tcb_info_hash);
    clo_json_set_hex(&o, "tee_info_hash", report->tee_info_hash);
    clo_json_set(&o, "hashes_match", json_boolean(report->hashes_match));
    clo_json_set_hex(&o, "mac", report->mac);
    set_body(&o, &report->body);
    return clo_json_finish(&o);
}

/* --- Claims of a verified quote --- */

static void set_platform(struct clo_json_object *o, const struct clo_tdx_pck *pck)
{
    clo_json_set_hex(o, "fmspc", clo_bytes(pck->fmspc, sizeof pck->fmspc));
    clo_json_set_hex(o, "pce_id", clo_bytes(pck->pce_id, sizeof pck->pce_id));
    clo_json_set_hex(o, "ppid", clo_bytes(pck->ppid, sizeof pck->ppid));
    clo_json_set_hex(o, "cpu_svn", clo_bytes(pck->cpu_svn, sizeof pck->cpu_svn));
    clo_json_set(o, "pce_svn", json_integer(pck->pce_svn));
    clo_json_set_hex(o, "sgx_tcb_components", clo_bytes(pck->components, sizeof pck->components));
    clo_json_set(o, "pck_ca", json_string(clo_tdx_ca_name(pck->ca)));
}

static json_t *advisories_json(const struct clo_tdx_tcb *tcb)
{
    json_t *array = json_array();

    for (size_t i = 0; i < tcb->advisory_count; i++)
        if (json_array_append_new(array, json_stringn((const char *)tcb->advisories[i].data,
                                                      tcb->advisories[i].size)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *text_json(struct clo_bytes text)
{
    return text.size == 0 ? json_null() : json_stringn((const char *)text.data, text.size);
}

static json_t *shortfall_json(const struct clo_tdx_shortfall *shortfall)
{
    bool is_component = shortfall->part == CLO_TDX_PART_SGX || shortfall->part == CLO_TDX_PART_TDX;
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "part", json_string(clo_tdx_part_name(shortfall->part)));
    if (is_component) {
        clo_json_set(&o, "component", json_integer(shortfall->component));
        clo_json_set(&o, "category", text_json(shortfall->category));
        clo_json_set(&o, "type", text_json(shortfall->type));
    }
    clo_json_set(&o, "svn", json_integer(shortfall->svn));
    clo_json_set(&o, "svn_needed", json_integer(shortfall->needed));
    clo_json_set(&o, "level_date", clo_json_time(shortfall->date));
    return clo_json_finish(&o);
}

/* What an outdated TCB lacks. */
static json_t *behind_json(const struct clo_tdx_tcb *tcb)
{
    json_t *array = json_array();

    for (size_t i = 0; i < tcb->shortfall_count; i++)
        if (json_array_append_new(array, shortfall_json(&tcb->shortfalls[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static void set_tcb(struct clo_json_object *o, const struct clo_tdx_tcb *tcb)
{
    if (!tcb->is_evaluated)
        return;
    clo_json_set(o, "tcb_status", json_string(clo_tdx_status_name(tcb->status)));
    clo_json_set(o, "platform_tcb_status", json_string(clo_tdx_status_name(tcb->platform_status)));
    clo_json_set(o, "module_tcb_status", json_string(clo_tdx_status_name(tcb->module_status)));
    clo_json_set(o, "qe_tcb_status", json_string(clo_tdx_status_name(tcb->qe_status)));
    if (tcb->date != 0)
        clo_json_set(o, "tcb_date", clo_json_time(tcb->date));
    clo_json_set(o, "tcb_evaluation_data_number", json_integer((json_int_t)tcb->evaluation_number));
    clo_json_set(o, "advisory_ids", advisories_json(tcb));
    if (tcb->shortfall_count > 0)
        clo_json_set(o, "tcb_behind", behind_json(tcb));
}

json_t *clo_tdx_claims(const struct clo_tdx_verified *verified)
{
    const struct clo_tdx_quote *quote = &verified->quote;
    struct clo_json_object o = { .json = json_object() };

    set_header(&o, quote);
    set_body(&o, &quote->body);
    clo_json_set_hex(&o, "qe_mr_signer", quote->qe_report.mr_signer);
    clo_json_set(&o, "qe_isv_svn", json_integer(quote->qe_report.isv_svn));
    set_platform(&o, &verified->pck);
    set_tcb(&o, &verified->tcb);
    clo_json_set_hex(&o, "root", clo_digest_bytes(&verified->root));
    return clo_json_finish(&o);
}
