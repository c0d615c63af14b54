#include "device/tpm_endorsement.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#include "device/tpm_storage.h"
#include "lib/base/der.h"

#define CERTIFICATE_LIMIT 8192
#define CHAIN_FIRST       0x01c00100U /* issuers of endorsement certificates */
#define CHAIN_COUNT       8

/* TCG EK Credential Profile 2.5, sections 2.2.1.4 and 2.2.2: certificates by the template they are of. */
static const uint32_t certificate_indexes[] = { 0x01c00002, 0x01c0000a, 0x01c00012, 0x01c00014,
                                                0x01c00016, 0x01c00018, 0x01c0001c, 0x01c0001e };
static const uint32_t usual_handles[] = { 0x81010001, 0x81010002, 0x81010014, 0x81010016,
                                          0x8101001c };

/* --- The keys --- */

/* Template L-1: its policy is the endorsement hierarchy's password (annex B.3.3). */
static const TPM2B_PUBLIC endorsement_template = {
    .publicArea = {
        .type = TPM2_ALG_RSA,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
        .authPolicy = { .size = 32,
                        .buffer = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
                                    0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
                                    0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa } },
        .parameters.rsaDetail = { .symmetric = { .algorithm = TPM2_ALG_AES,
                                                 .keyBits.aes = 128,
                                                 .mode.aes = TPM2_ALG_CFB },
                                  .scheme.scheme = TPM2_ALG_NULL,
                                  .keyBits = 2048 },
        .unique.rsa.size = 256,
    },
};

static bool make_primary(struct clo_tpm *tpm, const TPM2B_PUBLIC *template, const char *what,
                         struct clo_tpm_handle *out, struct clo_error *err)
{
    const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION no_pcrs = { 0 };
    ESYS_TR object = ESYS_TR_NONE;

    if (!clo_tpm_done(Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, template, &outside,
                                         &no_pcrs, &object, NULL, NULL, NULL, NULL),
                      what, err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = object };
    return true;
}

/* A persistent key; CLO_ERR_UNAVAILABLE: nothing is there. */
static bool find(struct clo_tpm *tpm, uint32_t handle, const char *what, struct clo_tpm_handle *out,
                 struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;

    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &object),
                      what, err))
        return clo_wrap(err, "0x%08x", handle);
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = object, .is_kept = true };
    return true;
}

static bool find_ek(struct clo_tpm *tpm, uint32_t handle, struct clo_tpm_handle *out,
                    struct clo_error *err)
{
    static const char what[] = "endorsement key";

    if (handle != 0)
        return find(tpm, handle, what, out, err);
    for (size_t i = 0; i < CLO_COUNT(usual_handles); i++) {
        if (find(tpm, usual_handles[i], what, out, err))
            return true;
        if (err->status != CLO_ERR_UNAVAILABLE)
            return false;
    }
    return make_primary(tpm, &endorsement_template, what, out, err);
}

static bool read_template(struct clo_tpm *tpm, uint32_t index, TPM2B_PUBLIC *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    size_t at = 0;

    *out = (TPM2B_PUBLIC){ .size = 0 };
    return clo_tpm_nv_read(tpm, index, sizeof *out, &bytes, err) &&
           clo_tpm_done(
                   Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes.data, bytes.size, &at, &out->publicArea),
                   "template of the attestation key", err);
}

static bool find_ak(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                    struct clo_tpm_handle *out, struct clo_error *err)
{
    static const char what[] = "attestation key";
    TPM2B_PUBLIC template;

    if (of->ak != 0)
        return find(tpm, of->ak, what, out, err);
    if (of->ak_template != 0)
        return read_template(tpm, of->ak_template, &template, err) &&
               make_primary(tpm, &template, what, out, err);
    if (find(tpm, CLO_TPM_AK, what, out, err))
        return true;
    return err->status == CLO_ERR_UNAVAILABLE &&
           make_primary(tpm, &clo_tpm_ak_template, what, out, err);
}

/* --- Certificates --- */

/* An index may be larger than what is in it. False: it holds none. */
static bool read_certificate(struct clo_tpm *tpm, uint32_t index, struct clo_certificate **out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;
    struct clo_bytes whole;

    if (!clo_tpm_nv_read(tpm, index, CERTIFICATE_LIMIT, &bytes, &ignored))
        return false;
    struct clo_reader r = clo_reader(clo_buffer_bytes(&bytes));
    whole = clo_der_next(&r).whole;
    return clo_reader_ok(&r) && clo_certificate_parse(whole, out, &ignored);
}

bool clo_tpm_certificate(struct clo_tpm *tpm, uint32_t index, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;

    if (!read_certificate(tpm, index, &certificate))
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "NV index 0x%08x: no certificate", index);
    return clo_pem_write("CERTIFICATE", clo_certificate_der(certificate), out, err);
}

static bool is_of(const struct clo_certificate *certificate, const struct clo_public_key *key)
{
    struct clo_digest first;
    struct clo_digest second;
    struct clo_error ignored;

    return clo_public_key_fingerprint(clo_certificate_key(certificate), &first, &ignored) &&
           clo_public_key_fingerprint(key, &second, &ignored) && clo_digest_equal(&first, &second);
}

