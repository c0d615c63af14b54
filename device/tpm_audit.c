#include "device/tpm_audit.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#include "device/tpm_storage.h"
#include "lib/tcg/certify.h"

#define NONCE_SIZE 32

bool clo_tpm_audit(struct clo_tpm *tpm, const struct clo_tpm2_name *srk, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle key = { .object = ESYS_TR_NONE };
    ESYS_TR session = ESYS_TR_NONE;

    if (tpm->audit != ESYS_TR_NONE)
        return memcmp(tpm->audited_by.bytes, srk->bytes, sizeof srk->bytes) == 0 ||
               clo_fail(err, CLO_ERR_REFUSED, "storage key: another one than before");
    if (!clo_tpm_find_srk(tpm, srk, &key, err) ||
        !clo_tpm_done(Esys_StartAuthSession(tpm->esys, key.object, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                            &clo_tpm_aes, TPM2_ALG_SHA256, &session),
                      "session", err))
        return false;
    tpm->audit = session; /* also without its attributes: then each command fails */
    tpm->audited_by = *srk;
    return clo_tpm_done(Esys_TRSess_SetAttributes(tpm->esys, session,
                                                  TPMA_SESSION_AUDIT | TPMA_SESSION_CONTINUESESSION,
                                                  0xff),
                        "session", err);
}

static bool certify(struct clo_tpm *tpm, uint32_t handle, ESYS_TR object, struct clo_bytes nonce,
                    struct clo_buffer *attest, struct clo_buffer *signature, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle key = { .tpm = tpm, .object = ESYS_TR_NONE, .is_kept = true };
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_ATTEST *certified = NULL;
    CLO_CLEANUP(clo_tpm_free_esys) TPMT_SIGNATURE *made = NULL;
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL }; /* the key's own */
    TPM2B_DATA data = { .size = (uint16_t)nonce.size };
    uint8_t bytes[sizeof *made];
    size_t size = 0;

    memcpy(data.buffer, nonce.data, nonce.size);
    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &key.object),
                      "attestation key", err) ||
        !clo_tpm_done(Esys_Certify(tpm->esys, object, key.object, ESYS_TR_PASSWORD,
                                   ESYS_TR_PASSWORD, ESYS_TR_NONE, &data, &scheme, &certified,
                                   &made),
                      "certify", err) ||
        !clo_tpm_done(Tss2_MU_TPMT_SIGNATURE_Marshal(made, bytes, sizeof bytes, &size), "certify",
                      err))
        return false;
    clo_buffer_append(attest, clo_bytes(certified->attestationData, certified->size));
    clo_buffer_append(signature, clo_bytes(bytes, size));
    return (clo_buffer_ok(attest) && clo_buffer_ok(signature)) || clo_out_of_memory(err);
}

/* A host can load a public key of its own, and have it certified like any other object. What is only ever found in the TPM that made
 * it, and decrypts nothing but what that TPM asks for, is no key of the host's (part 2, section 8.3.3; part 3, section 12.3). */
static bool is_storage_key(const struct clo_tpm_handle *key, const struct clo_tpm2_name *certified,
                           struct clo_error *err)
{
    static const TPMA_OBJECT wanted = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                      TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                      TPMA_OBJECT_DECRYPT;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_tpm2_name name;
    TPMA_OBJECT attributes;

    if (!clo_tpm_read_area(key, "storage key", &area, &attributes, err))
        return false;
    clo_tpm2_name_of(clo_buffer_bytes(&area), &name);
    if (memcmp(name.bytes, certified->bytes, sizeof name.bytes) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "another one than was certified");
    return (attributes & (wanted | TPMA_OBJECT_SIGN_ENCRYPT)) == wanted ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "its attributes are 0x%08x: not those of a key that no one outside of the TPM "
                    "has",
                    attributes);
}

bool clo_tpm_certified_srk(struct clo_tpm *tpm, uint32_t handle, const struct clo_public_key *ak,
                           const struct clo_random *random, struct clo_tpm2_name *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle srk = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    uint8_t bytes[NONCE_SIZE] = { 0 };
    struct clo_bytes nonce = clo_bytes(bytes, sizeof bytes);

    return ((random->fill(random->context, bytes, sizeof bytes) ||
             clo_fail(err, CLO_ERR_SYSTEM, "no randomness")) &&
            clo_tpm_find_srk(tpm, NULL, &srk, err) &&
            certify(tpm, handle, srk.object, nonce, &attest, &signature, err) &&
            clo_certify_verify(clo_buffer_bytes(&attest), clo_buffer_bytes(&signature), ak, nonce,
                               out, err) &&
            is_storage_key(&srk, out, err)) ||
           clo_wrap(err, "the TPM's storage key");
}
