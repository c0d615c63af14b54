/* Collateral as files and JSON bring it, brought into one form. */
#include <string.h>
#include <strings.h>

#include "cloister/encoding.h"
#include "tdx_internal.h"

static const struct {
    const char *name; /* sgx_ql_qve_collateral_t's, and dcap-qvl's for what that has apart */
    const char *file;
} pieces[CLO_TDX_PIECE_COUNT] = {
    [CLO_TDX_TCB_INFO] = { "tcb_info", "tcb_info.json" },
    [CLO_TDX_TCB_INFO_SIGNATURE] = { "tcb_info_signature", "tcb_info_signature.hex" },
    [CLO_TDX_TCB_INFO_ISSUER_CHAIN] = { "tcb_info_issuer_chain", "tcb_info_issuer_chain.pem" },
    [CLO_TDX_QE_IDENTITY] = { "qe_identity", "qe_identity.json" },
    [CLO_TDX_QE_IDENTITY_SIGNATURE] = { "qe_identity_signature", "qe_identity_signature.hex" },
    [CLO_TDX_QE_IDENTITY_ISSUER_CHAIN] = { "qe_identity_issuer_chain",
                                           "qe_identity_issuer_chain.pem" },
    [CLO_TDX_PCK_CRL] = { "pck_crl", "pck_crl.der" },
    [CLO_TDX_PCK_CRL_ISSUER_CHAIN] = { "pck_crl_issuer_chain", "pck_crl_issuer_chain.pem" },
    [CLO_TDX_ROOT_CA_CRL] = { "root_ca_crl", "root_ca_crl.der" },
    [CLO_TDX_PCK_CHAIN] = { "pck_certificate_chain", "pck_chain.pem" },
};

const char *clo_tdx_piece_name(enum clo_tdx_piece piece)
{
    return pieces[piece].name;
}

const char *clo_tdx_piece_file(enum clo_tdx_piece piece)
{
    return pieces[piece].file;
}

void clo_tdx_collateral_free(struct clo_tdx_collateral *collateral)
{
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        clo_buffer_free(&collateral->pieces[i]);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct clo_bytes trim(struct clo_bytes in)
{
    while (in.size > 0 && (is_space(in.data[in.size - 1]) || in.data[in.size - 1] == '\0'))
        in.size--;
    while (in.size > 0 && is_space(in.data[0]))
        in = clo_bytes_slice(in, 1, in.size);
    return in;
}

/* A SEQUENCE whose length needs more than one byte: what certificates and lists begin with, and no
 * text does. */
static bool is_der(struct clo_bytes in)
{
    return in.size > 2 && in.data[0] == 0x30 && in.data[1] > 0x80;
}

static bool is_hex(struct clo_bytes in)
{
    for (size_t i = 0; i < in.size; i++)
        if (strchr("0123456789abcdefABCDEF", in.data[i]) == NULL || in.data[i] == '\0')
            return false;
    return in.size > 0;
}

/* --- Revocation lists and signatures --- */

static bool set_crl(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    size_t at = 0;

    if (is_der(in)) {
        clo_buffer_append(out, in);
        return true;
    }
    in = trim(in);
    enum clo_next next = clo_pem_next(in, "X509 CRL", &at, out, err);
    if (next != CLO_NEXT_END)
        return next == CLO_NEXT_ITEM;
    if (is_hex(in) ? clo_hex_read(in, out, err) : clo_base64_read(in, out, err))
        return is_der(clo_buffer_bytes(out)) ||
               clo_fail(err, CLO_ERR_FORMAT, "not a revocation list");
    return clo_fail(err, CLO_ERR_FORMAT, "neither DER, PEM, hex nor base64");
}

static bool set_signature(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    if (in.size == TDX_P256_SIGNATURE) {
        clo_buffer_append(out, in);
        return true;
    }
    in = trim(in);
    if (!(is_hex(in) ? clo_hex_read(in, out, err) : clo_base64_read(in, out, err)))
        return false;
    return out->size == TDX_P256_SIGNATURE ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %d", out->size, TDX_P256_SIGNATURE);
}

/* --- Chains --- */

/* As PCS puts chains into headers: PEM, URL-encoded (RFC 3986, section 2.1). */
static bool url_decode(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < in.size; i++) {
        if (in.data[i] != '%') {
            clo_buffer_u8(out, in.data[i]);
            continue;
        }
        if (in.size - i < 3 || !clo_hex_read(clo_bytes_slice(in, i + 1, 2), out, err))
            return clo_fail(err, CLO_ERR_FORMAT, "wrong URL encoding at byte %zu", i);
        i += 2;
    }
    return true;
}

/* The size of the DER element at the front; 0: it does not fit. */
static size_t der_size(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);

    clo_read_skip(&r, 1);
    unsigned length = clo_read_u8(&r);
    size_t size = length == 0x82 ? clo_read_be16(&r) : length == 0x81 ? clo_read_u8(&r) : 0;
    clo_read_skip(&r, size);
    return clo_reader_ok(&r) && size > 0 ? r.at : 0;
}