/* Of the makers' places the one whose certificate is of this key, and then its issuers. */
static bool read_certificates(struct clo_tpm *tpm, struct clo_bytes area, struct clo_buffer *out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public key = { .key = NULL };

    if (!clo_tpm_public_read(area, &key, err))
        return clo_wrap(err, "endorsement key");
    for (size_t i = 0; i < CLO_COUNT(certificate_indexes) + CHAIN_COUNT; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        bool is_issuer = i >= CLO_COUNT(certificate_indexes);
        uint32_t index = is_issuer ? CHAIN_FIRST + (uint32_t)(i - CLO_COUNT(certificate_indexes))
                                   : certificate_indexes[i];
        if ((is_issuer && out->size == 0) || !read_certificate(tpm, index, &certificate) ||
            (!is_issuer && (out->size > 0 || !is_of(certificate, key.key))))
            continue;
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(certificate), out, err))
            return false;
    }
    return true;
}

bool clo_tpm_identity_read(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                           struct clo_buffer *ek, struct clo_buffer *ak,
                           struct clo_buffer *certificates, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle endorsement = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle attestation = { .object = ESYS_TR_NONE };
    TPMA_OBJECT ignored;

    return find_ek(tpm, of->ek, &endorsement, err) &&
           clo_tpm_read_area(&endorsement, "public area", ek, &ignored, err) &&
           find_ak(tpm, of, &attestation, err) &&
           clo_tpm_read_area(&attestation, "public area", ak, &ignored, err) &&
           read_certificates(tpm, clo_buffer_bytes(ek), certificates, err);
}

bool clo_tpm_identity_quote(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                            enum clo_hash hash, uint32_t mask, struct clo_bytes qualifying,
                            struct clo_buffer *attest, struct clo_buffer *signature,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle key = { .object = ESYS_TR_NONE };

    return find_ak(tpm, of, &key, err) &&
           clo_tpm_quote_by(tpm, key.object, hash, mask, qualifying, attest, signature, err);
}

/* --- The answer --- */

/* What lets the endorsement key be used: its own empty password, or its template's policy. */
static bool authorise(struct clo_tpm *tpm, bool has_password, struct clo_tpm_handle *session,
                      ESYS_TR *out, struct clo_error *err)
{
    static const char what[] = "endorsement key: policy";
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    ESYS_TR object = ESYS_TR_NONE;

    *out = ESYS_TR_PASSWORD;
    if (has_password)
        return true;
    if (!clo_tpm_done(Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none,
                                            TPM2_ALG_SHA256, &object),
                      what, err))
        return false;
    *session = (struct clo_tpm_handle){ .tpm = tpm, .object = object };
    *out = object;
    return clo_tpm_done(Esys_PolicySecret(tpm->esys, ESYS_TR_RH_ENDORSEMENT, object,
                                          ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL,
                                          NULL, 0, NULL, NULL),
                        what, err);
}

static bool take(const struct clo_tpm_credential *from, TPM2B_ID_OBJECT *object,
                 TPM2B_ENCRYPTED_SECRET *seed, struct clo_error *err)
{
    if (from->object.size > sizeof object->credential || from->seed.size > sizeof seed->secret)
        return clo_fail(err, CLO_ERR_FORMAT, "credential: %zu and %zu bytes", from->object.size,
                        from->seed.size);
    *object = (TPM2B_ID_OBJECT){ .size = (uint16_t)from->object.size };
    *seed = (TPM2B_ENCRYPTED_SECRET){ .size = (uint16_t)from->seed.size };
    if (from->object.size > 0)
        memcpy(object->credential, from->object.data, from->object.size);
    if (from->seed.size > 0)
        memcpy(seed->secret, from->seed.data, from->seed.size);
    return true;
}

/* What a TPM says of a credential that is not for these keys: it does not verify, or decrypt, or have the right form. */
static bool is_foreign(TSS2_RC rc)
{
    TSS2_RC kind = clo_tpm_kind(rc);

    return kind == TPM2_RC_INTEGRITY || kind == TPM2_RC_VALUE || kind == TPM2_RC_SIZE ||
           kind == TPM2_RC_ECC_POINT || kind == TPM2_RC_INSUFFICIENT || kind == TPM2_RC_FAILURE;
}

bool clo_tpm_activate(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                      const struct clo_tpm_credential *credential, struct clo_secret **out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle ek = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle ak = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle session = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_DIGEST *secret = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    TPM2B_ID_OBJECT object;
    TPM2B_ENCRYPTED_SECRET seed;
    ESYS_TR allowed;
    TPMA_OBJECT attributes;

    if (!take(credential, &object, &seed, err) || !find_ek(tpm, of->ek, &ek, err) ||
        !clo_tpm_read_area(&ek, "public area", &area, &attributes, err) ||
        !find_ak(tpm, of, &ak, err) ||
        !authorise(tpm, (attributes & TPMA_OBJECT_USERWITHAUTH) != 0, &session, &allowed, err))
        return false;
    TSS2_RC rc = Esys_ActivateCredential(tpm->esys, ak.object, ek.object, ESYS_TR_PASSWORD, allowed,
                                         ESYS_TR_NONE, &object, &seed, &secret);
    if (is_foreign(rc))
        return clo_fail(err, CLO_ERR_REFUSED, "credential: it is not for the keys of this TPM");
    if (!clo_tpm_done(rc, "credential", err))
        return false;
    bool ok = clo_secret_copy(clo_bytes(secret->buffer, secret->size), out, err);
    clo_wipe(secret, sizeof *secret);
    return ok;
}
