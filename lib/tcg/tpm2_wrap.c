#include "lib/tcg/tpm2_wrap.h"

#include <string.h>

#include "lib/crypto/tpm_crypto.h"

void clo_tpm2_write_sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* The seed is random, and sealed to the key; the label's NUL belongs to it. */
static bool make_rsa_seed(const struct clo_tpm2_recipient *to, const char *label,
                          const struct clo_random *random, struct clo_secret **seed,
                          struct clo_buffer *sealed, struct clo_error *err)
{
    size_t size = clo_hash_size(to->name_hash);

    if (!clo_secret_new(size, seed, err))
        return false;
    if (!random->fill(random->context, clo_secret_data(*seed), size))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    return clo_oaep_seal_labelled(to->key, to->name_hash, clo_bytes(label, strlen(label) + 1),
                                  clo_secret_bytes(*seed), sealed, err);
}

/* The seed comes of a shared secret with a key that is used once. */
static bool make_ecc_seed(const struct clo_tpm2_recipient *to, const char *label,
                          struct clo_secret **seed, struct clo_buffer *sealed,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *once = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *point = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *z = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other_x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other_y = { 0 };

    if (!clo_private_key_new(clo_public_key_kind(to->key), 0, &once, err) ||
        !clo_private_key_public(once, &point, err) || !clo_public_key_numbers(point, &x, &y, err) ||
        !clo_public_key_numbers(to->key, &other_x, &other_y, err) ||
        !clo_ecdh(once, to->key, &z, err) ||
        !clo_kdfe(to->name_hash, clo_secret_bytes(z), label, clo_buffer_bytes(&x),
                  clo_buffer_bytes(&other_x), seed, err))
        return false;
    clo_tpm2_write_sized(sealed, clo_buffer_bytes(&x));
    clo_tpm2_write_sized(sealed, clo_buffer_bytes(&y));
    return clo_buffer_ok(sealed) || clo_out_of_memory(err);
}

bool clo_tpm2_seed(const struct clo_tpm2_recipient *to, const char *label,
                   const struct clo_random *random, struct clo_secret **seed,
                   struct clo_buffer *sealed, struct clo_error *err)
{
    return clo_public_key_kind(to->key) == CLO_KEY_RSA
                   ? make_rsa_seed(to, label, random, seed, sealed, err)
                   : make_ecc_seed(to, label, seed, sealed, err);
}

bool clo_tpm2_wrap(const struct clo_tpm2_recipient *to, const struct clo_secret *seed,
                   struct clo_bytes name, struct clo_bytes in, struct clo_buffer *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *storage = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *integrity = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    unsigned bits = 8 * (unsigned)clo_hash_size(to->name_hash);
    struct clo_digest mac;

    if (!clo_kdfa(to->name_hash, clo_secret_bytes(seed), "STORAGE", name, to->symmetric_bits,
                  &storage, err) ||
        !clo_kdfa(to->name_hash, clo_secret_bytes(seed), "INTEGRITY", clo_bytes(NULL, 0), bits,
                  &integrity, err) ||
        !clo_aes_cfb(clo_secret_bytes(storage), in, &text, err))
        return false;
    size_t size = text.size;
    clo_buffer_append(&text, name);
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    clo_hmac(to->name_hash, clo_secret_bytes(integrity), clo_buffer_bytes(&text), &mac);
    clo_tpm2_write_sized(out, clo_digest_bytes(&mac));
    clo_buffer_append(out, clo_bytes(text.data, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