static bool set_der_chain(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    while (in.size > 0) {
        size_t size = is_der(in) ? der_size(in) : 0;
        if (size == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "certificates in DER: cut short");
        if (!clo_pem_write("CERTIFICATE", clo_bytes_slice(in, 0, size), out, err))
            return false;
        in = clo_bytes_slice(in, size, in.size);
    }
    return true;
}

bool tdx_chain_to_pem(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    static const char encoded[] = "-----BEGIN%20CERTIFICATE";

    if (is_der(in))
        return set_der_chain(in, out, err);
    in = trim(in);
    if (in.size > sizeof encoded && memcmp(in.data, encoded, sizeof encoded - 1) == 0)
        return url_decode(in, out, err);
    if (memmem(in.data, in.size, "-----BEGIN CERTIFICATE-----", 27) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no certificate in it");
    clo_buffer_append(out, in);
    return true;
}

bool clo_tdx_collateral_set(struct clo_tdx_collateral *collateral, enum clo_tdx_piece piece,
                            struct clo_bytes in, struct clo_error *err)
{
    struct clo_buffer *out = &collateral->pieces[piece];
    bool ok = true;

    clo_buffer_free(out);
    if (in.size > CLO_TDX_COLLATERAL_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes", pieces[piece].name, in.size);
    switch (piece) {
    case CLO_TDX_TCB_INFO:
    case CLO_TDX_QE_IDENTITY:
        clo_buffer_append(out, trim(in));
        break;
    case CLO_TDX_TCB_INFO_SIGNATURE:
    case CLO_TDX_QE_IDENTITY_SIGNATURE:
        ok = set_signature(in, out, err);
        break;
    case CLO_TDX_PCK_CRL:
    case CLO_TDX_ROOT_CA_CRL:
        ok = set_crl(in, out, err);
        break;
    default:
        ok = tdx_chain_to_pem(in, out, err);
        break;
    }
    if (!ok)
        return clo_wrap(err, "%s", pieces[piece].name);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- JSON --- */

/* A member is a string, or (tcb_info and qe_identity) the object itself, whose exact bytes count. */
static bool set_member(struct clo_tdx_collateral *collateral, enum clo_tdx_piece piece,
                       struct clo_bytes value, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (clo_bytes_equal(value, clo_bytes_text("null")))
        return true;
    if (value.data[0] == '{')
        return clo_tdx_collateral_set(collateral, piece, value, err);
    walk_wrap(value, &wrapped);
    if (!clo_json_parse_bounded(clo_buffer_bytes(&wrapped), CLO_JSON_VALUES_MAX, &json, err))
        return false;
    const json_t *string = json_array_get(json, 0);
    if (!json_is_string(string))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": neither string nor object",
                        pieces[piece].name);
    return json_string_length(string) == 0 ||
           clo_tdx_collateral_set(collateral, piece,
                                  clo_bytes(json_string_value(string), json_string_length(string)),
                                  err);
}

bool clo_tdx_collateral_parse(struct clo_bytes json, struct clo_tdx_collateral *out,
                              struct clo_error *err)
{
    const char *names[CLO_TDX_PIECE_COUNT + 1] = { NULL };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    struct walk_unknown unknown = { 0 };
    struct walk w = walk_begin(json, &unknown, err);
    struct walk_object o;
    int i;

    if (json.size > CLO_TDX_COLLATERAL_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "collateral: %zu bytes", json.size);
    for (size_t k = 0; k < CLO_TDX_PIECE_COUNT; k++)
        names[k] = pieces[k].name;
    walk_object(&w, &o, names);
    while ((i = walk_member(&w, &o)) >= 0) {
        struct clo_bytes value = walk_value(&w);
        if (!w.failed && !set_member(&collateral, (enum clo_tdx_piece)i, value, err))
            return clo_wrap(err, "collateral");
    }
    if (!walk_end(&w))
        return clo_wrap(err, "collateral");
    if (o.seen == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "collateral: none of its members is there");
    clo_tdx_collateral_free(out);
    *out = collateral;
    memset(&collateral, 0, sizeof collateral);
    return true;
}

json_t *clo_tdx_collateral_json(const struct clo_tdx_collateral *collateral)
{
    json_t *json = json_object();

    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        struct clo_bytes piece = clo_buffer_bytes(&collateral->pieces[i]);
        bool is_binary = i == CLO_TDX_PCK_CRL || i == CLO_TDX_ROOT_CA_CRL ||
                         i == CLO_TDX_TCB_INFO_SIGNATURE || i == CLO_TDX_QE_IDENTITY_SIGNATURE;
        if (piece.size == 0)
            continue;
        json_t *value = is_binary ? clo_json_hex(piece)
                                  : json_stringn((const char *)piece.data, piece.size);
        if (json_object_set_new(json, pieces[i].name, value) != 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}
