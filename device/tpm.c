#include "device/tpm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "device/tpm_internal.h"

void clo_tpm_free_esys(void *pointer_to_pointer)
{
    void **pointer = pointer_to_pointer;

    Esys_Free(*pointer);
    *pointer = NULL;
}

bool clo_tpm_done(TSS2_RC rc, const char *what, struct clo_error *err)
{
    if (rc == TSS2_RC_SUCCESS)
        return true;
    TSS2_RC tpm_code = rc & 0xffff;
    /* Format-one codes carry the number of the handle, session or parameter in bits 6 and 8-11. */
    TSS2_RC kind = tpm_code & 0x80 ? tpm_code & 0xbf : tpm_code;

    if (rc == TSS2_ESYS_RC_RSP_AUTH_FAILED)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: the TPM's answer was changed on its way, or another TPM gave it",
                        what);
    if (rc == TSS2_TCTI_RC_NO_CONNECTION)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM does not answer", what);
    if ((rc & TSS2_RC_LAYER_MASK) == 0 || (rc & TSS2_RC_LAYER_MASK) == TSS2_RESMGR_TPM_RC_LAYER) {
        if (kind == TPM2_RC_HANDLE)
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: the TPM has no such object", what);
        if (kind == TPM2_RC_AUTH_FAIL || kind == TPM2_RC_BAD_AUTH)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM wants a password for it", what);
        if (tpm_code == TPM2_RC_LOCKOUT)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM is in lockout", what);
        if (tpm_code == TPM2_RC_INITIALIZE)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM was not started", what);
        if (tpm_code == TPM2_RC_NV_DEFINED)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: defined already", what);
        if (tpm_code == TPM2_RC_NV_SPACE)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM has no room for it", what);
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: the TPM answers 0x%03x", what, tpm_code);
    }
    return clo_fail(err, CLO_ERR_SYSTEM, "%s: TPM software stack: error 0x%08x", what, rc);
}

bool clo_tpm_open_tcti(TSS2_TCTI_CONTEXT *tcti, struct clo_tpm **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = calloc(1, sizeof *tpm);

    if (tpm == NULL) {
        Tss2_Tcti_Finalize(tcti);
        free(tcti);
        return clo_out_of_memory(err);
    }
    tpm->tcti = tcti;
    tpm->audit = ESYS_TR_NONE;
    /* The stack logs to standard error by itself; what matters comes back as an error. */
    setenv("TSS2_LOG", "all+NONE", 0);
    if (!clo_tpm_done(Esys_Initialize(&tpm->esys, tcti, NULL), "start", err))
        return false;
    *out = CLO_TAKE(tpm);
    return true;
}

