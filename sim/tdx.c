#include "sim/tdx.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/der.h"

#define DAY 86400LL
#define SGX "1.2.840.113741.1.13.1"

static const uint8_t intel_vendor[16] = {
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
};

static const size_t body_sizes[] = {
    [CLO_TDX_BODY_TD10] = 584,
    [CLO_TDX_BODY_TD15] = 648,
    [CLO_TDX_BODY_TD15_EXTENDED] = 885,
};

bool sim_tdx_keys_new(struct sim_tdx_keys *out, struct clo_error *err)
{
    struct clo_private_key **const keys[] = { &out->root,   &out->ca,          &out->pck,
                                              &out->signer, &out->attestation, &out->other };

    *out = (struct sim_tdx_keys){ 0 };
    for (size_t i = 0; i < CLO_COUNT(keys); i++)
        if (!clo_private_key_new(CLO_KEY_P256, 0, keys[i], err))
            return false;
    return clo_private_key_new(CLO_KEY_P384, 0, &out->other_p384, err);
}

void sim_tdx_keys_free(struct sim_tdx_keys *keys)
{
    clo_private_key_free(keys->root);
    clo_private_key_free(keys->ca);
    clo_private_key_free(keys->pck);
    clo_private_key_free(keys->signer);
    clo_private_key_free(keys->attestation);
    clo_private_key_free(keys->other);
    clo_private_key_free(keys->other_p384);
}

void sim_tdx_made_free(struct sim_tdx_made *made)
{
    clo_buffer_free(&made->quote);
    clo_tdx_collateral_free(&made->collateral);
    clo_buffer_free(&made->root);
}

/* --- What a good one is --- */

static void good_body(struct sim_tdx *tdx)
{
    static const uint8_t svn[16] = { 5, 1, 5 };
    static const uint8_t attributes[8] = { 0, 0, 0, 0x10 }; /* SEPT_VE_DISABLE */
    static const uint8_t xfam[8] = { 0xe7, 0x02, 0x06 };

    memcpy(tdx->body + SIM_TDX_TEE_TCB_SVN, svn, sizeof svn);
    memset(tdx->body + 0x10, 0x5e, 48); /* MRSEAM */
    memcpy(tdx->body + SIM_TDX_ATTRIBUTES, attributes, sizeof attributes);
    memcpy(tdx->body + SIM_TDX_XFAM, xfam, sizeof xfam);
    memset(tdx->body + SIM_TDX_MR_TD, 0xa1, 48);
    for (size_t i = 0; i < 3; i++)
        memset(tdx->body + SIM_TDX_RTMR + 48 * i, (int)(0xb0 + i), 48);
    memset(tdx->body + SIM_TDX_REPORT_DATA, 0xd0, 64);
    memcpy(tdx->body + SIM_TDX_TEE_TCB_SVN2, svn, sizeof svn);
}

static void good_qe_report(struct sim_tdx *tdx)
{
    memset(tdx->qe_report, 5, 16); /* CPUSVN */
    tdx->qe_report[SIM_QE_ATTRIBUTES] = 0x15;
    tdx->qe_report[SIM_QE_ATTRIBUTES + 8] = 0xe7;
    memset(tdx->qe_report + 64, 0xe0, 32); /* MRENCLAVE */
    memset(tdx->qe_report + SIM_QE_MR_SIGNER, 0xdc, 32);
    tdx->qe_report[SIM_QE_ISV_PROD_ID] = 2;
    tdx->qe_report[SIM_QE_ISV_SVN] = 4;
}

static struct sim_certificate certificate(const char *subject, const char *issuer, int64_t now,
                                          uint8_t serial, bool is_ca)
{
    return (struct sim_certificate){
        .subject = subject,
        .issuer = issuer,
        .not_before = now - 100 * DAY,
        .not_after = now + 1000 * DAY,
        .serial = serial,
        .is_ca = is_ca,
        .path_length = -1,
        .key_usage = is_ca ? CLO_KEY_USAGE_CERT_SIGN | CLO_KEY_USAGE_CRL_SIGN
                           : CLO_KEY_USAGE_DIGITAL_SIGNATURE,
        .signature = SIM_ECDSA_SHA256,
    };
}

