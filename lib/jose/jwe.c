#include "cloister/jose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jose/jose.h>
#include <jose/openssl.h>

#include "cloister/encoding.h"
#include "lib/crypto/ecdh.h"
#include "lib/crypto/openssl.h"
#include "lib/crypto/tpm_crypto.h"
#include "lib/jose/held.h"
#include "lib/jose/recipient.h"

#define PLAINTEXT_MAX ((size_t)1 << 20)
#define CEK_SIZE      32
#define NOT_OPEN      "JWE: not sealed to this key, or changed"

/* Keys as libjose has them, JSON strings, wiped when the object goes. */
static void wipe_jwk(json_t **jwk)
{
    static const char *const secret_members[] = { "k", "d", "p", "q", "dp", "dq", "qi" };

    for (size_t i = 0; *jwk != NULL && i < CLO_COUNT(secret_members); i++) {
        json_t *value = json_object_get(*jwk, secret_members[i]);
        if (json_is_string(value))
            clo_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
    json_decref(*jwk);
    *jwk = NULL;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* What the message says of itself must be among the few things we do, before libjose sees it. `type`
 * gets what it says its content is; it is the sender's word once the message has opened. `header` is the caller's also
 * where this fails. */
static bool read_header(const json_t *jwe, enum clo_key_kind kind, char type[CLO_JWE_TYPE],
                        json_t **header, struct clo_error *err)
{
    static const char *const members[] = { "protected", "encrypted_key", "iv", "ciphertext",
                                           "tag",       "aad",           NULL };
    static const char *const header_members[] = { "alg", "enc", "epk", "kid",
                                                  "apu", "apv", "cty", NULL };
    static const char *const for_ec[] = { "ECDH-ES+A256KW", "ECDH-ES", NULL };
    static const char *const for_rsa[] = { "RSA-OAEP-256", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *algorithm;
    const char *encryption;
    const char *content;

    if (!clo_json_only(jwe, members, err) ||
        !clo_json_get_bytes(jwe, "protected", CLO_JSON_BASE64URL, 65536, &text, err) ||
        !clo_json_parse(clo_buffer_bytes(&text), header, err) ||
        !clo_json_only(*header, header_members, err) ||
        !clo_json_get_string(*header, "alg", &algorithm, err) ||
        !clo_json_get_string(*header, "enc", &encryption, err) ||
        !clo_json_get_string_optional(*header, "cty", &content, err))
        return false;
    if (content != NULL && (content[0] == '\0' || strlen(content) >= CLO_JWE_TYPE))
        return clo_fail(err, CLO_ERR_FORMAT, "cty: %zu bytes", strlen(content));
    snprintf(type, CLO_JWE_TYPE, "%s", content == NULL ? "" : content);
    if (!is_one_of(algorithm, kind == CLO_KEY_RSA ? for_rsa : for_ec))
        return clo_fail(err, CLO_ERR_REFUSED, "alg \"%.20s\"", algorithm);
    if (strcmp(encryption, "A256GCM") != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "enc \"%.20s\"", encryption);
    return true;
}

static bool unwrap_for_ec(const json_t *jwe, const struct clo_private_key *key, json_t **cek,
                          struct clo_error *err)
{
    CLO_CLEANUP(wipe_jwk)
    json_t *jwk = jose_openssl_jwk_from_EVP_PKEY(NULL, clo_private_key_evp(key));

    if (jwk == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "JWE: the key cannot be used");
    *cek = jose_jwe_dec_jwk(NULL, jwe, NULL, jwk);
    return *cek != NULL || clo_fail(err, CLO_ERR_REFUSED, NOT_OPEN);
}

static bool make_cek(struct clo_bytes key, json_t **out, struct clo_error *err)
{
    *out = json_pack("{s:s, s:s, s:o}", "kty", "oct", "alg", "A256GCM", "k",
                     jose_b64_enc(key.data, key.size));
    return *out != NULL || clo_out_of_memory(err);
}

static bool unwrap_for_rsa(const json_t *jwe, const struct clo_private_key *key, json_t **cek,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *plain = NULL;

    if (!clo_json_get_bytes(jwe, "encrypted_key", CLO_JSON_BASE64URL, 1024, &wrapped, err))
        return clo_wrap(err, "JWE");
    if (!clo_oaep_open(key, CLO_HASH_SHA256, clo_buffer_bytes(&wrapped), &plain, err) ||
        clo_secret_size(plain) != CEK_SIZE)
        return clo_fail(err, CLO_ERR_REFUSED, NOT_OPEN);
    return make_cek(clo_secret_bytes(plain), cek, err);
}

static bool decrypt(const json_t *jwe, const json_t *cek, struct clo_secret **out,
                    struct clo_error *err)
{
    size_t size = 0;
    void *plaintext = jose_jwe_dec_cek(NULL, jwe, cek, &size);

    if (plaintext == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, NOT_OPEN);
    bool ok = size <= PLAINTEXT_MAX ? clo_secret_copy(clo_bytes(plaintext, size), out, err)
                                    : clo_fail(err, CLO_ERR_FORMAT, "JWE: %zu bytes", size);
    clo_wipe(plaintext, size);
    free(plaintext);
    return ok;
}

bool clo_jwe_open_typed(const json_t *jwe, const struct clo_private_key *key,
                        char type[CLO_JWE_TYPE], struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *header = NULL;
    CLO_CLEANUP(wipe_jwk) json_t *cek = NULL;
    enum clo_key_kind kind = clo_private_key_kind(key);

    if (!read_header(jwe, kind, type, &header, err))
        return clo_wrap(err, "JWE");
    return (kind == CLO_KEY_RSA ? unwrap_for_rsa(jwe, key, &cek, err)
                                : unwrap_for_ec(jwe, key, &cek, err)) &&
           decrypt(jwe, cek, out, err);
}

bool clo_jwe_open(const json_t *jwe, const struct clo_private_key *key, struct clo_secret **out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    char type[CLO_JWE_TYPE];

    if (!clo_jwe_open_typed(jwe, key, type, &secret, err))
        return false;
    if (type[0] != '\0')
        return clo_fail(err, CLO_ERR_REFUSED, "JWE: its content is \"%s\", not plain bytes", type);
    *out = CLO_TAKE(secret);
    return true;
}

/* --- Keys that do not leave their place --- */

/* The sender's point, of a message that names no parties: they would be a part of what is derived. */
static bool read_sender(const json_t *header, struct clo_public_key **out, struct clo_error *err)
{
    static const char *const members[] = { "alg", "enc", "epk", NULL };
    const char *algorithm;
    json_t *sender;

    return clo_json_only(header, members, err) &&
           clo_json_get_string(header, "alg", &algorithm, err) &&
           (strcmp(algorithm, JWE_FOR_EC) == 0 ||
            clo_fail(err, CLO_ERR_REFUSED, "alg \"%.20s\"", algorithm)) &&
           clo_json_get_object(header, "epk", &sender, err) &&
           clo_jwk_to_public_key(sender, out, err);
}

static bool unwrap_by_exchange(const json_t *jwe, const json_t *header,
                               const struct clo_private_key *key, json_t **cek,
                               struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *sender = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *shared = NULL;
    uint8_t wrapping[CLO_KEY_WRAP_SIZE], plain[CLO_KEY_WRAP_SIZE];

    if (!read_sender(header, &sender, err) ||
        !clo_json_get_bytes(jwe, "encrypted_key", CLO_JSON_BASE64URL, 1024, &wrapped, err))
        return clo_wrap(err, "JWE");
    if (wrapped.size != CLO_KEY_WRAP_SIZE + 8)
        return clo_fail(err, CLO_ERR_FORMAT, "JWE: a wrapped key of %zu bytes", wrapped.size);
    if (!clo_ecdh(key, sender, &shared, err))
        return clo_wrap(err, "JWE");
    jwe_derive(clo_secret_bytes(shared), wrapping);
    bool ok = clo_key_unwrap(wrapping, wrapped.data, plain, err)
                      ? make_cek(clo_bytes(plain, sizeof plain), cek, err)
                      : clo_fail(err, CLO_ERR_REFUSED, NOT_OPEN);
    clo_wipe(wrapping, sizeof wrapping);
    clo_wipe(plain, sizeof plain);
    return ok;
}

bool clo_jwe_open_held(const json_t *jwe, const struct clo_private_key *key,
                       struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *header = NULL;
    CLO_CLEANUP(wipe_jwk) json_t *cek = NULL;
    enum clo_key_kind kind = clo_private_key_kind(key);
    char type[CLO_JWE_TYPE];

    if (!read_header(jwe, kind, type, &header, err))
        return clo_wrap(err, "JWE");
    if (type[0] != '\0')
        return clo_fail(err, CLO_ERR_REFUSED, "JWE: its content is \"%s\", not plain bytes", type);
    return (kind == CLO_KEY_RSA ? unwrap_for_rsa(jwe, key, &cek, err)
                                : unwrap_by_exchange(jwe, header, key, &cek, err)) &&
           decrypt(jwe, cek, out, err);
}