/* A software TPM, where one runs: its socket in place of a device. */
static bool is_socket(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

bool clo_tpm_open(const char *device, struct clo_tpm **out, struct clo_error *err)
{
    return is_socket(device) ? clo_tpm_open_socket(device, out, err)
                             : clo_tpm_open_device(device, out, err);
}

void clo_tpm_free(struct clo_tpm *tpm)
{
    if (tpm == NULL)
        return;
    if (tpm->audit != ESYS_TR_NONE && tpm->esys != NULL)
        (void)!Esys_FlushContext(tpm->esys, tpm->audit);
    if (tpm->esys != NULL)
        Esys_Finalize(&tpm->esys);
    if (tpm->tcti != NULL) {
        Tss2_Tcti_Finalize(tpm->tcti);
        free(tpm->tcti);
    }
    free(tpm);
}

void clo_tpm_freep(struct clo_tpm **tpm)
{
    clo_tpm_free(*tpm);
    *tpm = NULL;
}

/* --- PCRs ------------------------------------------------------------------------------------ */

bool clo_tpm_banks(struct clo_tpm *tpm, enum clo_hash out[CLO_HASH_COUNT], size_t *count,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more = TPM2_NO;
    size_t found = 0;

    if (!clo_tpm_done(Esys_GetCapability(tpm->esys, tpm->audit, ESYS_TR_NONE, ESYS_TR_NONE,
                                         TPM2_CAP_PCRS, 0, 1, &more, &data),
                      "PCR banks", err))
        return false;
    const TPML_PCR_SELECTION *banks = &data->data.assignedPCR;
    for (size_t i = 0; i < banks->count && i < TPM2_NUM_PCR_BANKS; i++) {
        const TPMS_PCR_SELECTION *bank = &banks->pcrSelections[i];
        if (clo_bytes_all(clo_bytes(bank->pcrSelect, bank->sizeofSelect), 0))
            continue;
        enum clo_hash hash = clo_hash_from_tpm(bank->hash);
        if (hash == CLO_HASH_NONE)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "PCR bank 0x%04x is active, and cannot be extended", bank->hash);
        for (size_t k = 0; k < found; k++)
            if (out[k] == hash)
                return clo_fail(err, CLO_ERR_FORMAT, "PCR bank %s is listed twice",
                                clo_hash_name(hash));
        out[found++] = hash;
    }
    if (found == 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the TPM has no active PCR bank");
    *count = found;
    return true;
}

void clo_tpm_select(enum clo_hash hash, uint32_t mask, TPML_PCR_SELECTION *out)
{
    *out = (TPML_PCR_SELECTION){ .count = 1 };
    out->pcrSelections[0].hash = clo_hash_to_tpm(hash);
    out->pcrSelections[0].sizeofSelect = 3;
    for (size_t i = 0; i < 3; i++)
        out->pcrSelections[0].pcrSelect[i] = (uint8_t)(mask >> (8 * i));
}

/* Takes over the values of one answer; `left` loses the bits that were answered. */
static bool take_values(const TPML_PCR_SELECTION *selection, const TPML_DIGEST *values,
                        struct clo_tpm_pcrs *pcrs, uint32_t *left, struct clo_error *err)
{
    size_t size = clo_hash_size(pcrs->hash);
    size_t next = 0;

    if (selection->count != 1 || selection->pcrSelections[0].hash != clo_hash_to_tpm(pcrs->hash))
        return clo_fail(err, CLO_ERR_FORMAT, "PCRs: the TPM answers for another bank");
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (i / 8 >= selection->pcrSelections[0].sizeofSelect ||
            (selection->pcrSelections[0].pcrSelect[i / 8] >> (i % 8) & 1) == 0)
            continue;
        if ((*left & bit) == 0 || next >= values->count || next >= CLO_COUNT(values->digests) ||
            values->digests[next].size != size)
            return clo_fail(err, CLO_ERR_FORMAT, "PCR %u: the TPM's answer makes no sense", i);
        pcrs->values[i].hash = pcrs->hash;
        memcpy(pcrs->values[i].bytes, values->digests[next++].buffer, size);
        *left &= ~bit;
    }
    if (next == 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "PCRs: the %s bank has none of those asked for",
                        clo_hash_name(pcrs->hash));
    return true;
}

bool clo_tpm_pcr_read(struct clo_tpm *tpm, enum clo_hash hash, uint32_t mask,
                      struct clo_tpm_pcrs *out, struct clo_error *err)
{
    struct clo_tpm_pcrs pcrs = { .hash = hash, .mask = mask };
    uint32_t left = mask;
    uint32_t counter = 0;
    bool first = true;