static struct sim_crl crl(const char *issuer, int64_t now)
{
    return (struct sim_crl){
        .issuer = issuer,
        .this_update = now - DAY,
        .next_update = now + 30 * DAY,
        .revoked = -1,
        .signature = SIM_ECDSA_SHA256,
    };
}

static struct sim_tdx_document document(int64_t now, const struct clo_private_key *key)
{
    return (struct sim_tdx_document){
        .issue_date = now - DAY,
        .next_update = now + 29 * DAY,
        .evaluation_number = 18,
        .status = "UpToDate",
        .module = "UpToDate",
        .key = key,
    };
}

void sim_tdx_good(uint16_t version, enum clo_tdx_body_type body, enum clo_tdx_ca ca, int64_t now,
                  const struct sim_tdx_keys *keys, struct sim_tdx *out)
{
    const char *ca_name =
            ca == CLO_TDX_CA_PROCESSOR ? "Intel SGX PCK Processor CA" : "Intel SGX PCK Platform CA";
    static const char root[] = "Intel SGX Root CA";

    *out = (struct sim_tdx){
        .now = now,
        .version = version,
        .body_type = version == 4 ? CLO_TDX_BODY_TD10 : body,
        .auth_size = 32,
        .pck = { .pce_svn = 11, .fmspc = { 0x50, 0xa0, 0x6f }, .sgx_type = 1 },
        .root_certificate = certificate(root, root, now, 1, true),
        .ca_certificate = certificate(ca_name, root, now, 2, true),
        .leaf_certificate = certificate("Intel SGX PCK Certificate", ca_name, now, 3, false),
        .signer_certificate = certificate("Intel SGX TCB Signing", root, now, 4, false),
        .root_crl = crl(root, now),
        .pck_crl = crl(ca_name, now),
        .tcb_info = document(now, keys->signer),
        .qe_identity = document(now, keys->signer),
        .root_key = keys->root,
        .ca_key = keys->root,
        .leaf_key = keys->ca,
        .signer_key = keys->root,
        .root_crl_key = keys->root,
        .pck_crl_key = keys->ca,
        .qe_report_key = keys->pck,
        .quote_key = keys->attestation,
    };
    memset(out->pck.components, 5, sizeof out->pck.components);
    memset(out->pck.ppid, 0x77, sizeof out->pck.ppid);
    good_body(out);
    good_qe_report(out);
}

/* --- Making it --- */

static void sgx_extension(const struct clo_tdx_pck *pck, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer items = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tcb = { 0 };
    uint8_t pce_svn[2] = { (uint8_t)(pck->pce_svn >> 8), (uint8_t)pck->pce_svn };
    uint8_t type = (uint8_t)pck->sgx_type;
    char oid[48];

    for (unsigned i = 0; i < CLO_TDX_COMPONENTS; i++) {
        uint8_t number[2] = { 0, pck->components[i] };
        snprintf(oid, sizeof oid, SGX ".2.%u", i + 1);
        sim_der_item(&tcb, oid, CLO_DER_INTEGER,
                     number[1] < 0x80 ? clo_bytes(number + 1, 1) : clo_bytes(number, 2));
    }
    sim_der_item(&tcb, SGX ".2.17", CLO_DER_INTEGER,
                 pce_svn[0] == 0 ? clo_bytes(pce_svn + 1, 1) : clo_bytes(pce_svn, 2));
    sim_der_item(&tcb, SGX ".2.18", CLO_DER_OCTET_STRING, clo_bytes(pck->components, 16));
    sim_der_item(&items, SGX ".1", CLO_DER_OCTET_STRING, clo_bytes(pck->ppid, 16));
    sim_der_item(&items, SGX ".2", CLO_DER_SEQUENCE, clo_buffer_bytes(&tcb));
    sim_der_item(&items, SGX ".3", CLO_DER_OCTET_STRING, clo_bytes(pck->pce_id, 2));
    sim_der_item(&items, SGX ".4", CLO_DER_OCTET_STRING, clo_bytes(pck->fmspc, 6));
    sim_der_item(&items, SGX ".5", CLO_DER_ENUMERATED, clo_bytes(&type, 1));
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&items));
}

