#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/tpm.h"
#include "device/tpm_internal.h"

/* As much as one command moves: the TPM's own limit, within what every TPM has. */
static size_t piece_size(struct clo_tpm *tpm)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more = TPM2_NO;
    size_t size = 512;

    if (Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                           TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1, &more,
                           &data) == TSS2_RC_SUCCESS) {
        const TPML_TAGGED_TPM_PROPERTY *list = &data->data.tpmProperties;
        if (list->count == 1 && list->tpmProperty[0].property == TPM2_PT_NV_BUFFER_MAX &&
            list->tpmProperty[0].value >= 64)
            size = list->tpmProperty[0].value;
        Esys_Free(data);
    }
    return size > TPM2_MAX_NV_BUFFER_SIZE ? TPM2_MAX_NV_BUFFER_SIZE : size;
}

bool clo_tpm_nv_find(struct clo_tpm *tpm, uint32_t index, const char *name, ESYS_TR *object,
                     TPMS_NV_PUBLIC *out, struct clo_error *err)
{
    TPM2B_NV_PUBLIC *area = NULL;

    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, object),
                      name, err))
        return false;
    if (!clo_tpm_done(Esys_NV_ReadPublic(tpm->esys, *object, tpm->audit, ESYS_TR_NONE, ESYS_TR_NONE,
                                         &area, NULL),
                      name, err)) {
        Esys_TR_Close(tpm->esys, object);
        return false;
    }
    *out = area->nvPublic;
    Esys_Free(area);
    return true;
}

bool clo_tpm_nv_read(struct clo_tpm *tpm, uint32_t index, size_t limit, struct clo_buffer *out,
                     struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    TPMS_NV_PUBLIC area;
    char name[32];
    bool ok = true;

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!clo_tpm_nv_find(tpm, index, name, &object, &area, err))
        return false;
    size_t total = area.dataSize;
    if (total > limit) {
        Esys_TR_Close(tpm->esys, &object);
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes, at most %zu expected", name, total,
                        limit);
    }
    size_t most = piece_size(tpm);
    for (size_t at = 0; ok && at < total;) {
        TPM2B_MAX_NV_BUFFER *piece = NULL;
        size_t size = total - at < most ? total - at : most;
        ok = clo_tpm_done(Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                       tpm->audit, ESYS_TR_NONE, (uint16_t)size, (uint16_t)at,
                                       &piece),
                          name, err);
        if (ok && piece->size != size)
            ok = clo_fail(err, CLO_ERR_FORMAT, "%s: the TPM gives %u bytes of %zu", name,
                          piece->size, size);
        if (ok)
            clo_buffer_append(out, clo_bytes(piece->buffer, size));
        Esys_Free(piece);
        at += size;
    }
    Esys_TR_Close(tpm->esys, &object);
    if (ok && !clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: too large", name);
    return ok;
}

bool clo_tpm_nv_define_as(struct clo_tpm *tpm, uint32_t index, TPMA_NV attributes, size_t size,
                          struct clo_error *err)
{
    const TPM2B_AUTH no_password = { 0 };
    const TPM2B_NV_PUBLIC area = {
        .nvPublic = {
            .nvIndex = index,
            .nameAlg = TPM2_ALG_SHA256,
            .attributes = attributes,
            .dataSize = (uint16_t)size,
        },
    };
    ESYS_TR object = ESYS_TR_NONE;
    char name[32];

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (size > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%s: %zu bytes", name, size);
    if (!clo_tpm_done(Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, tpm->audit,
                                          ESYS_TR_NONE, &no_password, &area, &object),
                      name, err))
        return false;
    Esys_TR_Close(tpm->esys, &object);
    return true;
}

bool clo_tpm_nv_define(struct clo_tpm *tpm, uint32_t index, size_t size, struct clo_error *err)
{
    return clo_tpm_nv_define_as(
            tpm, index, TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA,
            size, err);
}

bool clo_tpm_nv_drop(struct clo_tpm *tpm, uint32_t index, struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    TPMS_NV_PUBLIC area;
    char name[32];

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!clo_tpm_nv_find(tpm, index, name, &object, &area, err))
        return err->status == CLO_ERR_UNAVAILABLE;
    if (clo_tpm_done(Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                           tpm->audit, ESYS_TR_NONE),
                     name, err))
        return true; /* the object goes with it */
    Esys_TR_Close(tpm->esys, &object);
    return false;
}

bool clo_tpm_nv_write(struct clo_tpm *tpm, uint32_t index, struct clo_bytes bytes,
                      struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    TPMS_NV_PUBLIC area;
    char name[32];
    bool ok = true;

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!clo_tpm_nv_find(tpm, index, name, &object, &area, err))
        return false;
    size_t total = area.dataSize;
    if (bytes.size > total) {
        Esys_TR_Close(tpm->esys, &object);
        return clo_fail(err, CLO_ERR_USAGE, "%s: %zu bytes do not fit into %zu", name, bytes.size,
                        total);
    }
    size_t most = piece_size(tpm);
    for (size_t at = 0; ok && at < bytes.size;) {
        TPM2B_MAX_NV_BUFFER piece = { 0 };
        size_t size = bytes.size - at < most ? bytes.size - at : most;
        piece.size = (uint16_t)size;
        memcpy(piece.buffer, bytes.data + at, size);
        ok = clo_tpm_done(Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                        ESYS_TR_NONE, ESYS_TR_NONE, &piece, (uint16_t)at),
                          name, err);
        at += size;
    }
    Esys_TR_Close(tpm->esys, &object);
    return ok;
}