    if (mask >> CLO_TPM_PCRS != 0)
        return clo_fail(err, CLO_ERR_USAGE, "PCRs: there are %d", CLO_TPM_PCRS);
    while (left != 0) {
        CLO_CLEANUP(clo_tpm_free_esys) TPML_PCR_SELECTION *got = NULL;
        CLO_CLEANUP(clo_tpm_free_esys) TPML_DIGEST *values = NULL;
        TPML_PCR_SELECTION selection;
        uint32_t now = 0;

        clo_tpm_select(hash, left, &selection);
        if (!clo_tpm_done(Esys_PCR_Read(tpm->esys, tpm->audit, ESYS_TR_NONE, ESYS_TR_NONE,
                                        &selection, &now, &got, &values),
                          "PCRs", err))
            return false;
        /* Eight come at a time: if one was extended meanwhile, begin again. */
        if (!first && now != counter) {
            left = mask;
            first = true;
            continue;
        }
        first = false;
        counter = now;
        if (!take_values(got, values, &pcrs, &left, err))
            return false;
    }
    *out = pcrs;
    return true;
}

bool clo_tpm_pcr_extend(struct clo_tpm *tpm, unsigned pcr, const struct clo_digest *digests,
                        size_t count, struct clo_error *err)
{
    TPML_DIGEST_VALUES values = { 0 };
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t bank_count;

    if (pcr >= CLO_TPM_PCRS || count > CLO_HASH_COUNT)
        return clo_fail(err, CLO_ERR_USAGE, "PCR %u: there are %d", pcr, CLO_TPM_PCRS);
    if (!clo_tpm_banks(tpm, banks, &bank_count, err))
        return false;
    for (size_t i = 0; i < bank_count; i++) {
        const struct clo_digest *digest = NULL;
        for (size_t k = 0; k < count && digest == NULL; k++)
            if (digests[k].hash == banks[i])
                digest = &digests[k];
        if (digest == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "PCR %u: no %s digest was given", pcr,
                            clo_hash_name(banks[i]));
        values.digests[i].hashAlg = clo_hash_to_tpm(banks[i]);
        memcpy(&values.digests[i].digest, digest->bytes, clo_hash_size(banks[i]));
    }
    values.count = (uint32_t)bank_count;
    char what[32];
    snprintf(what, sizeof what, "extend PCR %u", pcr);
    return clo_tpm_done(Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, tpm->audit,
                                        ESYS_TR_NONE, &values),
                        what, err);
}

/* --- Quotes ---------------------------------------------------------------------------------- */

bool clo_tpm_quote_by(struct clo_tpm *tpm, ESYS_TR key, enum clo_hash hash, uint32_t mask,
                      struct clo_bytes qualifying, struct clo_buffer *attest,
                      struct clo_buffer *signature, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_ATTEST *quoted = NULL;
    CLO_CLEANUP(clo_tpm_free_esys) TPMT_SIGNATURE *signed_by_key = NULL;
    TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL }; /* the key's own */
    TPM2B_DATA data = { 0 };
    TPML_PCR_SELECTION selection;

    if (qualifying.size > sizeof data.buffer || mask >> CLO_TPM_PCRS != 0)
        return clo_fail(err, CLO_ERR_USAGE, "quote: %zu bytes of qualifying data", qualifying.size);
    data.size = (uint16_t)qualifying.size;
    if (qualifying.size > 0)
        memcpy(data.buffer, qualifying.data, qualifying.size);
    clo_tpm_select(hash, mask, &selection);
    if (!clo_tpm_done(Esys_Quote(tpm->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                 &data, &scheme, &selection, &quoted, &signed_by_key),
                      "quote", err))
        return false;

    uint8_t bytes[sizeof *signed_by_key];
    size_t size = 0;
    if (!clo_tpm_done(Tss2_MU_TPMT_SIGNATURE_Marshal(signed_by_key, bytes, sizeof bytes, &size),
                      "quote: signature", err))
        return false;
    clo_buffer_append(attest, clo_bytes(quoted->attestationData, quoted->size));
    clo_buffer_append(signature, clo_bytes(bytes, size));
    if (!clo_buffer_ok(attest) || !clo_buffer_ok(signature))
        return clo_fail(err, CLO_ERR_SYSTEM, "quote: too large");
    return true;
}

