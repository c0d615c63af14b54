#include "device/tpm_nv_policy.h"

#include <stdio.h>
#include <string.h>

#include <tss2/tss2_mu.h>

#include "device/tpm_storage.h"

/* --- The index --- */

static bool name_of(const TPMS_NV_PUBLIC *area, struct clo_tpm2_name *out, struct clo_error *err)
{
    uint8_t bytes[sizeof *area];
    size_t size = 0;

    if (!clo_tpm_done(Tss2_MU_TPMS_NV_PUBLIC_Marshal(area, bytes, sizeof bytes, &size), "NV index",
                      err))
        return false;
    clo_tpm2_name_of(clo_bytes(bytes, size), out);
    return true;
}

static bool expected_name(uint32_t index, const struct clo_public_key *signer, bool is_written,
                          struct clo_tpm2_name *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    if (!clo_nv_index_public(index, signer, is_written, &area, err))
        return false;
    clo_tpm2_name_of(clo_buffer_bytes(&area), out);
    return true;
}

static bool find(struct clo_tpm *tpm, uint32_t index, struct clo_tpm_handle *out,
                 TPMS_NV_PUBLIC *area, struct clo_error *err)
{
    char name[32];
    ESYS_TR object = ESYS_TR_NONE;

    snprintf(name, sizeof name, "NV index 0x%08x", index);
    if (!clo_tpm_nv_find(tpm, index, name, &object, area, err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = object, .is_kept = true };
    return true;
}

/* What the TPM has there is the signer's; `name` is as it is now. */
static bool find_own(struct clo_tpm *tpm, uint32_t index, const struct clo_public_key *signer,
                     struct clo_tpm_handle *out, struct clo_tpm2_name *name, struct clo_error *err)
{
    struct clo_tpm2_name held;
    TPMS_NV_PUBLIC area;

    if (!find(tpm, index, out, &area, err) || !name_of(&area, &held, err) ||
        !expected_name(index, signer, (area.attributes & TPMA_NV_WRITTEN) != 0, name, err))
        return false;
    return memcmp(held.bytes, name->bytes, sizeof held.bytes) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "the TPM has another index 0x%08x", index);
}

static bool define(struct clo_tpm *tpm, uint32_t index, const struct clo_public_key *signer,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const TPM2B_AUTH no_password = { 0 };
    TPM2B_NV_PUBLIC area = { 0 };
    ESYS_TR object = ESYS_TR_NONE;
    size_t at = 0;

    if (!clo_nv_index_public(index, signer, false, &bytes, err) ||
        !clo_tpm_done(Tss2_MU_TPMS_NV_PUBLIC_Unmarshal(bytes.data, bytes.size, &at, &area.nvPublic),
                      "NV index", err) ||
        !clo_tpm_done(Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, tpm->audit,
                                          ESYS_TR_NONE, &no_password, &area, &object),
                      "NV index: define", err))
        return false;
    (void)!Esys_TR_Close(tpm->esys, &object);
    return true;
}

bool clo_tpm_nv_policy_handle(struct clo_tpm *tpm, uint32_t index, struct clo_buffer *out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle found = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_free_esys) uint8_t *bytes = NULL;
    TPMS_NV_PUBLIC area;
    size_t size = 0;

    if (!find(tpm, index, &found, &area, err) ||
        !clo_tpm_done(Esys_TR_Serialize(tpm->esys, found.object, &bytes, &size), "NV index", err))
        return false;
    clo_buffer_append(out, clo_bytes(bytes, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Its content --- */

static bool load_signer(struct clo_tpm *tpm, const struct clo_public_key *signer,
                        struct clo_tpm_handle *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    TPM2B_PUBLIC area = { 0 };
    ESYS_TR key = ESYS_TR_NONE;
    size_t at = 0;

    if (!clo_tpm2_signer_public(signer, false, &bytes, err) ||
        !clo_tpm_done(Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes.data, bytes.size, &at, &area.publicArea),
                      "signing key", err) ||
        !clo_tpm_done(Esys_LoadExternal(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                        &area, ESYS_TR_RH_OWNER, &key),
                      "signing key", err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = key };
    return true;
}

static bool sign(const struct clo_private_key *key, const TPM2B_NONCE *nonce,
                 const struct clo_digest *write_hash, TPMT_SIGNATURE *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    *out = (TPMT_SIGNATURE){ .sigAlg = TPM2_ALG_RSASSA, .signature.rsassa.hash = TPM2_ALG_SHA256 };
    if (!clo_nv_index_to_be_signed(clo_bytes(nonce->buffer, nonce->size), write_hash, &text, err) ||
        !clo_signature_make(key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256, clo_buffer_bytes(&text),
                            &signature, err))
        return false;
    if (signature.size > sizeof out->signature.rsassa.sig.buffer)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signing key: %zu bits", signature.size * 8);
    out->signature.rsassa.sig.size = (uint16_t)signature.size;
    memcpy(out->signature.rsassa.sig.buffer, signature.data, signature.size);
    return true;
}

/* The session may do this one write, once. */
static bool authorize(const struct clo_tpm_handle *session, const struct clo_private_key *key,
                      const struct clo_public_key *signer, const struct clo_digest *write_hash,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle loaded = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_NONCE *nonce = NULL;
    TPM2B_DIGEST limited = { .size = 32 };
    TPM2B_NONCE ref = { .size = 32 };
    TPMT_SIGNATURE signature;
    struct clo_digest hashed;

    memcpy(limited.buffer, write_hash->bytes, 32);
    clo_nv_index_ref(&hashed);
    memcpy(ref.buffer, hashed.bytes, 32);
    return load_signer(session->tpm, signer, &loaded, err) &&
           clo_tpm_done(Esys_TRSess_GetNonceTPM(session->tpm->esys, session->object, &nonce),
                        "session", err) &&
           sign(key, nonce, write_hash, &signature, err) &&
           clo_tpm_done(Esys_PolicySigned(session->tpm->esys, loaded.object, session->object,
                                          ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nonce, &limited,
                                          &ref, 0, &signature, NULL, NULL),
                        "PolicySigned", err);
}

static bool begin_session(struct clo_tpm *tpm, struct clo_tpm_handle *out, struct clo_error *err)
{
    ESYS_TR session = ESYS_TR_NONE;
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };

    if (!clo_tpm_done(Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none,
                                            TPM2_ALG_SHA256, &session),
                      "session", err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = tpm, .object = session };
    return true;
}

static bool write(struct clo_tpm *tpm, const struct clo_private_key *key,
                  const struct clo_public_key *signer, uint32_t index, struct clo_bytes content,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle found = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle session = { .object = ESYS_TR_NONE };
    TPM2B_MAX_NV_BUFFER bytes = { .size = (uint16_t)content.size };
    struct clo_tpm2_name name;
    struct clo_digest write_hash;

    memcpy(bytes.buffer, content.data, content.size);
    if (!find_own(tpm, index, signer, &found, &name, err))
        return false;
    clo_nv_index_write_hash(&name, content, &write_hash);
    return begin_session(tpm, &session, err) &&
           authorize(&session, key, signer, &write_hash, err) &&
           clo_tpm_done(Esys_NV_Write(tpm->esys, found.object, found.object, session.object,
                                      tpm->audit, ESYS_TR_NONE, &bytes, 0),
                        "NV index: write", err);
}

bool clo_tpm_nv_policy_write(struct clo_tpm *tpm, const struct clo_private_key *key,
                             const struct clo_alternatives *alternatives, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };

    return clo_private_key_public(key, &signer, err) &&
           clo_nv_index_content(alternatives, &content, err) &&
           write(tpm, key, signer, alternatives->nv_index, clo_buffer_bytes(&content), err);
}