/* Appends PEM, and to `der` (NULL: nobody wants it) the bare certificate. */
static bool add_certificate(const struct sim_certificate *spec, const struct clo_private_key *key,
                            const struct clo_private_key *issuer, struct clo_buffer *pem,
                            struct clo_buffer *der, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *subject = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_private_key_public(key, &subject, err) ||
        !sim_certificate(spec, subject, issuer, &bytes, err) ||
        !clo_pem_write("CERTIFICATE", clo_buffer_bytes(&bytes), pem, err))
        return false;
    if (der != NULL)
        clo_buffer_append(der, clo_buffer_bytes(&bytes));
    return true;
}

struct chains {
    struct clo_buffer root, ca, pck, signer;
};

static void chains_free(struct chains *chains)
{
    clo_buffer_free(&chains->root);
    clo_buffer_free(&chains->ca);
    clo_buffer_free(&chains->pck);
    clo_buffer_free(&chains->signer);
}

static bool make_chains(const struct sim_tdx *tdx, const struct sim_tdx_keys *keys,
                        struct chains *out, struct sim_tdx_made *made, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer extension = { 0 };
    struct sim_certificate leaf = tdx->leaf_certificate;

    sgx_extension(&tdx->pck, &extension);
    if (!tdx->leave_out_extension)
        leaf.extensions[leaf.extension_count++] =
                (struct sim_extension){ SGX, clo_buffer_bytes(&extension), false };
    if (!add_certificate(&tdx->root_certificate, keys->root, tdx->root_key, &out->root, &made->root,
                         err) ||
        !add_certificate(&tdx->ca_certificate, keys->ca, tdx->ca_key, &out->ca, NULL, err) ||
        !add_certificate(&leaf, keys->pck, tdx->leaf_key, &out->pck, NULL, err) ||
        !add_certificate(&tdx->signer_certificate, keys->signer, tdx->signer_key, &out->signer,
                         NULL, err))
        return false;
    clo_buffer_append(&out->ca, clo_buffer_bytes(&out->root));
    clo_buffer_append(&out->pck, clo_buffer_bytes(&out->ca));
    clo_buffer_append(&out->signer, clo_buffer_bytes(&out->root));
    return true;
}

static bool make_crls(const struct sim_tdx *tdx, struct clo_tdx_collateral *out,
                      struct clo_error *err)
{
    return sim_crl(&tdx->root_crl, tdx->root_crl_key, &out->pieces[CLO_TDX_ROOT_CA_CRL], err) &&
           sim_crl(&tdx->pck_crl, tdx->pck_crl_key, &out->pieces[CLO_TDX_PCK_CRL], err);
}

static bool make_collateral(const struct sim_tdx *tdx, const struct chains *chains,
                            struct clo_tdx_collateral *out, struct clo_error *err)
{
    if (!make_crls(tdx, out, err) || !sim_tdx_tcb_info(tdx, &out->pieces[CLO_TDX_TCB_INFO], err) ||
        !sim_tdx_qe_identity(tdx, &out->pieces[CLO_TDX_QE_IDENTITY], err))
        return false;
    clo_buffer_append(&out->pieces[CLO_TDX_TCB_INFO_ISSUER_CHAIN],
                      clo_buffer_bytes(&chains->signer));
    clo_buffer_append(&out->pieces[CLO_TDX_QE_IDENTITY_ISSUER_CHAIN],
                      clo_buffer_bytes(&chains->signer));
    clo_buffer_append(&out->pieces[CLO_TDX_PCK_CRL_ISSUER_CHAIN], clo_buffer_bytes(&chains->ca));
    if (tdx->chain_beside)
        clo_buffer_append(&out->pieces[CLO_TDX_PCK_CHAIN], clo_buffer_bytes(&chains->pck));
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        if ((tdx->left_out >> i & 1) != 0)
            clo_buffer_free(&out->pieces[i]);
    return true;
}

static bool append_key(const struct clo_private_key *key, struct clo_buffer *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };

    if (!clo_private_key_public(key, &public_key, err) ||
        !clo_public_key_numbers(public_key, &x, &y, err))
        return false;
    clo_buffer_append(out, clo_buffer_bytes(&x));
    clo_buffer_append(out, clo_buffer_bytes(&y));
    return true;
}

