/* Quotes of version 4 and 5 (DCAP QVL, appendix A.3 and A.4). */
#include <string.h>

#include "tdx_internal.h"

#define KEY_P256            2
#define KEY_P384            3
#define TEE_SGX             0
#define QE_REPORT_SIZE      384
#define CERTIFICATION_CHAIN 5
#define CERTIFICATION_QE    6
#define AUTH_DATA_MAX       ((size_t)1 << 20)

static const size_t body_sizes[] = {
    [CLO_TDX_BODY_SGX] = 384,
    [CLO_TDX_BODY_TD10] = 584,
    [CLO_TDX_BODY_TD15] = 648,
    [CLO_TDX_BODY_TD15_EXTENDED] = 885,
};

static uint64_t number(struct clo_bytes field)
{
    struct clo_reader r = clo_reader(field);

    return clo_read_le64(&r);
}

uint64_t clo_tdx_attributes(const struct clo_tdx_body *body)
{
    return number(body->td_attributes);
}

uint64_t clo_tdx_xfam(const struct clo_tdx_body *body)
{
    return number(body->xfam);
}

/* TD_INFO's fields up to the last RTMR, in the order that a quote and a TDREPORT share. */
void tdx_read_body_fields(struct clo_reader *r, struct clo_tdx_body *body)
{
    body->td_attributes = clo_read_bytes(r, 8);
    body->xfam = clo_read_bytes(r, 8);
    body->mr_td = clo_read_bytes(r, CLO_TDX_REGISTER_SIZE);
    body->mr_config_id = clo_read_bytes(r, CLO_TDX_REGISTER_SIZE);
    body->mr_owner = clo_read_bytes(r, CLO_TDX_REGISTER_SIZE);
    body->mr_owner_config = clo_read_bytes(r, CLO_TDX_REGISTER_SIZE);
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++)
        body->rtmr[i] = clo_read_bytes(r, CLO_TDX_REGISTER_SIZE);
}

static void read_extension(struct clo_reader *r, struct clo_tdx_body *body)
{
    body->has_extended = true;
    body->vmid = clo_read_u8(r);
    body->td_id = clo_read_bytes(r, 32);
    body->dev_info = clo_read_bytes(r, 48);
    body->init_servtd_hash = clo_read_bytes(r, 48);
    body->init_servtd_attrs = clo_read_bytes(r, 8);
    body->init_cpu_svn = clo_read_bytes(r, 16);
    body->init_tee_tcb_svn = clo_read_bytes(r, 16);
    body->init_tee_fmspc = clo_read_bytes(r, 12);
    body->cur_servtd_hash = clo_read_bytes(r, 48);
    body->cur_servtd_attrs = clo_read_bytes(r, 8);
}

static void read_body(struct clo_bytes in, enum clo_tdx_body_type type, struct clo_tdx_body *out)
{
    struct clo_reader r = clo_reader(in);
    struct clo_tdx_body body = { .type = type, .raw = in };

    body.tee_tcb_svn = clo_read_bytes(&r, 16);
    body.mr_seam = clo_read_bytes(&r, CLO_TDX_REGISTER_SIZE);
    body.mr_signer_seam = clo_read_bytes(&r, CLO_TDX_REGISTER_SIZE);
    body.seam_attributes = clo_read_bytes(&r, 8);
    tdx_read_body_fields(&r, &body);
    body.report_data = clo_read_bytes(&r, 64);
    if (type >= CLO_TDX_BODY_TD15) {
        body.has_td15 = true;
        body.tee_tcb_svn2 = clo_read_bytes(&r, 16);
        body.mr_service_td = clo_read_bytes(&r, CLO_TDX_REGISTER_SIZE);
    }
    if (type == CLO_TDX_BODY_TD15_EXTENDED)
        read_extension(&r, &body);
    *out = body;
}

static void read_qe_report(struct clo_bytes in, struct clo_tdx_qe_report *out)
{
    struct clo_reader r = clo_reader(in);
    struct clo_tdx_qe_report report = { .raw = in };

    report.cpu_svn = clo_read_bytes(&r, 16);
    report.miscselect = clo_read_le32(&r);
    clo_read_skip(&r, 28);
    report.attributes = clo_read_bytes(&r, 16);
    report.mr_enclave = clo_read_bytes(&r, 32);
    clo_read_skip(&r, 32);
    report.mr_signer = clo_read_bytes(&r, 32);
    clo_read_skip(&r, 96);
    report.isv_prod_id = clo_read_le16(&r);
    report.isv_svn = clo_read_le16(&r);
    clo_read_skip(&r, 60);
    report.report_data = clo_read_bytes(&r, 64);
    *out = report;
}