/* Of a run that was cut short it holds nothing, or the same. */
static bool holds_nothing_else(struct clo_tpm *tpm, const struct clo_alternatives *alternatives,
                               bool is_written, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer held = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    uint32_t index = alternatives->nv_index;

    if (!is_written)
        return true;
    if (!clo_tpm_nv_read(tpm, index, CLO_NV_POLICY_SIZE, &held, err) ||
        !clo_nv_index_content(alternatives, &content, err))
        return false;
    return clo_bytes_equal(clo_buffer_bytes(&held), clo_buffer_bytes(&content)) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "NV index 0x%08x is there already, and approves of another state: 'cloister "
                    "nv-policy update' changes it; where its file was lost, 'make' with the "
                    "references of before writes the file again",
                    index);
}

bool clo_tpm_nv_policy_define(struct clo_tpm *tpm, const struct clo_alternatives *alternatives,
                              const struct clo_public_key *signer, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle found = { .object = ESYS_TR_NONE };
    uint32_t index = alternatives->nv_index;
    struct clo_tpm2_name name, written;

    if (find_own(tpm, index, signer, &found, &name, err))
        return expected_name(index, signer, true, &written, err) &&
               holds_nothing_else(tpm, alternatives,
                                  memcmp(name.bytes, written.bytes, sizeof name.bytes) == 0, err);
    return err->status == CLO_ERR_UNAVAILABLE && define(tpm, index, signer, err);
}

bool clo_tpm_nv_policy_holds(struct clo_tpm *tpm, const struct clo_nv_policy *policy,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer held = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    uint32_t index = policy->alternatives.nv_index;
    struct clo_tpm2_name name;

    if (!clo_tpm_nv_name(tpm, index, &name, err))
        return false;
    if (memcmp(name.bytes, policy->name.bytes, sizeof name.bytes) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the TPM has another index 0x%08x", index);
    if (!clo_tpm_nv_read(tpm, index, CLO_NV_POLICY_SIZE, &held, err) ||
        !clo_nv_index_content(&policy->alternatives, &content, err))
        return false;
    return clo_bytes_equal(clo_buffer_bytes(&held), clo_buffer_bytes(&content)) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the TPM's index approves of another state than the file says");
}

bool clo_tpm_nv_policy_remove(struct clo_tpm *tpm, const struct clo_nv_policy *policy,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle found = { .object = ESYS_TR_NONE };
    uint32_t index = policy->alternatives.nv_index;
    struct clo_tpm2_name name;
    TPMS_NV_PUBLIC area;

    if (!clo_tpm_nv_name(tpm, index, &name, err))
        return false;
    if (memcmp(name.bytes, policy->name.bytes, sizeof name.bytes) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the TPM has another index 0x%08x", index);
    if (!find(tpm, index, &found, &area, err) ||
        !clo_tpm_done(Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, found.object,
                                            ESYS_TR_PASSWORD, tpm->audit, ESYS_TR_NONE),
                      "NV index: remove", err))
        return false;
    found.object = ESYS_TR_NONE;
    return true;
}
