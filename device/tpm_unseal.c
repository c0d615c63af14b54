#include <string.h>

#include <tss2/tss2_mu.h>

#include "device/tpm_pin.h"
#include "device/tpm_policy_nv.h"
#include "device/tpm_storage.h"
#include "lib/crypto/tpm_crypto.h"
#include "lib/uki/pcrsig.h"

#define TRIES 30 /* while registers are extended meanwhile */

bool clo_unseal_is_next(enum clo_unseal_why why)
{
    return why <= CLO_UNSEAL_PCRS_DIFFER;
}

/* One attempt at one token. */
struct unsealer {
    struct clo_tpm *tpm;
    const struct clo_tpm2_token *token;
    const struct clo_unseal *with;
    enum clo_hash bank;
    struct clo_public_key *signer;
    bool exponent_is_zero; /* the policy key's name is the newer one */
    struct clo_digest auth;
    size_t auth_size;
    struct clo_secret *lock; /* of a PIN with Argon2id */
    enum clo_unseal_why *why;
};

static bool fails(struct unsealer *u, enum clo_unseal_why why, enum clo_status status,
                  const char *text, struct clo_error *err)
{
    *u->why = why;
    return clo_fail(err, status, "%s", text);
}

/* What a TPM's refusal means in the search for a key. */
static bool done(struct unsealer *u, TSS2_RC rc, const char *what, struct clo_error *err)
{
    if (clo_tpm_done(rc, what, err))
        return true;
    TSS2_RC kind = clo_tpm_kind(rc);
    *u->why = CLO_UNSEAL_FAILED;
    if (kind == TPM2_RC_PCR_CHANGED)
        *u->why = CLO_UNSEAL_PCRS_MOVE;
    if (kind == TPM2_RC_LOCKOUT)
        return fails(u, CLO_UNSEAL_LOCKOUT, CLO_ERR_REFUSED,
                     "the TPM is in lockout after too many wrong PINs", err);
    if (kind == TPM2_RC_AUTH_FAIL || kind == TPM2_RC_BAD_AUTH)
        return fails(u, CLO_UNSEAL_BAD_PIN, CLO_ERR_REFUSED, "the PIN is wrong", err);
    return false;
}

/* --- The object --- */

static bool load(struct unsealer *u, const struct clo_tpm_handle *parent, size_t shard,
                 struct clo_tpm_handle *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_PRIVATE *imported = NULL;
    const TPMT_SYM_DEF_OBJECT no_wrapper = { .algorithm = TPM2_ALG_NULL };
    const TPM2B_DATA no_key = { 0 };
    const struct clo_buffer *blob = &u->token->blobs[shard];
    TPM2B_ENCRYPTED_SECRET seed = { 0 };
    TPM2B_PRIVATE private_part = { 0 };
    TPM2B_PUBLIC public_part = { 0 };
    ESYS_TR object = ESYS_TR_NONE;
    size_t at = 0;

    *u->why = CLO_UNSEAL_FAILED;
    if (!clo_tpm_done(Tss2_MU_TPM2B_PRIVATE_Unmarshal(blob->data, blob->size, &at, &private_part),
                      "sealed object", err) ||
        !clo_tpm_done(Tss2_MU_TPM2B_PUBLIC_Unmarshal(blob->data, blob->size, &at, &public_part),
                      "sealed object", err) ||
        (at != blob->size &&
         !clo_tpm_done(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(blob->data, blob->size, &at, &seed),
                       "sealed object", err)))
        return false;
    TSS2_RC rc = TSS2_RC_SUCCESS;
    if (seed.size > 0)
        rc = Esys_Import(u->tpm->esys, parent->object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                         &no_key, &public_part, &private_part, &seed, &no_wrapper, &imported);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Load(u->tpm->esys, parent->object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                       imported == NULL ? &private_part : imported, &public_part, &object);
    if (clo_tpm_kind(rc) == TPM2_RC_INTEGRITY || clo_tpm_kind(rc) == TPM2_RC_SIZE)
        return fails(u, CLO_UNSEAL_OTHER_TPM, CLO_ERR_REFUSED, "sealed to another TPM", err);
    if (!done(u, rc, "sealed object", err))
        return false;
    *out = (struct clo_tpm_handle){ .tpm = u->tpm, .object = object };
    if (u->auth_size == 0)
        return true;
    TPM2B_AUTH auth = { .size = (uint16_t)u->auth_size };
    memcpy(auth.buffer, u->auth.bytes, u->auth_size);
    rc = Esys_TR_SetAuth(u->tpm->esys, object, &auth);
    clo_wipe(&auth, sizeof auth);
    return done(u, rc, "PIN", err);
}