static bool read_header(struct clo_reader *r, struct clo_tdx_quote *quote, struct clo_error *err)
{
    quote->version = clo_read_le16(r);
    quote->att_key_type = clo_read_le16(r);
    quote->tee_type = clo_read_le32(r);
    quote->svns = clo_read_bytes(r, 4);
    quote->qe_vendor_id = clo_read_bytes(r, 16);
    quote->user_data = clo_read_bytes(r, 20);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "header: truncated");
    if (quote->version == 3 || (quote->tee_type == TEE_SGX && quote->version <= 5))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "version %u, TEE type 0x%x: the quote of an SGX enclave, not of a TD",
                        quote->version, quote->tee_type);
    if (quote->version >= 0x2020)
        return clo_fail(err, CLO_ERR_FORMAT, "begins with text (0x%04x): no quote", quote->version);
    if (quote->version != 4 && quote->version != 5)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %u, expected 4 or 5", quote->version);
    if (quote->tee_type != CLO_TDX_TEE_TYPE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "TEE type 0x%x, expected 0x81 (TDX)",
                        quote->tee_type);
    if (quote->att_key_type != KEY_P256)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "attestation key type %u%s, expected 2 (ECDSA P-256)", quote->att_key_type,
                        quote->att_key_type == KEY_P384 ? " (ECDSA P-384)" : "");
    return true;
}

static bool read_signed_part(struct clo_reader *r, struct clo_tdx_quote *quote,
                             struct clo_error *err)
{
    unsigned type = CLO_TDX_BODY_TD10;
    size_t size = body_sizes[CLO_TDX_BODY_TD10];

    if (!read_header(r, quote, err))
        return false;
    if (quote->version == 5) {
        type = clo_read_le16(r);
        size = clo_read_le32(r);
        if (!clo_reader_ok(r))
            return clo_fail(err, CLO_ERR_FORMAT, "body descriptor: truncated");
        if (type == CLO_TDX_BODY_SGX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "body type 1: the quote of an SGX enclave, not of a TD");
        if (type < CLO_TDX_BODY_TD10 || type > CLO_TDX_BODY_TD15_EXTENDED)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "body type %u, expected 2 to 4", type);
        if (size != body_sizes[type])
            return clo_fail(err, CLO_ERR_FORMAT, "body type %u: %zu bytes, expected %zu", type,
                            size, body_sizes[type]);
    }
    struct clo_bytes body = clo_read_bytes(r, size);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "body: truncated");
    read_body(body, (enum clo_tdx_body_type)type, &quote->body);
    quote->signed_part = clo_bytes_slice(quote->raw, 0, r->at);
    return true;
}

/* The inner certification data: a chain, or what a provisioning service would look one up by. */
static bool read_inner(struct clo_reader *r, struct clo_tdx_quote *quote, struct clo_error *err)
{
    quote->inner_type = clo_read_le16(r);
    struct clo_bytes data = clo_read_bytes(r, clo_read_le32(r));
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "inner certification data: truncated");
    if (clo_reader_left(r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes after the inner certification data",
                        clo_reader_left(r));
    if (quote->inner_type < 1 || quote->inner_type > CERTIFICATION_CHAIN)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "inner certification data of type %u",
                        quote->inner_type);
    /* Types 1 to 4 identify the platform and bring no chain. */
    quote->chain = quote->inner_type == CERTIFICATION_CHAIN ? data : clo_bytes(NULL, 0);
    return true;
}

static bool read_certification(struct clo_bytes in, struct clo_tdx_quote *quote,
                               struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_bytes report = clo_read_bytes(&r, QE_REPORT_SIZE);

    quote->qe_report_signature = clo_read_bytes(&r, TDX_P256_SIGNATURE);
    quote->qe_auth_data = clo_read_bytes(&r, clo_read_le16(&r));
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "QE report: truncated");
    read_qe_report(report, &quote->qe_report);
    return read_inner(&r, quote, err);
}

static bool read_auth_data(struct clo_bytes in, struct clo_tdx_quote *quote, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    quote->signature = clo_read_bytes(&r, TDX_P256_SIGNATURE);
    quote->attestation_key = clo_read_bytes(&r, 64);
    unsigned type = clo_read_le16(&r);
    struct clo_bytes data = clo_read_bytes(&r, clo_read_le32(&r));
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "signature data: truncated");
    if (type == CERTIFICATION_CHAIN)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "certification data of type 5 without a QE report (type 6) around it");
    if (type != CERTIFICATION_QE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "certification data of type %u, expected 6 (QE report)", type);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes after the certification data",
                        clo_reader_left(&r));
    return read_certification(data, quote, err);
}

bool clo_tdx_parse(struct clo_bytes in, struct clo_tdx_quote *out, struct clo_error *err)
{
    struct clo_tdx_quote quote = { .raw = in };
    struct clo_reader r = clo_reader(in);

    if (in.size == CLO_TDX_REPORT_SIZE && in.data[0] == CLO_TDX_TEE_TYPE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "TDX quote: this is a TDREPORT, which only its own machine can verify");
    if (!read_signed_part(&r, &quote, err))
        return clo_wrap(err, "TDX quote");
    size_t size = clo_read_le32(&r);
    if (clo_reader_ok(&r) && size > AUTH_DATA_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "TDX quote: signature data of %zu bytes", size);
    struct clo_bytes auth = clo_read_bytes(&r, size);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "TDX quote: signature data: truncated");
    if (!read_auth_data(auth, &quote, err))
        return clo_wrap(err, "TDX quote");
    quote.trailing = clo_read_bytes(&r, clo_reader_left(&r));
    *out = quote;
    return true;
}
