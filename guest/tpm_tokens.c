#include "guest/tpm_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "device/file.h"
#include "device/random.h"
#include "guest/disk_identity.h"
#include "lib/disk/pcr_hint.h"

#define COPIES_MAX 8 /* of what an NV index approves of: one, and two while that is changed */
/* Extended before the root is started: the phase, and the volume key. */
#define LATCHES (1U << 11 | 1U << 15)

/* Which registers moved, where the disk says what they were. */
static void name_pcrs(const struct clo_tpm_search *search, const json_t *tokens,
                      const struct clo_tpm2_token *token, struct clo_error *err)
{
    struct clo_tpm_pcrs now;
    struct clo_pcr_hint hint;
    struct clo_error ignored;
    char text[CLO_PCR_HINT_TEXT];

    if (!clo_pcr_hint_find(tokens, clo_buffer_bytes(&token->policies[0]), &hint) ||
        !clo_tpm_pcr_read(search->tpm, hint.bank, hint.pcrs, &now, &ignored))
        return;
    clo_pcr_hint_compare(&hint, hint.pcrs, now.values, text);
    size_t size = strlen(err->text);
    snprintf(err->text + size, sizeof err->text - size, "%s", text);
}

/* The same for what an NV index approves of. */
static void name_others(const struct clo_tpm_search *search,
                        const struct clo_alternatives *alternatives, struct clo_error *err)
{
    struct clo_tpm_pcrs now;
    struct clo_error ignored;
    const char *between = ":";
    uint32_t mask = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (alternatives->counts[pcr] > 0)
            mask |= UINT32_C(1) << pcr;
    if (!clo_tpm_pcr_read(search->tpm, alternatives->bank, mask, &now, &ignored))
        return;
    uint32_t differ = clo_alternatives_differ(alternatives, now.mask, now.values);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        size_t size = strlen(err->text);
        if ((differ >> pcr & 1) == 0)
            continue;
        snprintf(err->text + size, sizeof err->text - size, "%s PCR %u", between, pcr);
        between = ",";
    }
}

/* With one copy of what the index may approve of; the TPM compares. False with `is_end` when another copy changes nothing. */
static bool try_copy(const struct clo_tpm_search *search, const struct clo_tpm2_token *token,
                     const json_t *copy, struct clo_secret **out, enum clo_unseal_why *why,
                     bool *is_end, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_alternatives *alternatives = malloc(sizeof *alternatives);
    struct clo_unseal with = *search->with;

    *is_end = false;
    if (alternatives == NULL)
        return clo_out_of_memory(err);
    if (!clo_alternatives_read(copy, alternatives, err))
        return clo_wrap(err, "NV policy");
    with.alternatives = alternatives;
    if (clo_tpm_slot_key(search->tpm, token, &with, out, why, err))
        return true;
    *is_end = *why != CLO_UNSEAL_NV_DIFFERS && *why != CLO_UNSEAL_NO_BRANCH;
    if (*why == CLO_UNSEAL_NV_DIFFERS)
        name_others(search, alternatives, err);
    return false;
}

static bool slot_key(const struct clo_tpm_search *search, const json_t *tokens,
                     const struct clo_tpm2_token *token, struct clo_secret **out,
                     enum clo_unseal_why *why, struct clo_error *err)
{
    const char *name;
    json_t *copy;
    bool is_end = false;
    size_t count = 0;

    if (!token->has_pcrlock || search->with->alternatives != NULL)
        return clo_tpm_slot_key(search->tpm, token, search->with, out, why, err);
    *why = CLO_UNSEAL_NO_NV;
    clo_fail(err, CLO_ERR_REFUSED,
             "its policy is in an NV index, and no pcrlock.json says what that is");
    json_object_foreach ((json_t *)(uintptr_t)tokens, name, copy) {
        if (!clo_alternatives_is_token(copy) || count++ >= COPIES_MAX)
            continue;
        if (try_copy(search, token, copy, out, why, &is_end, err))
            return true;
        if (is_end)
            return false;
    }
    return false;
}

/* By value: what is signed may be signed for the running system's phases as well, and what an NV index holds may come to be. */
static bool has_latch(const struct clo_tpm2_token *token, struct clo_error *err)
{
    return (token->pcrs & LATCHES) != 0 ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "bound to the value of neither PCR 11 nor PCR 15: "
                    "the running system could have its key as well");
}

void clo_tpm_found_free(struct clo_tpm_found *found)
{
    clo_secret_freep(&found->key);
}