/* --- The policy --- */

static bool policy_pcr(struct unsealer *u, const struct clo_tpm_handle *session, uint32_t mask,
                       struct clo_error *err)
{
    TPML_PCR_SELECTION selection;

    clo_tpm_select(u->bank, mask, &selection);
    return done(u,
                Esys_PolicyPCR(u->tpm->esys, session->object, ESYS_TR_NONE, ESYS_TR_NONE,
                               ESYS_TR_NONE, NULL, &selection),
                "PolicyPCR", err);
}

static bool get_digest(struct unsealer *u, const struct clo_tpm_handle *session,
                       struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_free_esys) TPM2B_DIGEST *digest = NULL;

    if (!done(u,
              Esys_PolicyGetDigest(u->tpm->esys, session->object, ESYS_TR_NONE, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &digest),
              "policy", err))
        return false;
    if (digest->size != 32)
        return fails(u, CLO_UNSEAL_FAILED, CLO_ERR_FORMAT, "policy: not of SHA-256", err);
    *out = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    memcpy(out->bytes, digest->buffer, 32);
    return true;
}

/* The owner's signature over the present registers, looked up and shown to the TPM. */
static bool verify_signature(struct unsealer *u, const struct clo_digest *approved, ESYS_TR key,
                             TPMT_TK_VERIFIED **ticket, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *ref = u->token->has_ref ? u->token->ref : NULL;
    const struct clo_pcr_policy policy = { u->bank, u->token->signed_pcrs, *approved };
    TPMT_SIGNATURE tpm_signature = { .sigAlg = TPM2_ALG_RSASSA,
                                     .signature.rsassa.hash = TPM2_ALG_SHA256 };
    TPM2B_DIGEST hashed = { .size = 32 };
    struct clo_digest fingerprint, digest;

    clo_public_key_inner_fingerprint(u->signer, &fingerprint);
    if (u->with->pcrsig == NULL ||
        !clo_pcrsig_find(u->with->pcrsig, &policy, &fingerprint, ref, &signature, err))
        return fails(u, CLO_UNSEAL_NO_SIGNATURE, CLO_ERR_REFUSED,
                     "no signature for the present PCRs: another UKI, or an older one", err);
    if (signature.size > sizeof tpm_signature.signature.rsassa.sig.buffer)
        return fails(u, CLO_UNSEAL_NO_SIGNATURE, CLO_ERR_FORMAT, "signature: too long", err);
    clo_tpm2_policy_to_be_signed(approved, ref, &text);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &digest);
    memcpy(hashed.buffer, digest.bytes, 32);
    tpm_signature.signature.rsassa.sig.size = (uint16_t)signature.size;
    memcpy(tpm_signature.signature.rsassa.sig.buffer, signature.data, signature.size);
    return done(u,
                Esys_VerifySignature(u->tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &hashed, &tpm_signature, ticket),
                "PCR signature", err);
}

