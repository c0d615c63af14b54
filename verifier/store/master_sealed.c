#include "verifier/store/master_sealed.h"

#include "device/keystore.h"
#include "lib/jose/held.h"

bool clo_master_sealed_parse(struct clo_bytes text, struct clo_master_sealed *out,
                             struct clo_error *err)
{
    static const char *const members[] = { "cloister_master_key", "provider", "key", "sealed",
                                           NULL };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_master_sealed sealed = { 0 };
    uint64_t version;
    json_t *message;

    if (!clo_json_parse(text, &json, err) || !clo_json_only(json, members, err) ||
        !clo_json_get_u64(json, "cloister_master_key", &version, err) ||
        !clo_json_get_string_optional(json, "provider", &sealed.provider, err) ||
        !clo_json_get_string(json, "key", &sealed.key, err) ||
        !clo_json_get_object(json, "sealed", &message, err))
        return clo_wrap(err, "sealed master key");
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "sealed master key: version %llu, expected 1",
                        (unsigned long long)version);
    sealed.message = message;
    sealed.json = CLO_TAKE(json);
    *out = sealed;
    return true;
}

void clo_master_sealed_free(struct clo_master_sealed *sealed)
{
    json_decref(sealed->json);
    *sealed = (struct clo_master_sealed){ 0 };
}

static bool open_key(const char *provider, const char *uri, struct clo_private_key **out,
                     struct clo_error *err)
{
    return (provider == NULL || clo_keystore_provider(provider, err)) &&
           clo_keystore_private_key(uri, NULL, out, err);
}

bool clo_master_sealed_open(struct clo_bytes text, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_master_sealed_free) struct clo_master_sealed sealed = { 0 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;

    return clo_master_sealed_parse(text, &sealed, err) &&
           open_key(sealed.provider, sealed.key, &key, err) &&
           clo_jwe_open_held(sealed.message, key, out, err);
}

static bool seal(const struct clo_private_key *key, struct clo_bytes master, json_t **out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *message = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *back = NULL;

    if (!clo_private_key_public(key, &public, err) || !clo_jwk_from_public_key(public, &jwk, err) ||
        !clo_jwe_seal(jwk, master, &message, err))
        return false;
    if (!clo_jwe_open_held(message, key, &back, err))
        return clo_wrap(err, "what is sealed to this key cannot be opened by it");
    if (!clo_bytes_equal_secret(clo_secret_bytes(back), master))
        return clo_fail(err, CLO_ERR_SYSTEM, "what was sealed to this key is not what it opens");
    *out = CLO_TAKE(message);
    return true;
}

bool clo_master_sealed_make(const char *key, const char *provider, struct clo_bytes master,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *held = NULL;
    json_t *message = NULL;

    if (!open_key(provider, key, &held, err) || !seal(held, master, &message, err))
        return false;
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:i, s:s*, s:s, s:o}", "cloister_master_key", 1, "provider",
                             provider, "key", key, "sealed", message);
    if (json == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "key or provider: not text");
    return clo_json_write(json, out, err);
}
