#include "lib/tcg/tpm2_sealing.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/crypto/tpm_crypto.h"

#define PIN_ROUNDS 10000
#define BIT(n)     (UINT32_C(1) << (n))

/* Another firmware moves PCR 0 alone, a boot entry 2 or 4, a command line from outside 12, an extension 13. */
static const struct {
    uint32_t any_of;
    const char *why;
} needed[] = {
    { BIT(0), "PCR 0: another firmware would get the key as well" },
    { BIT(4) | BIT(7), "PCR 4 or 7: another boot loader would get the key as well" },
    { BIT(11), "PCR 11: another UKI, and the running system, would get the key as well" },
    { BIT(12), "PCR 12: a command line or credentials of the host's would go unnoticed" },
};

bool clo_tpm2_sealing_check(const struct clo_tpm2_sealing *sealing, struct clo_error *err)
{
    uint32_t all =
            sealing->pcrs | sealing->signed_pcrs | (sealing->nv != NULL ? sealing->nv_pcrs : 0);

    for (size_t i = 0; i < CLO_COUNT(needed); i++)
        if ((all & needed[i].any_of) == 0)
            return clo_fail(err, CLO_ERR_REFUSED, "the policy leaves out %s", needed[i].why);
    return true;
}

bool clo_tpm2_sealing_policies(const struct clo_tpm2_sealing *sealing,
                               struct clo_digest out[CLO_TPM2_SHARDS], size_t *count,
                               struct clo_error *err)
{
    size_t shards = sealing->signer != NULL && sealing->nv != NULL ? 2 : 1;

    for (size_t i = 0; i < shards; i++) {
        clo_tpm2_policy_begin(&out[i]);
        if (i == 0 && sealing->signer != NULL) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer public_part = { 0 };
            struct clo_tpm2_name name;
            if (!clo_tpm2_signer_public(sealing->signer, false, &public_part, err))
                return false;
            clo_tpm2_name_of(clo_buffer_bytes(&public_part), &name);
            clo_tpm2_policy_authorize(&out[i], &name, sealing->ref);
        } else if (sealing->nv != NULL) {
            clo_tpm2_policy_authorize_nv(&out[i], sealing->nv);
        }
        if (sealing->pcrs != 0)
            clo_tpm2_policy_pcr(&out[i], sealing->bank, sealing->pcrs, sealing->values);
        if (sealing->floor != 0)
            clo_tpm2_policy_floor(&out[i], sealing->floor);
        if (sealing->pin.size != 0)
            clo_tpm2_policy_auth_value(&out[i]);
    }
    *count = shards;
    return true;
}

bool clo_tpm2_sealing_token(const struct clo_tpm2_sealing *sealing, struct clo_tpm2_token *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free)
    struct clo_tpm2_token token = {
        .is_own = sealing->is_own,
        .is_share = sealing->is_share,
        .is_volume_key = sealing->is_volume_key,
        .floor = sealing->floor,
        .keyslot = sealing->keyslot,
        .pcrs = sealing->pcrs,
        .bank = sealing->bank,
        .has_pin = sealing->pin.size != 0,
        .has_pcrlock = sealing->nv != NULL,
        .signed_pcrs = sealing->signer == NULL ? 0 : sealing->signed_pcrs,
        .has_ref = sealing->ref != NULL,
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    struct clo_digest policies[CLO_TPM2_SHARDS];

    if (!sealing->is_own && (sealing->floor != 0 || sealing->is_volume_key))
        return clo_fail(err, CLO_ERR_USAGE, "systemd's tokens have neither floor nor volume key");
    if (sealing->ref != NULL && strlen(sealing->ref) > CLO_TPM2_REF_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "reference: longer than %d", CLO_TPM2_REF_MAX);
    strcpy(token.ref, sealing->ref == NULL ? "" : sealing->ref);
    if (sealing->signer != NULL &&
        (!clo_public_key_spki(sealing->signer, &spki, err) ||
         !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&spki), &token.public_key, err)))
        return false;
    if (!clo_tpm2_sealing_policies(sealing, policies, &token.shards, err))
        return false;
    for (size_t i = 0; i < token.shards; i++)
        clo_buffer_append(&token.policies[i], clo_digest_bytes(&policies[i]));
    if (sealing->nv != NULL)
        clo_buffer_append(&token.pcrlock_nv, sealing->nv_handle);
    *out = token;
    token = (struct clo_tpm2_token){ 0 };
    return true;
}

