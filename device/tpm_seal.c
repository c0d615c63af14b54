#include "device/tpm_seal.h"

#include <string.h>

#include <tss2/tss2_mu.h>

#include "device/tpm_storage.h"

/* A data object with the policy as the only way to it; without a PIN its failures do not count for lockout. */
static void make_template(const struct clo_tpm2_token *token, size_t shard, TPM2B_PUBLIC *out)
{
    *out = (TPM2B_PUBLIC){
        .publicArea = {
            .type = TPM2_ALG_KEYEDHASH,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                (token->has_pin ? 0 : TPMA_OBJECT_NODA),
            .authPolicy.size = 32,
            .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
        },
    };
    memcpy(out->publicArea.authPolicy.buffer, token->policies[shard].data, 32);
}

static bool write_blob(const TPM2B_PRIVATE *private_part, const TPM2B_PUBLIC *public_part,
                       struct clo_buffer *out, struct clo_error *err)
{
    uint8_t bytes[sizeof *private_part + sizeof *public_part];
    size_t size = 0;

    if (!clo_tpm_done(Tss2_MU_TPM2B_PRIVATE_Marshal(private_part, bytes, sizeof bytes, &size),
                      "sealed object", err) ||
        !clo_tpm_done(Tss2_MU_TPM2B_PUBLIC_Marshal(public_part, bytes, sizeof bytes, &size),
                      "sealed object", err))
        return false;
    clo_buffer_append(out, clo_bytes(bytes, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

struct sealer {
    struct clo_tpm *tpm;
    const struct clo_tpm2_name *pin; /* the storage key that it must be; NULL: any */
    struct clo_tpm_handle parent, session;
    TPM2B_SENSITIVE_CREATE sensitive; /* wiped by the caller */
};

static bool seal_shard(struct sealer *sealer, struct clo_tpm2_token *token, size_t shard,
                       struct clo_bytes secret, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PRIVATE *private_part = NULL;
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PUBLIC *public_part = NULL;
    const TPML_PCR_SELECTION no_pcrs = { 0 };
    const TPM2B_DATA outside = { 0 };
    TPM2B_PUBLIC template;

    make_template(token, shard, &template);
    sealer->sensitive.sensitive.data.size = (uint16_t)secret.size;
    memcpy(sealer->sensitive.sensitive.data.buffer, secret.data, secret.size);
    return clo_tpm_done(Esys_Create(sealer->tpm->esys, sealer->parent.object, ESYS_TR_PASSWORD,
                                    sealer->session.object, ESYS_TR_NONE, &sealer->sensitive,
                                    &template, &outside, &no_pcrs, &private_part, &public_part,
                                    NULL, NULL, NULL),
                        "seal", err) &&
           write_blob(private_part, public_part, &token->blobs[shard], err);
}

static bool make_auth(const struct clo_tpm2_sealing *sealing, const struct clo_random *random,
                      struct clo_tpm2_token *token, struct sealer *sealer, struct clo_error *err)
{
    struct clo_digest auth;
    size_t size;

    if (!clo_tpm2_sealing_auth(sealing, random, token, &auth, &size, err))
        return false;
    sealer->sensitive.sensitive.userAuth.size = (uint16_t)size;
    memcpy(sealer->sensitive.sensitive.userAuth.buffer, auth.bytes, size);
    clo_wipe(&auth, sizeof auth);
    return true;
}

static bool write_parent(struct clo_tpm *tpm, struct clo_tpm2_token *token, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    if (!clo_tpm_srk(tpm, &area, err) ||
        !clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, err))
        return false;
    clo_tpm2_sealing_parent(&parent, CLO_TPM_SRK, token);
    return true;
}

static bool seal(struct sealer *sealer, const struct clo_tpm2_sealing *sealing,
                 struct clo_bytes secret, const struct clo_random *random,
                 struct clo_tpm2_token *token, struct clo_error *err)
{
    size_t each = token->shards == 1 ? secret.size : CLO_TPM2_SHARD_SIZE;

    if (each * token->shards != secret.size || each > CLO_TPM2_SECRET_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu bytes for %zu objects", secret.size,
                        token->shards);
    if (!make_auth(sealing, random, token, sealer, err) ||
        !(sealing->is_legacy ? clo_tpm_parent(sealer->tpm, token, sealer->pin, &sealer->parent, err)
                             : clo_tpm_find_srk(sealer->tpm, sealer->pin, &sealer->parent, err)) ||
        !clo_tpm_done(clo_tpm_session(sealer->tpm, &sealer->parent, ESYS_TR_NONE, ESYS_TR_NONE,
                                      TPM2_SE_HMAC, &sealer->session),
                      "session", err))
        return false;
    for (size_t i = 0; i < token->shards; i++)
        if (!seal_shard(sealer, token, i, clo_bytes_slice(secret, i * each, each), err))
            return false;
    token->primary = CLO_TPM2_PRIMARY_ECC;
    return sealing->is_legacy || write_parent(sealer->tpm, token, err);
}

bool clo_tpm_seal(struct clo_tpm *tpm, const struct clo_tpm2_name *srk,
                  const struct clo_tpm2_sealing *sealing, struct clo_bytes secret,
                  const struct clo_random *random, struct clo_tpm2_token *out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    struct sealer sealer = {
        .tpm = tpm, .pin = srk, .parent.object = ESYS_TR_NONE, .session.object = ESYS_TR_NONE
    };

    bool ok = clo_tpm2_sealing_token(sealing, &token, err) &&
              seal(&sealer, sealing, secret, random, &token, err);
    clo_tpm_handle_free(&sealer.session);
    clo_tpm_handle_free(&sealer.parent);
    clo_wipe(&sealer.sensitive, sizeof sealer.sensitive);
    if (!ok)
        return false;
    *out = token;
    token = (struct clo_tpm2_token){ 0 };
    return true;
}
