#include <stdio.h>

#include "device/tpm.h"
#include "device/tpm_internal.h"

#define COUNTER_SIZE 8

static bool find(struct clo_tpm *tpm, uint32_t index, const char *name, ESYS_TR *object,
                 bool *is_written, struct clo_error *err)
{
    TPMS_NV_PUBLIC area;

    if (!clo_tpm_nv_find(tpm, index, name, object, &area, err))
        return false;
    *is_written = (area.attributes & TPMA_NV_WRITTEN) != 0;
    if ((area.attributes & TPMA_NV_TPM2_NT_MASK) >> TPMA_NV_TPM2_NT_SHIFT == TPM2_NT_COUNTER &&
        area.dataSize == COUNTER_SIZE)
        return true;
    Esys_TR_Close(tpm->esys, object);
    return clo_fail(err, CLO_ERR_REFUSED, "%s: not a counter", name);
}

static bool read_value(struct clo_tpm *tpm, ESYS_TR object, const char *name, uint64_t *out,
                       struct clo_error *err)
{
    TPM2B_MAX_NV_BUFFER *bytes = NULL;

    if (!clo_tpm_done(Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                   tpm->audit, ESYS_TR_NONE, COUNTER_SIZE, 0, &bytes),
                      name, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(bytes->buffer, bytes->size));
    *out = clo_read_be64(&r);
    bool ok = clo_reader_ok(&r);
    Esys_Free(bytes);
    return ok || clo_fail(err, CLO_ERR_FORMAT, "%s: truncated", name);
}

/* One that was never raised has no value yet: its first is one above all that this TPM's counters had. */
bool clo_tpm_counter_read(struct clo_tpm *tpm, uint32_t index, uint64_t *out, struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    bool is_written;
    char name[32];

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!find(tpm, index, name, &object, &is_written, err))
        return false;
    *out = 0;
    bool ok = !is_written || read_value(tpm, object, name, out, err);
    Esys_TR_Close(tpm->esys, &object);
    return ok;
}

bool clo_tpm_counter_raise(struct clo_tpm *tpm, uint32_t index, struct clo_error *err)
{
    ESYS_TR object = ESYS_TR_NONE;
    bool is_written;
    char name[32];

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!find(tpm, index, name, &object, &is_written, err))
        return false;
    bool ok = clo_tpm_done(Esys_NV_Increment(tpm->esys, ESYS_TR_RH_OWNER, object, ESYS_TR_PASSWORD,
                                             tpm->audit, ESYS_TR_NONE),
                           name, err);
    Esys_TR_Close(tpm->esys, &object);
    return ok;
}

bool clo_tpm_counter_define(struct clo_tpm *tpm, uint32_t index, struct clo_error *err)
{
    return clo_tpm_nv_define_as(tpm, index,
                                TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD |
                                        TPMA_NV_NO_DA | TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT,
                                COUNTER_SIZE, err);
}
