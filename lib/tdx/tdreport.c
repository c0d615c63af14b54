/* TDREPORT_STRUCT (Intel TDX Module ABI specification 1.5, section 3.9; SGX's REPORTMACSTRUCT). */
#include <string.h>

#include "tdx_internal.h"

#define MAC_STRUCT_SIZE   256
#define TEE_TCB_INFO_SIZE 239
#define TD_INFO_SIZE      512

/* TEE_TCB_INFO: which of its fields hold is said by the first eight bytes. */
static void read_tee_tcb_info(struct clo_bytes in, struct clo_tdx_body *body)
{
    struct clo_reader r = clo_reader(in);

    clo_read_skip(&r, 8);
    body->tee_tcb_svn = clo_read_bytes(&r, 16);
    body->mr_seam = clo_read_bytes(&r, CLO_TDX_REGISTER_SIZE);
    body->mr_signer_seam = clo_read_bytes(&r, CLO_TDX_REGISTER_SIZE);
    body->seam_attributes = clo_read_bytes(&r, 8);
    body->tee_tcb_svn2 = clo_read_bytes(&r, 16);
}

static bool is_hash_of(struct clo_bytes hash, struct clo_bytes in)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA384, in, &digest);
    return clo_bytes_equal(hash, clo_digest_bytes(&digest));
}

bool clo_tdx_report_parse(struct clo_bytes in, struct clo_tdx_report *out, struct clo_error *err)
{
    struct clo_tdx_report report = { .raw = in };
    struct clo_reader r = clo_reader(in);

    if (in.size != CLO_TDX_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "TDREPORT: %zu bytes, expected %d", in.size,
                        CLO_TDX_REPORT_SIZE);
    report.type = clo_read_u8(&r);
    report.subtype = clo_read_u8(&r);
    report.version = clo_read_u8(&r);
    clo_read_skip(&r, 13);
    if (report.type != CLO_TDX_TEE_TYPE)
        return clo_fail(err, CLO_ERR_FORMAT, "TDREPORT: type 0x%02x, expected 0x81", report.type);
    if (report.subtype != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "TDREPORT: subtype %u, expected 0",
                        report.subtype);
    report.cpu_svn = clo_read_bytes(&r, 16);
    report.tee_tcb_info_hash = clo_read_bytes(&r, 48);
    report.tee_info_hash = clo_read_bytes(&r, 48);
    report.report_data = clo_read_bytes(&r, 64);
    clo_read_skip(&r, 32);
    report.mac = clo_read_bytes(&r, 32);
    report.tee_tcb_info = clo_read_bytes(&r, TEE_TCB_INFO_SIZE);
    clo_read_skip(&r, CLO_TDX_REPORT_SIZE - MAC_STRUCT_SIZE - TEE_TCB_INFO_SIZE - TD_INFO_SIZE);
    report.tee_info = clo_read_bytes(&r, TD_INFO_SIZE);

    struct clo_reader info = clo_reader(report.tee_info);
    report.body.type = CLO_TDX_BODY_TD10;
    read_tee_tcb_info(report.tee_tcb_info, &report.body);
    tdx_read_body_fields(&info, &report.body);
    report.body.report_data = report.report_data;
    /* Version 1 says that SERVTD_HASH is in use; TEE_TCB_SVN2 came with the same modules. */
    report.body.has_td15 = report.version >= 1;
    report.body.mr_service_td = clo_read_bytes(&info, CLO_TDX_REGISTER_SIZE);
    report.hashes_match = is_hash_of(report.tee_tcb_info_hash, report.tee_tcb_info) &&
                          is_hash_of(report.tee_info_hash, report.tee_info);
    *out = report;
    return true;
}

bool clo_tdx_report_matches(const struct clo_tdx_report *report, const struct clo_tdx_body *body)
{
    const struct clo_tdx_body *a = &report->body;
    const struct clo_bytes pairs[][2] = {
        { a->mr_seam, body->mr_seam },
        { a->td_attributes, body->td_attributes },
        { a->xfam, body->xfam },
        { a->mr_td, body->mr_td },
        { a->mr_config_id, body->mr_config_id },
        { a->mr_owner, body->mr_owner },
        { a->mr_owner_config, body->mr_owner_config },
        { a->report_data, body->report_data },
    };

    for (size_t i = 0; i < CLO_COUNT(pairs); i++)
        if (!clo_bytes_equal(pairs[i][0], pairs[i][1]))
            return false;
    /* RTMRs may have been extended between the one and the other. */
    return true;
}