static bool load_signer(struct unsealer *u, struct clo_tpm_handle *out, TPM2B_NAME *name,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    TPM2B_PUBLIC area = { 0 };
    ESYS_TR key = ESYS_TR_NONE;
    struct clo_tpm2_name expected;
    size_t at = 0;

    *u->why = CLO_UNSEAL_FAILED;
    if (!clo_tpm2_signer_public(u->signer, u->exponent_is_zero, &bytes, err) ||
        !clo_tpm_done(Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes.data, bytes.size, &at, &area.publicArea),
                      "policy key", err) ||
        !done(u,
              Esys_LoadExternal(u->tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &area,
                                ESYS_TR_RH_OWNER, &key),
              "policy key", err))
        return false;
    clo_tpm2_name_of(clo_buffer_bytes(&bytes), &expected);
    name->size = sizeof expected.bytes;
    memcpy(name->name, expected.bytes, sizeof expected.bytes);
    *out = (struct clo_tpm_handle){ .tpm = u->tpm, .object = key };
    return true;
}

static bool policy_authorize(struct unsealer *u, const struct clo_tpm_handle *session,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle key = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_free_esys) TPMT_TK_VERIFIED *ticket = NULL;
    TPM2B_DIGEST approved = { .size = 32 };
    TPM2B_NONCE ref = { 0 };
    TPM2B_NAME name;
    struct clo_digest digest;

    if (!load_signer(u, &key, &name, err) || !policy_pcr(u, session, u->token->signed_pcrs, err) ||
        !get_digest(u, session, &digest, err) ||
        !verify_signature(u, &digest, key.object, &ticket, err))
        return false;
    memcpy(approved.buffer, digest.bytes, 32);
    if (u->token->has_ref) {
        struct clo_digest hashed;
        clo_hash(CLO_HASH_SHA256, clo_bytes_text(u->token->ref), &hashed);
        ref.size = 32;
        memcpy(ref.buffer, hashed.bytes, 32);
    }
    return done(u,
                Esys_PolicyAuthorize(u->tpm->esys, session->object, ESYS_TR_NONE, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &approved, &ref, &name, ticket),
                "PolicyAuthorize", err);
}

/* The TPM compares: what is said here is for people. */
static bool below_floor(struct unsealer *u, struct clo_error *err)
{
    uint64_t floor = 0;

    *u->why = CLO_UNSEAL_FLOOR;
    if (!clo_tpm_counter_read(u->tpm, CLO_TPM2_FLOOR_INDEX, &floor, err))
        return false;
    return clo_fail(err, CLO_ERR_REFUSED,
                    "it is of generation %llu, and the TPM's floor was raised to %llu: an older "
                    "system",
                    (unsigned long long)u->token->floor, (unsigned long long)floor);
}

static bool policy_floor(struct unsealer *u, const struct clo_tpm_handle *session,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free)
    struct clo_tpm_handle index = { .tpm = u->tpm, .object = ESYS_TR_NONE, .is_kept = true };
    TPM2B_OPERAND operand = { .size = 8 };
    TPMS_NV_PUBLIC area;

    for (unsigned i = 0; i < 8; i++)
        operand.buffer[i] = (uint8_t)(u->token->floor >> (56 - 8 * i));
    if (!clo_tpm_nv_find(u->tpm, CLO_TPM2_FLOOR_INDEX, "the floor's counter", &index.object, &area,
                         err)) {
        if (err->status == CLO_ERR_UNAVAILABLE)
            *u->why = CLO_UNSEAL_NO_NV;
        return false;
    }
    TSS2_RC rc = Esys_PolicyNV(u->tpm->esys, ESYS_TR_RH_OWNER, index.object, session->object,
                               ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &operand, 0,
                               TPM2_EO_UNSIGNED_LE);
    if (clo_tpm_kind(rc) == TPM2_RC_POLICY)
        return below_floor(u, err);
    return done(u, rc, "PolicyNV", err);
}

static bool build_policy(struct unsealer *u, const struct clo_tpm_handle *session, size_t shard,
                         struct clo_digest *out, struct clo_error *err)
{
    const struct clo_tpm2_token *token = u->token;

