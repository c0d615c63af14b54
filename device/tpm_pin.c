#include "device/tpm_pin.h"

#include <argon2.h>
#include <unistd.h>

#include "lib/crypto/tpm_crypto.h"

#define HALF 32
#define INFO "systemd-tpm2-argon2id-lock"

static bool has_memory(uint64_t bytes)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);

    return pages <= 0 || page <= 0 || bytes <= (uint64_t)pages * (uint64_t)page;
}

static bool stretch(const struct clo_tpm2_token *token, struct clo_bytes pin,
                    struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (!has_memory(token->argon2_memory))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the PIN's Argon2id wants %llu MiB: more than there is",
                        (unsigned long long)(token->argon2_memory >> 20));
    if (!clo_secret_new((size_t)2 * HALF, &key, err))
        return false;
    int result =
            argon2id_hash_raw(token->argon2_iterations, (uint32_t)(token->argon2_memory / 1024),
                              token->argon2_lanes, pin.data, pin.size, token->salt.data,
                              token->salt.size, clo_secret_data(key), clo_secret_size(key));
    if (result != ARGON2_OK)
        return clo_fail(err, CLO_ERR_SYSTEM, "Argon2id: %s", argon2_error_message(result));
    *out = CLO_TAKE(key);
    return true;
}

bool clo_tpm_pin(const struct clo_tpm2_token *token, struct clo_bytes pin, struct clo_secret **text,
                 struct clo_secret **lock, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (token->argon2_memory == 0)
        return clo_tpm2_pin_text(pin, clo_buffer_bytes(&token->salt), text, err);
    return stretch(token, pin, &key, err) &&
           clo_secret_copy(clo_bytes_slice(clo_secret_bytes(key), 0, HALF), lock, err) &&
           clo_tpm2_slot_key(clo_bytes_slice(clo_secret_bytes(key), HALF, HALF), text, err);
}

bool clo_tpm_pin_slot_key(const struct clo_secret *lock, struct clo_bytes unsealed,
                          struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    return clo_hkdf(CLO_HASH_SHA256, clo_secret_bytes(lock), unsealed, clo_bytes_text(INFO), HALF,
                    &key, err) &&
           clo_tpm2_slot_key(clo_secret_bytes(key), out, err);
}