bool clo_tpm_quote(struct clo_tpm *tpm, uint32_t key, enum clo_hash hash, uint32_t mask,
                   struct clo_bytes qualifying, struct clo_buffer *attest,
                   struct clo_buffer *signature, struct clo_error *err)
{
    ESYS_TR handle = ESYS_TR_NONE;
    char name[40];

    snprintf(name, sizeof name, "attestation key 0x%08x", key);
    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &handle),
                      name, err))
        return false;
    bool ok = clo_tpm_quote_by(tpm, handle, hash, mask, qualifying, attest, signature, err);
    Esys_TR_Close(tpm->esys, &handle);
    return ok;
}

static bool take_public(const TPM2B_PUBLIC *area, struct clo_public_key **out,
                        struct clo_error *err)
{
    const TPMT_PUBLIC *key = &area->publicArea;

    if (key->type == TPM2_ALG_RSA) {
        uint32_t number = key->parameters.rsaDetail.exponent;
        number = number == 0 ? 65537 : number;
        uint8_t exponent[4] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                (uint8_t)(number >> 8), (uint8_t)number };
        return clo_public_key_from_rsa(clo_bytes(key->unique.rsa.buffer, key->unique.rsa.size),
                                       clo_bytes(exponent, sizeof exponent), out, err);
    }
    if (key->type == TPM2_ALG_ECC && (key->parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 ||
                                      key->parameters.eccDetail.curveID == TPM2_ECC_NIST_P384)) {
        enum clo_key_kind kind = key->parameters.eccDetail.curveID == TPM2_ECC_NIST_P256
                                         ? CLO_KEY_P256
                                         : CLO_KEY_P384;
        return clo_public_key_from_ec(
                kind, clo_bytes(key->unique.ecc.x.buffer, key->unique.ecc.x.size),
                clo_bytes(key->unique.ecc.y.buffer, key->unique.ecc.y.size), out, err);
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "key of type 0x%04x", key->type);
}

bool clo_tpm_public_key(struct clo_tpm *tpm, uint32_t handle, struct clo_public_key **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PUBLIC *area = NULL;
    ESYS_TR object = ESYS_TR_NONE;
    char name[24];

    snprintf(name, sizeof name, "key 0x%08x", handle);
    if (!clo_tpm_done(Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &object),
                      name, err))
        return false;
    TSS2_RC rc = Esys_ReadPublic(tpm->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area,
                                 NULL, NULL);
    Esys_TR_Close(tpm->esys, &object);
    return clo_tpm_done(rc, name, err) &&
           (take_public(area, out, err) || clo_wrap(err, "%s", name));
}

const TPM2B_PUBLIC clo_tpm_ak_template = {
    .publicArea = {
        .type = TPM2_ALG_RSA,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                            TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                            TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                            TPMA_OBJECT_SIGN_ENCRYPT,
        .parameters.rsaDetail = {
            .symmetric.algorithm = TPM2_ALG_NULL,
            .scheme = { .scheme = TPM2_ALG_RSASSA,
                        .details.rsassa.hashAlg = TPM2_ALG_SHA256 },
            .keyBits = 2048,
        },
    },
};

bool clo_tpm_create_ak(struct clo_tpm *tpm, uint32_t handle, struct clo_public_key **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PUBLIC *area = NULL;
    const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION no_pcrs = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    ESYS_TR primary = ESYS_TR_NONE;
    ESYS_TR kept = ESYS_TR_NONE;

    if (!clo_tpm_done(Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD,
                                         ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                                         &clo_tpm_ak_template, &outside, &no_pcrs, &primary, &area,
                                         NULL, NULL, NULL),
                      "attestation key", err))
        return false;
    TSS2_RC rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD,
                                   ESYS_TR_NONE, ESYS_TR_NONE, handle, &kept);
    (void)!Esys_FlushContext(tpm->esys, primary);
    if (!clo_tpm_done(rc, "attestation key: keep it", err) || !take_public(area, &key, err))
        return false;
    Esys_TR_Close(tpm->esys, &kept);
    *out = CLO_TAKE(key);
    return true;
}
