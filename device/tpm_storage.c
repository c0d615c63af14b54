#include "device/tpm_storage.h"

#include <string.h>

#include <tss2/tss2_mu.h>

const TPMT_SYM_DEF clo_tpm_aes = {
    .algorithm = TPM2_ALG_AES,
    .keyBits.aes = 128,
    .mode.aes = TPM2_ALG_CFB,
};

void clo_tpm_handle_free(struct clo_tpm_handle *handle)
{
    if (handle->tpm == NULL || handle->object == ESYS_TR_NONE)
        return;
    if (handle->is_kept)
        (void)!Esys_TR_Close(handle->tpm->esys, &handle->object);
    else if (Esys_FlushContext(handle->tpm->esys, handle->object) != TSS2_RC_SUCCESS)
        (void)!Esys_TR_Close(handle->tpm->esys, &handle->object);
    handle->object = ESYS_TR_NONE;
}

TSS2_RC clo_tpm_kind(TSS2_RC rc)
{
    if ((rc & TSS2_RC_LAYER_MASK) != 0 && (rc & TSS2_RC_LAYER_MASK) != TSS2_RESMGR_TPM_RC_LAYER)
        return rc;
    rc &= 0xffff;
    return rc & 0x80 ? rc & 0xbf : rc;
}

/* TCG TPM v2.0 Provisioning Guidance, section 7.5.1. Older tokens' primary was counted for lockout. */
static void make_template(enum clo_tpm2_primary primary, bool has_lockout, TPM2B_PUBLIC *out)
{
    *out = (TPM2B_PUBLIC){
        .publicArea = {
            .type = primary == CLO_TPM2_PRIMARY_RSA ? TPM2_ALG_RSA : TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                (has_lockout ? 0 : TPMA_OBJECT_NODA),
        },
    };
    const TPMT_SYM_DEF_OBJECT aes = { .algorithm = TPM2_ALG_AES,
                                      .keyBits.aes = 128,
                                      .mode.aes = TPM2_ALG_CFB };

    if (primary == CLO_TPM2_PRIMARY_RSA)
        out->publicArea.parameters.rsaDetail = (TPMS_RSA_PARMS){ .symmetric = aes,
                                                                 .scheme.scheme = TPM2_ALG_NULL,
                                                                 .keyBits = 2048 };
    else
        out->publicArea.parameters.eccDetail = (TPMS_ECC_PARMS){ .symmetric = aes,
                                                                 .scheme.scheme = TPM2_ALG_NULL,
                                                                 .curveID = TPM2_ECC_NIST_P256,
                                                                 .kdf.scheme = TPM2_ALG_NULL };
}

static bool make_primary(struct clo_tpm *tpm, const TPM2B_PUBLIC *template,
                         struct clo_tpm_handle *out, struct clo_error *err)
{
    const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION no_pcrs = { 0 };
    ESYS_TR object = ESYS_TR_NONE;

    if (!clo_tpm_done(Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, template, &outside,
                                         &no_pcrs, &object, NULL, NULL, NULL, NULL),
                      "primary key", err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = object };
    return true;
}

static bool has_name(const struct clo_tpm_handle *handle, struct clo_bytes name,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_NAME *found = NULL;

    return clo_tpm_done(Esys_TR_GetName(handle->tpm->esys, handle->object, &found), "storage key",
                        err) &&
           (clo_bytes_equal(clo_bytes(found->name, found->size), name) ||
            clo_fail(err, CLO_ERR_REFUSED, "storage key: the TPM has another one"));
}

static bool is_pinned(const struct clo_tpm_handle *handle, const struct clo_tpm2_name *pin,
                      struct clo_error *err)
{
    return pin == NULL || has_name(handle, clo_bytes(pin->bytes, sizeof pin->bytes), err) ||
           clo_wrap(err, "the image names its TPM");
}