static bool sign(const struct clo_private_key *key, struct clo_bytes message,
                 struct clo_buffer *out, struct clo_error *err)
{
    return clo_signature_make(key, CLO_ECDSA_RAW, CLO_HASH_SHA256, message, out, err);
}

/* The QE's report with its signature, authentication data and chain. */
static bool qe_part(const struct sim_tdx *tdx, struct clo_bytes key, struct clo_bytes chain,
                    struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer auth = { 0 };
    uint8_t report[sizeof tdx->qe_report];
    struct clo_digest digest;

    for (size_t i = 0; i < tdx->auth_size; i++)
        clo_buffer_u8(&auth, (uint8_t)i);
    const struct clo_bytes bound[] = { key, clo_buffer_bytes(&auth) };
    clo_hash_many(CLO_HASH_SHA256, bound, CLO_COUNT(bound), &digest);
    memcpy(report, tdx->qe_report, sizeof report);
    memcpy(report + SIM_QE_REPORT_DATA, digest.bytes, 32);
    report[SIM_QE_REPORT_DATA] ^= tdx->binding_is_wrong;
    clo_buffer_append(out, clo_bytes(report, sizeof report));
    if (!sign(tdx->qe_report_key, clo_bytes(report, sizeof report), out, err))
        return false;
    clo_buffer_le16(out, (uint16_t)auth.size);
    clo_buffer_append(out, clo_buffer_bytes(&auth));
    clo_buffer_le16(out, tdx->chain_beside ? 3 : 5);
    clo_buffer_le32(out, tdx->chain_beside ? 0 : (uint32_t)chain.size);
    clo_buffer_append(out, clo_bytes_slice(chain, 0, tdx->chain_beside ? 0 : chain.size));
    return clo_buffer_ok(&auth) || clo_out_of_memory(err);
}

static void signed_part(const struct sim_tdx *tdx, struct clo_buffer *out)
{
    clo_buffer_le16(out, tdx->version);
    clo_buffer_le16(out, 2); /* ECDSA P-256 */
    clo_buffer_le32(out, CLO_TDX_TEE_TYPE);
    clo_buffer_zero(out, 4);
    clo_buffer_append(out, clo_bytes(intel_vendor, sizeof intel_vendor));
    clo_buffer_zero(out, 20); /* user data */
    if (tdx->version == 5) {
        clo_buffer_le16(out, (uint16_t)tdx->body_type);
        clo_buffer_le32(out, (uint32_t)body_sizes[tdx->body_type]);
    }
    clo_buffer_append(out, clo_bytes(tdx->body, body_sizes[tdx->body_type]));
}

static bool make_quote(const struct sim_tdx *tdx, const struct sim_tdx_keys *keys,
                       struct clo_bytes chain, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer qe = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    signed_part(tdx, out);
    if (!append_key(keys->attestation, &key, err) ||
        !qe_part(tdx, clo_buffer_bytes(&key), chain, &qe, err) ||
        !sign(tdx->quote_key, clo_buffer_bytes(out), &signature, err))
        return false;
    clo_buffer_le32(out, (uint32_t)(64 + 64 + 6 + qe.size));
    clo_buffer_append(out, clo_buffer_bytes(&signature));
    clo_buffer_append(out, clo_buffer_bytes(&key));
    clo_buffer_le16(out, 6);
    clo_buffer_le32(out, (uint32_t)qe.size);
    clo_buffer_append(out, clo_buffer_bytes(&qe));
    for (size_t i = 0; i < tdx->trailing; i++)
        clo_buffer_u8(out, tdx->trailing_value);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    if (tdx->flip != 0)
        out->data[tdx->flip] ^= 1;
    return true;
}

bool sim_tdx_make(const struct sim_tdx *tdx, const struct sim_tdx_keys *keys,
                  struct sim_tdx_made *out, struct clo_error *err)
{
    CLO_CLEANUP(chains_free) struct chains chains = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *root = NULL;

    return make_chains(tdx, keys, &chains, out, err) &&
           make_collateral(tdx, &chains, &out->collateral, err) &&
           make_quote(tdx, keys, clo_buffer_bytes(&chains.pck), &out->quote, err) &&
           clo_private_key_public(tdx->root_is_other ? keys->other : keys->root, &root, err) &&
           clo_public_key_fingerprint(root, &out->trusted, err);
}