/* A secret's base64 text is one too. */
static bool base64_of(struct clo_bytes in, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_buffer_reserve(&text, in.size * 2 + 8);
    clo_base64_write(in, &text);
    bool ok = clo_buffer_ok(&text) ? clo_secret_copy(clo_buffer_bytes(&text), out, err)
                                   : clo_out_of_memory(err);
    if (text.data != NULL)
        clo_wipe(text.data, text.size);
    return ok;
}

bool clo_tpm2_pin_text(struct clo_bytes pin, struct clo_bytes salt, struct clo_secret **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *stretched = NULL;

    if (salt.size == 0)
        return clo_secret_copy(pin, out, err);
    return clo_pbkdf2(CLO_HASH_SHA256, pin, salt, PIN_ROUNDS, 32, &stretched, err) &&
           base64_of(clo_secret_bytes(stretched), out, err);
}

void clo_tpm2_auth_value(struct clo_bytes text, struct clo_digest *out, size_t *size)
{
    clo_hash(CLO_HASH_SHA256, text, out);
    *size = 32;
    while (*size > 0 && out->bytes[*size - 1] == 0)
        (*size)--;
}

bool clo_tpm2_slot_key(struct clo_bytes sealed, struct clo_secret **out, struct clo_error *err)
{
    return base64_of(sealed, out, err);
}

/* --- Offline --- */

bool clo_tpm2_sealing_auth(const struct clo_tpm2_sealing *sealing, const struct clo_random *random,
                           struct clo_tpm2_token *token, struct clo_digest *auth, size_t *size,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    uint8_t salt[CLO_TPM2_SALT];

    *size = 0;
    if (sealing->pin.size == 0)
        return true;
    if (!random->fill(random->context, salt, sizeof salt))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    clo_buffer_append(&token->salt, clo_bytes(salt, sizeof salt));
    if (!clo_tpm2_pin_text(sealing->pin, clo_bytes(salt, sizeof salt), &text, err))
        return false;
    clo_tpm2_auth_value(clo_secret_bytes(text), auth, size);
    return true;
}

void clo_tpm2_sealing_parent(const struct clo_tpm2_parent *parent, uint32_t handle,
                             struct clo_tpm2_token *token)
{
    struct clo_tpm2_name name;

    clo_tpm2_name_of(parent->public_part, &name);
    const struct clo_tpm2_srk srk = { .handle = handle,
                                      .name = clo_bytes(name.bytes, sizeof name.bytes),
                                      .public_part = parent->public_part };
    clo_tpm2_srk_write(&srk, &token->srk);
    token->primary = clo_public_key_kind(parent->key) == CLO_KEY_RSA ? CLO_TPM2_PRIMARY_RSA
                                                                     : CLO_TPM2_PRIMARY_ECC;
}

bool clo_tpm2_sealing_offline(const struct clo_tpm2_sealing *sealing,
                              const struct clo_tpm2_parent *parent, uint32_t handle,
                              struct clo_bytes secret, const struct clo_random *random,
                              struct clo_tpm2_token *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    struct clo_digest auth;
    size_t auth_size;

    if (sealing->is_legacy)
        return clo_fail(err, CLO_ERR_USAGE,
                        "the primary of older systemd is the TPM's own to make");
    if (!clo_tpm2_sealing_token(sealing, &token, err) ||
        !clo_tpm2_sealing_auth(sealing, random, &token, &auth, &auth_size, err))
        return false;
    size_t each = token.shards == 1 ? secret.size : CLO_TPM2_SHARD_SIZE;
    bool ok = each * token.shards == secret.size ||
              clo_fail(err, CLO_ERR_USAGE, "%zu bytes for %zu objects", secret.size, token.shards);
    for (size_t i = 0; ok && i < token.shards; i++) {
        struct clo_digest bound = { .hash = CLO_HASH_SHA256 };
        memcpy(bound.bytes, token.policies[i].data, 32);
        ok = clo_tpm2_seal_offline(parent, &bound, clo_bytes_slice(secret, i * each, each),
                                   clo_bytes(auth.bytes, auth_size), random, &token.blobs[i], err);
    }
    clo_wipe(&auth, sizeof auth);
    if (!ok)
        return false;
    clo_tpm2_sealing_parent(parent, handle, &token);
    *out = token;
    token = (struct clo_tpm2_token){ 0 };
    return true;
}