    bool is_signed = token->public_key.size != 0 && shard == 0;

    if (is_signed && !policy_authorize(u, session, err))
        return false;
    if (!is_signed && token->has_pcrlock &&
        !clo_tpm_policy_nv(u->tpm, session, u->with->alternatives, u->why, err))
        return false;
    if (token->pcrs != 0 && !policy_pcr(u, session, token->pcrs, err))
        return false;
    if (token->floor != 0 && !policy_floor(u, session, err))
        return false;
    if (token->has_pin && !done(u,
                                Esys_PolicyAuthValue(u->tpm->esys, session->object, ESYS_TR_NONE,
                                                     ESYS_TR_NONE, ESYS_TR_NONE),
                                "PolicyAuthValue", err))
        return false;
    return get_digest(u, session, out, err);
}

/* --- The secret --- */

static bool policy_holds(const struct unsealer *u, size_t shard, const struct clo_digest *policy)
{
    return clo_bytes_equal(clo_digest_bytes(policy), clo_buffer_bytes(&u->token->policies[shard]));
}

static bool unseal_shard(struct unsealer *u, const struct clo_tpm_handle *parent, size_t shard,
                         TPM2B_SENSITIVE_DATA **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle object = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle encrypted = { .object = ESYS_TR_NONE };
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle session = { .object = ESYS_TR_NONE };
    struct clo_digest policy;

    /* Bound to the object: one who sits on the wire and does not know the PIN cannot play the TPM. */
    if (!load(u, parent, shard, &object, err) ||
        !done(u,
              clo_tpm_session(u->tpm, parent, object.object, ESYS_TR_NONE, TPM2_SE_HMAC,
                              &encrypted),
              "session", err) ||
        !done(u,
              clo_tpm_session(u->tpm, parent, ESYS_TR_NONE, encrypted.object, TPM2_SE_POLICY,
                              &session),
              "policy session", err) ||
        !build_policy(u, &session, shard, &policy, err))
        return false;
    if (!policy_holds(u, shard, &policy))
        return fails(u, CLO_UNSEAL_PCRS_DIFFER, CLO_ERR_REFUSED,
                     "the PCRs are not those that it was sealed for", err);
    return done(u,
                Esys_Unseal(u->tpm->esys, object.object, session.object, encrypted.object,
                            ESYS_TR_NONE, out),
                "unseal", err);
}

static bool take(TPM2B_SENSITIVE_DATA *data, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *joined = NULL;
    size_t before = *out == NULL ? 0 : clo_secret_size(*out);

    if (!clo_secret_new(before + data->size, &joined, err))
        return false;
    if (before != 0)
        memcpy(clo_secret_data(joined), clo_secret_data(*out), before);
    memcpy(clo_secret_data(joined) + before, data->buffer, data->size);
    clo_secret_freep(out);
    *out = CLO_TAKE(joined);
    return true;
}

static bool unseal_once(struct unsealer *u, const struct clo_tpm_handle *parent,
                        struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;

    for (size_t i = 0; i < u->token->shards; i++) {
        TPM2B_SENSITIVE_DATA *data = NULL;
        bool ok = unseal_shard(u, parent, i, &data, err) && take(data, &secret, err);
        if (data != NULL)
            clo_wipe(data, sizeof *data);
        Esys_Free(data);
        if (!ok)
            return false;
    }
    *out = CLO_TAKE(secret);
    return true;
}

/* Registers that move meanwhile are tried again; and of an RSA policy key the other name (systemd's tokens have either). */
static bool unseal(struct unsealer *u, const struct clo_tpm_handle *parent, struct clo_secret **out,
                   struct clo_error *err)
{
    for (unsigned i = 0; i < TRIES; i++) {
        *u->why = CLO_UNSEAL_FAILED;
        if (unseal_once(u, parent, out, err))
            return true;
        if (*u->why == CLO_UNSEAL_PCRS_DIFFER && u->signer != NULL && !u->exponent_is_zero)
            u->exponent_is_zero = true;
        else if (*u->why != CLO_UNSEAL_PCRS_MOVE)
            return false;
    }
    return fails(u, CLO_UNSEAL_PCRS_MOVE, CLO_ERR_REFUSED,
                 "the PCRs are extended again and again meanwhile", err);
}