bool clo_tpm_parent(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                    const struct clo_tpm2_name *pin, struct clo_tpm_handle *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle handle = { .tpm = tpm, .object = ESYS_TR_NONE, .is_kept = true };
    struct clo_tpm2_srk srk;
    TPM2B_PUBLIC template;

    if (token->srk.size == 0) {
        make_template(token->primary, true, &template);
        if (!make_primary(tpm, &template, &handle, err))
            return false;
    } else if (!clo_tpm2_srk_parse(clo_buffer_bytes(&token->srk), &srk, err) ||
               !clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, srk.handle, ESYS_TR_NONE,
                                                   ESYS_TR_NONE, ESYS_TR_NONE, &handle.object),
                             "storage key", err) ||
               !has_name(&handle, srk.name, err)) {
        return false;
    }
    if (!is_pinned(&handle, pin, err))
        return false;
    *out = handle;
    handle.object = ESYS_TR_NONE;
    return true;
}

static bool make_srk(struct clo_tpm *tpm, ESYS_TR *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle made = { .tpm = tpm, .object = ESYS_TR_NONE };
    TPM2B_PUBLIC template;

    make_template(CLO_TPM2_PRIMARY_ECC, false, &template);
    return make_primary(tpm, &template, &made, err) &&
           clo_tpm_done(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, made.object,
                                          ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, CLO_TPM_SRK,
                                          out),
                        "storage key: keep it", err);
}

bool clo_tpm_find_srk(struct clo_tpm *tpm, const struct clo_tpm2_name *pin,
                      struct clo_tpm_handle *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle handle = { .tpm = tpm, .object = ESYS_TR_NONE, .is_kept = true };

    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, CLO_TPM_SRK, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &handle.object),
                      "storage key", err) &&
        (err->status != CLO_ERR_UNAVAILABLE || !make_srk(tpm, &handle.object, err)))
        return false;
    if (!is_pinned(&handle, pin, err))
        return false;
    *out = handle;
    handle.object = ESYS_TR_NONE;
    return true;
}

bool clo_tpm_srk(struct clo_tpm *tpm, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle srk = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PUBLIC *area = NULL;
    uint8_t bytes[sizeof *area];
    size_t size = 0;

    if (!clo_tpm_find_srk(tpm, NULL, &srk, err) ||
        !clo_tpm_done(Esys_ReadPublic(tpm->esys, srk.object, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE, &area, NULL, NULL),
                      "storage key", err) ||
        !clo_tpm_done(Tss2_MU_TPM2B_PUBLIC_Marshal(area, bytes, sizeof bytes, &size), "storage key",
                      err))
        return false;
    clo_buffer_append(out, clo_bytes(bytes, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_tpm_read_area(const struct clo_tpm_handle *key, const char *what, struct clo_buffer *out,
                       TPMA_OBJECT *attributes, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PUBLIC *area = NULL;
    uint8_t bytes[sizeof *area];
    size_t size = 0;

    if (!clo_tpm_done(Esys_ReadPublic(key->tpm->esys, key->object, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE, &area, NULL, NULL),
                      what, err) ||
        !clo_tpm_done(Tss2_MU_TPMT_PUBLIC_Marshal(&area->publicArea, bytes, sizeof bytes, &size),
                      what, err))
        return false;
    *attributes = area->publicArea.objectAttributes;
    clo_buffer_append(out, clo_bytes(bytes, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

TSS2_RC clo_tpm_session(struct clo_tpm *tpm, const struct clo_tpm_handle *parent, ESYS_TR bind,
                        ESYS_TR through, TPM2_SE kind, struct clo_tpm_handle *out)
{
    ESYS_TR session = ESYS_TR_NONE;
    TSS2_RC rc = Esys_StartAuthSession(tpm->esys, parent->object, bind, through, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, kind, &clo_tpm_aes, TPM2_ALG_SHA256,
                                       &session);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = session };
    return kind == TPM2_SE_HMAC
                   ? Esys_TRSess_SetAttributes(tpm->esys, session,
                                               TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT |
                                                       TPMA_SESSION_CONTINUESESSION,
                                               0xff)
                   : TSS2_RC_SUCCESS;
}
