#include "cloister/jose.h"

#include <stdlib.h>
#include <string.h>

#include <jose/jose.h>
#include <jose/openssl.h>

#include "cloister/encoding.h"

#define PLAINTEXT_MAX ((size_t)1 << 20)

bool clo_jwe_seal(const json_t *recipient_jwk, struct clo_bytes plaintext, json_t **out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *recipient = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;

    /* Through our own reading and back: libjose sees numbers we checked and nothing else. */
    if (!clo_jwk_to_public_key(recipient_jwk, &key, err) ||
        !clo_jwk_from_public_key(key, &recipient, err))
        return clo_wrap(err, "JWE recipient");
    const char *algorithm =
            clo_public_key_kind(key) == CLO_KEY_RSA ? "RSA-OAEP-256" : "ECDH-ES+A256KW";
    jwe = json_pack("{s:{s:s, s:s}}", "protected", "alg", algorithm, "enc", "A256GCM");
    if (jwe == NULL || !jose_jwe_enc(NULL, jwe, NULL, recipient, plaintext.data, plaintext.size))
        return clo_fail(err, CLO_ERR_SYSTEM, "JWE: sealing failed");
    *out = CLO_TAKE(jwe);
    return true;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* What the message says of itself must be among the few things we do, before libjose sees it. */
static bool check_header(const json_t *jwe, enum clo_key_kind kind, struct clo_error *err)
{
    static const char *const members[] = { "protected", "encrypted_key", "iv", "ciphertext",
                                           "tag",       "aad",           NULL };
    static const char *const header_members[] = { "alg", "enc", "epk", "kid", "apu", "apv", NULL };
    static const char *const for_ec[] = { "ECDH-ES+A256KW", "ECDH-ES", NULL };
    static const char *const for_rsa[] = { "RSA-OAEP-256", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *header = NULL;
    const char *algorithm;
    const char *encryption;

    if (!clo_json_only(jwe, members, err) ||
        !clo_json_get_bytes(jwe, "protected", CLO_JSON_BASE64URL, 65536, &text, err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &header, err) ||
        !clo_json_only(header, header_members, err) ||
        !clo_json_get_string(header, "alg", &algorithm, err) ||
        !clo_json_get_string(header, "enc", &encryption, err))
        return false;
    if (!is_one_of(algorithm, kind == CLO_KEY_RSA ? for_rsa : for_ec))
        return clo_fail(err, CLO_ERR_REFUSED, "alg \"%.20s\"", algorithm);
    if (strcmp(encryption, "A256GCM") != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "enc \"%.20s\"", encryption);
    return true;
}

/* The private JWK, for libjose only: its secret number is wiped when the object goes. */
static bool private_jwk(const struct clo_private_key *key, json_t **out, struct clo_error *err)
{
    json_t *jwk = jose_openssl_jwk_from_EVP_PKEY(NULL, clo_private_key_evp(key));

    if (jwk == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "JWE: the key cannot be used");
    *out = jwk;
    return true;
}

static void wipe_jwk(json_t **jwk)
{
    static const char *const secret_members[] = { "d", "p", "q", "dp", "dq", "qi" };

    for (size_t i = 0; *jwk != NULL && i < CLO_COUNT(secret_members); i++) {
        json_t *value = json_object_get(*jwk, secret_members[i]);
        if (json_is_string(value))
            clo_wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    }
    json_decref(*jwk);
    *jwk = NULL;
}

bool clo_jwe_open(const json_t *jwe, const struct clo_private_key *key, struct clo_secret **out,
                  struct clo_error *err)
{
    CLO_CLEANUP(wipe_jwk) json_t *jwk = NULL;
    size_t size = 0;

    if (!check_header(jwe, clo_private_key_kind(key), err))
        return clo_wrap(err, "JWE");
    if (!private_jwk(key, &jwk, err))
        return false;
    void *plaintext = jose_jwe_dec(NULL, jwe, NULL, jwk, &size);
    if (plaintext == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "JWE: not sealed to this key, or changed");
    bool ok = size <= PLAINTEXT_MAX ? clo_secret_copy(clo_bytes(plaintext, size), out, err)
                                    : clo_fail(err, CLO_ERR_FORMAT, "JWE: %zu bytes", size);
    clo_wipe(plaintext, size);
    free(plaintext);
    return ok;
}