/* After a whole key of our own stands which disk it is for. */
static bool take_found(const struct clo_tpm2_token *token, const struct clo_secret *sealed,
                       struct clo_tpm_found *out, struct clo_error *err)
{
    struct clo_tpm_found found = { .is_volume_key = token->is_volume_key,
                                   .is_bound = token->is_own && !token->is_share };
    struct clo_bytes bytes = clo_secret_bytes(sealed);
    size_t digest = found.is_bound ? clo_hash_size(CLO_HASH_SHA256) : 0;

    if (bytes.size <= digest)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes were sealed: too few", bytes.size);
    if (!clo_secret_copy(clo_bytes_slice(bytes, 0, bytes.size - digest), &found.key, err))
        return false;
    found.disk.hash = CLO_HASH_SHA256;
    memcpy(found.disk.bytes, bytes.data + bytes.size - digest, digest);
    *out = found;
    return true;
}

/* A host that plays a TPM with this storage key has the disk's key as well. */
static bool note_srk(const struct clo_tpm_search *search, const struct clo_tpm2_token *token,
                     struct clo_error *err)
{
    struct clo_tpm2_srk srk;

    if (search->srk == NULL || token->srk.size == 0)
        return true;
    if (!clo_tpm2_srk_parse(clo_buffer_bytes(&token->srk), &srk, err))
        return false;
    if (srk.name.size != sizeof search->srk->bytes)
        return true;
    memcpy(search->srk->bytes, srk.name.data, srk.name.size);
    *search->knows_srk = true;
    return true;
}

/* False with `is_end` when the others need not be tried. */
static bool try_token(const struct clo_tpm_search *search, const json_t *tokens, const json_t *json,
                      struct clo_tpm_found *out, bool *is_end, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    enum clo_unseal_why why;

    *is_end = false;
    if (!clo_tpm2_token_parse(json, &token, err) ||
        (search->needs_latch && !has_latch(&token, err)))
        return false;
    if (token.is_share != search->wants_share)
        return clo_fail(err, CLO_ERR_REFUSED, "%s",
                        token.is_share ? "a share, which is of no use without the broker's"
                                       : "a whole key, where the image wants two shares");
    if (search->took_own != NULL)
        *search->took_own = token.is_own;
    if (slot_key(search, tokens, &token, &key, &why, err))
        return note_srk(search, &token, err) && take_found(&token, key, out, err);
    *is_end = !clo_unseal_is_next(why) && why != CLO_UNSEAL_NO_PIN;
    if (why == CLO_UNSEAL_PCRS_DIFFER || why == CLO_UNSEAL_NO_SIGNATURE)
        name_pcrs(search, tokens, &token, err);
    return false;
}

/* In the order of their numbers, as libcryptsetup takes them. */
bool clo_tpm_search(const struct clo_tpm_search *search, const struct clo_disk *disk,
                    struct clo_tpm_found *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    bool is_end = false;

    if (!clo_luks2_parse(clo_buffer_bytes(&disk->header), &info, &metadata, err))
        return false;
    const json_t *tokens = json_object_get(metadata, "tokens");
    clo_fail(err, CLO_ERR_REFUSED, "the disk has no key for a TPM");
    for (unsigned i = 0; i < CLO_LUKS2_TOKENS_MAX && !is_end; i++) {
        char name[12];
        snprintf(name, sizeof name, "%u", i);
        const json_t *token = json_object_get(tokens, name);
        if (!clo_tpm2_token_is(token))
            continue;
        if (try_token(search, tokens, token, out, &is_end, err))
            return true;
        clo_wrap(err, "token %u", i);
        if (search->on_refusal != NULL)
            search->on_refusal(search->context, err->text);
    }
    err->status = CLO_ERR_REFUSED;
    return clo_wrap(err, "TPM");
}

static bool is_sealed_disk(const struct clo_tpm_found *found, const struct clo_disk *disk,
                           const struct clo_secret *volume_key, struct clo_error *err)
{
    struct clo_disk_identity identity;
    struct clo_digest digest;

    /* Verifies the generation's MAC, too: the TPM's counter is held against that number. */
    if (!clo_disk_identity_of(clo_buffer_bytes(&disk->header), volume_key, &identity, err))
        return false;
    clo_disk_identity_digest(&identity, &digest);
    return !found->is_bound || clo_digest_equal(&digest, &found->disk) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "TPM: not the disk that the key was sealed for, though the key opens it");
}