/* Older tokens do not say: SHA-256 where the TPM has it, else SHA-1, and never another. */
static bool choose_bank(struct unsealer *u, struct clo_error *err)
{
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t count;

    u->bank = u->token->bank;
    if (u->bank != CLO_HASH_NONE)
        return true;
    if (!clo_tpm_banks(u->tpm, banks, &count, err))
        return false;
    u->bank = CLO_HASH_SHA1;
    for (size_t i = 0; i < count; i++)
        if (banks[i] == CLO_HASH_SHA256)
            u->bank = CLO_HASH_SHA256;
    return true;
}

static bool set_pin(struct unsealer *u, struct clo_bytes pin, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;

    if (!u->token->has_pin)
        return true;
    if (pin.size == 0)
        return fails(u, CLO_UNSEAL_NO_PIN, CLO_ERR_REFUSED, "it wants a PIN", err);
    if (!clo_tpm_pin(u->token, pin, &text, &u->lock, err))
        return false;
    clo_tpm2_auth_value(clo_secret_bytes(text), &u->auth, &u->auth_size);
    return true;
}

static bool prepare(struct unsealer *u, struct clo_tpm_handle *parent, struct clo_error *err)
{
    const struct clo_tpm2_token *token = u->token;

    if (token->has_pcrlock && u->with->alternatives == NULL)
        return fails(u, CLO_UNSEAL_NO_NV, CLO_ERR_REFUSED,
                     "its policy is in an NV index, and no pcrlock.json says what that is", err);
    if (!choose_bank(u, err) || !set_pin(u, u->with->pin, err))
        return false;
    if (token->public_key.size != 0 &&
        !clo_public_key_from_pem(clo_buffer_bytes(&token->public_key), &u->signer, err))
        return clo_wrap(err, "policy key");
    if (clo_tpm_parent(u->tpm, token, u->with->srk, parent, err))
        return true;
    if (err->status == CLO_ERR_UNAVAILABLE || err->status == CLO_ERR_REFUSED)
        *u->why = CLO_UNSEAL_OTHER_TPM;
    return false;
}

/* What was sealed, and the PIN's part of the key slot's key. */
static bool unseal_with(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                        const struct clo_unseal *with, struct clo_secret **out,
                        struct clo_secret **lock, enum clo_unseal_why *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_handle_free) struct clo_tpm_handle parent = { .object = ESYS_TR_NONE };
    struct unsealer u = { .tpm = tpm, .token = token, .with = with, .why = why };

    *why = CLO_UNSEAL_FAILED;
    bool ok = prepare(&u, &parent, err) && unseal(&u, &parent, out, err);
    clo_public_key_freep(&u.signer);
    clo_wipe(&u.auth, sizeof u.auth);
    *lock = u.lock;
    return ok;
}

bool clo_tpm_unseal(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                    const struct clo_unseal *with, struct clo_secret **out,
                    enum clo_unseal_why *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *lock = NULL;

    return unseal_with(tpm, token, with, out, &lock, why, err);
}

bool clo_tpm_slot_key(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                      const struct clo_unseal *with, struct clo_secret **out,
                      enum clo_unseal_why *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *lock = NULL;

    if (!unseal_with(tpm, token, with, &sealed, &lock, why, err))
        return false;
    if (lock != NULL)
        return clo_tpm_pin_slot_key(lock, clo_secret_bytes(sealed), out, err);
    if (!token->is_own)
        return clo_tpm2_slot_key(clo_secret_bytes(sealed), out, err);
    *out = CLO_TAKE(sealed);
    return true;
}
