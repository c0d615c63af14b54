/* JWE to an ML-KEM-768 key (draft-ietf-jose-pqc-kem-05, as Trustee's KBS and its clients do it): "ek" in the protected header is
 * the ciphertext of a fresh secret, and KMAC256 makes of that the key that wraps (A192KW) the one of the content. */
#include "lib/jose/recipient.h"

#include <string.h>

#include <openssl/evp.h>

#include "lib/crypto/mlkem.h"

#define WRAPPING_SIZE 24

bool jwe_is_mlkem(const json_t *jwk)
{
    const char *kind = json_string_value(json_object_get(jwk, "kty"));

    return kind != NULL && strcmp(kind, "AKP") == 0;
}

static bool read_key(const json_t *jwk, struct clo_buffer *out, struct clo_error *err)
{
    const char *algorithm;

    if (!clo_json_get_string(jwk, "alg", &algorithm, err))
        return false;
    if (strcmp(algorithm, JWE_MLKEM_ALGORITHM) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "alg \"%.40s\": " JWE_MLKEM_ALGORITHM " is what is served", algorithm);
    return clo_json_get_bytes(jwk, "pub", CLO_JSON_BASE64URL, CLO_MLKEM768_KEY_SIZE, out, err);
}

/* RFC 7517: nothing is sealed to a key that is meant for something else, or that is told with its private half. */
static bool check_use(const json_t *jwk, struct clo_error *err)
{
    static const char *const private_members[] = { "d", "p", "q", "k", "priv" };
    const char *use;

    for (size_t i = 0; i < CLO_COUNT(private_members); i++)
        if (json_object_get(jwk, private_members[i]) != NULL)
            return clo_fail(err, CLO_ERR_REFUSED, "\"%s\": a private key", private_members[i]);
    return clo_json_get_string_optional(jwk, "use", &use, err) &&
           (use == NULL || strcmp(use, "enc") == 0 ||
            clo_fail(err, CLO_ERR_REFUSED, "use \"%.20s\": not one to seal to", use));
}

/* 65537, as every library makes it: others are somebody's own making, and small ones ask for trouble. */
static bool check_exponent(const json_t *jwk, struct clo_error *err)
{
    static const uint8_t usual[] = { 1, 0, 1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer exponent = { 0 };

    if (json_object_get(jwk, "n") == NULL)
        return true;
    return clo_json_get_bytes(jwk, "e", CLO_JSON_BASE64URL, 8, &exponent, err) &&
           (clo_bytes_equal(clo_buffer_bytes(&exponent), clo_bytes(usual, sizeof usual)) ||
            clo_fail(err, CLO_ERR_REFUSED, "RSA key: an exponent other than 65537"));
}

bool clo_jwe_recipient_check(const json_t *jwk, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!jwe_is_mlkem(jwk))
        return clo_jwk_to_public_key(jwk, &key, err) &&
               ((check_use(jwk, err) && check_exponent(jwk, err)) || clo_wrap(err, "JWK"));
    return (read_key(jwk, &bytes, err) && check_use(jwk, err) &&
            clo_mlkem768_check(clo_buffer_bytes(&bytes), err)) ||
           clo_wrap(err, "JWK");
}

/* KMAC256(the secret, the algorithm's name with its length, and the size of the key in bits). */
static bool derive(const struct clo_secret *shared, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };

    clo_buffer_be32(&info, (uint32_t)strlen(JWE_MLKEM_ALGORITHM));
    clo_buffer_text(&info, JWE_MLKEM_ALGORITHM);
    clo_buffer_be32(&info, WRAPPING_SIZE * 8);
    return clo_buffer_ok(&info)
                   ? clo_kmac256(shared, clo_buffer_bytes(&info), WRAPPING_SIZE, out, err)
                   : clo_out_of_memory(err);
}

/* RFC 3394. */
static bool wrap_key(const struct clo_secret *by, const uint8_t cek[JWE_CEK_SIZE],
                     struct clo_buffer *out, struct clo_error *err)
{
    uint8_t wrapped[JWE_CEK_SIZE + 8];
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0;

    if (cipher != NULL)
        EVP_CIPHER_CTX_set_flags(cipher, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool ok = cipher != NULL &&
              EVP_EncryptInit_ex(cipher, EVP_aes_192_wrap(), NULL, clo_secret_bytes(by).data,
                                 NULL) == 1 &&
              EVP_EncryptUpdate(cipher, wrapped, &size, cek, JWE_CEK_SIZE) == 1 &&
              size == sizeof wrapped;
    EVP_CIPHER_CTX_free(cipher);
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "A192KW");
    clo_buffer_append(out, clo_bytes(wrapped, sizeof wrapped));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool jwe_wrap_mlkem(const json_t *jwk, const uint8_t cek[JWE_CEK_SIZE], json_t *header,
                    struct clo_buffer *wrapped, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ciphertext = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *shared = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *by = NULL;

    if (!read_key(jwk, &key, err))
        return clo_wrap(err, "JWE recipient: JWK");
    if (!clo_mlkem768_encapsulate(clo_buffer_bytes(&key), &ciphertext, &shared, err) ||
        !derive(shared, &by, err) || !wrap_key(by, cek, wrapped, err))
        return clo_wrap(err, "JWE");
    return json_object_set_new(header, "ek", clo_json_base64url(clo_buffer_bytes(&ciphertext))) ==
                   0 ||
           clo_out_of_memory(err);
}