/* That it is this disk's says is_sealed_disk(). */
static bool volume_key_of(const struct clo_tpm_found *found, const struct clo_disk *disk,
                          const char *scratch, struct clo_secret **out, struct clo_error *err)
{
    if (!found->is_volume_key)
        return clo_disk_volume_key(disk, scratch, found->key, out, err);
    if (clo_secret_size(found->key) != disk->luks.key_size)
        return clo_fail(err, CLO_ERR_REFUSED, "TPM: a volume key of another size than the disk's");
    return clo_secret_copy(clo_secret_bytes(found->key), out, err);
}

bool clo_tpm_volume_key(const struct clo_tpm_search *search, const struct clo_disk *disk,
                        const char *scratch, struct clo_secret **volume_key, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_found_free) struct clo_tpm_found found = { .key = NULL };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (!clo_tpm_search(search, disk, &found, err) ||
        !volume_key_of(&found, disk, scratch, &key, err) || !is_sealed_disk(&found, disk, key, err))
        return false;
    *volume_key = CLO_TAKE(key);
    return true;
}

bool clo_tpm_note(const struct clo_tpm2_name *srk, bool is_own, const char *path,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_hex_write(clo_bytes(srk->bytes, sizeof srk->bytes), &text);
    if (is_own)
        clo_buffer_append(&text, clo_bytes_text(" own"));
    return clo_file_write(path, clo_buffer_bytes(&text), 0600, err);
}

bool clo_tpm_join(const struct clo_secret *one, const struct clo_secret *other,
                  struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *joined = NULL;
    size_t size = clo_secret_size(one);

    if (size != clo_secret_size(other))
        return clo_fail(err, CLO_ERR_REFUSED, "shares of %zu and %zu bytes are not of one key",
                        size, clo_secret_size(other));
    if (!clo_secret_copy(clo_secret_bytes(one), &joined, err))
        return false;
    for (size_t i = 0; i < size; i++)
        clo_secret_data(joined)[i] ^= clo_secret_bytes(other).data[i];
    *out = CLO_TAKE(joined);
    return true;
}

/* --- Enrolling --- */

/* Any other TPM may be the host's, which has the key of it. */
static bool is_ours(const struct clo_tpm_enrolment *to, struct clo_error *err)
{
    return to->srk != NULL ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "neither a hardware report nor the image says which TPM this is");
}

static bool seal_now(const struct clo_tpm_enrolment *to, const struct clo_secret *sealed,
                     struct clo_tpm2_token *out, json_t **hint, struct clo_error *err)
{
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_pcr_hint present = { .bank = to->bank, .pcrs = CLO_TPM_TOKENS_PCRS };
    struct clo_tpm_pcrs pcrs;
    size_t count = 0;
    uint64_t floor;

    if (!clo_tpm_floor(to->tpm, &floor, err) ||
        !clo_tpm_pcr_read(to->tpm, to->bank, CLO_TPM_TOKENS_PCRS, &pcrs, err))
        return false;
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((pcrs.mask >> i & 1) != 0) {
            values[count++] = pcrs.values[i];
            present.values[i] = pcrs.values[i];
        }
    const struct clo_tpm2_sealing sealing = {
        .bank = to->bank, .pcrs = pcrs.mask, .values = values, .is_own = true, .floor = floor
    };
    if (!clo_tpm2_sealing_check(&sealing, err) ||
        !clo_tpm_seal(to->tpm, to->srk, &sealing, clo_secret_bytes(sealed), &clo_random_system, out,
                      err))
        return false;
    *hint = clo_pcr_hint_json(clo_buffer_bytes(&out->policies[0]), &present);
    return *hint != NULL || clo_out_of_memory(err);
}

bool clo_tpm_enrol(const struct clo_tpm_enrolment *to, struct clo_disk *disk, const char *scratch,
                   const struct clo_secret *volume_key, const struct clo_secret *disk_key,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *hint = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;

    if (!is_ours(to, err) ||
        !clo_disk_sealed_key(clo_buffer_bytes(&disk->header), volume_key,
                             clo_secret_bytes(disk_key), &sealed, err) ||
        !seal_now(to, sealed, &token, &hint, err))
        return clo_wrap(err, "sealing to the TPM");
    json = clo_tpm2_token_json(&token);
    if (json == NULL)
        return clo_out_of_memory(err);
    const struct clo_disk_tokens tokens = { .types = { CLO_TPM2_TOKEN_OWN, CLO_PCR_HINT_TYPE },
                                            .tokens = { json, hint } };
    return clo_disk_write_tokens(disk, scratch, volume_key, &tokens, err) ||
           clo_wrap(err, "sealing to the TPM");
}
