#include "lib/crypto/tpm_crypto.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto_internal.h"
#include "lib/crypto/openssl.h"

bool clo_kdfa(enum clo_hash hash, struct clo_bytes key, const char *label, struct clo_bytes context,
              unsigned bits, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer block = { 0 };
    struct clo_digest digest;
    size_t size = bits / 8;

    if (size > clo_hash_size(hash))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "KDFa: %u bits of one block", bits);
    clo_buffer_be32(&block, 1);
    clo_buffer_append(&block, clo_bytes(label, strlen(label) + 1));
    clo_buffer_append(&block, context);
    clo_buffer_be32(&block, bits);
    if (!clo_buffer_ok(&block))
        return clo_out_of_memory(err);
    clo_hmac(hash, key, clo_buffer_bytes(&block), &digest);
    bool ok = clo_secret_copy(clo_bytes(digest.bytes, size), out, err);
    clo_wipe(&digest, sizeof digest);
    return ok;
}

bool clo_kdfe(enum clo_hash hash, struct clo_bytes z, const char *label, struct clo_bytes u,
              struct clo_bytes v, struct clo_secret **out, struct clo_error *err)
{
    static const uint8_t counter[4] = { 0, 0, 0, 1 };
    const struct clo_bytes parts[] = { clo_bytes(counter, sizeof counter), z,
                                       clo_bytes(label, strlen(label) + 1), u, v };
    struct clo_digest digest;

    clo_hash_many(hash, parts, CLO_COUNT(parts), &digest);
    bool ok = clo_secret_copy(clo_digest_bytes(&digest), out, err);
    clo_wipe(&digest, sizeof digest);
    return ok;
}

static bool derive(const char *name, OSSL_PARAM *parameters, size_t size, struct clo_secret **out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (!clo_secret_new(size, &key, err))
        return false;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    bool ok =
            context != NULL && EVP_KDF_derive(context, clo_secret_data(key), size, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    if (!ok)
        return crypto_fail(err, CLO_ERR_SYSTEM, name);
    *out = CLO_TAKE(key);
    return true;
}

/* OpenSSL takes what it only reads by pointers to what may change. */
static void *loose(struct clo_bytes bytes)
{
    return (void *)(uintptr_t)(bytes.data == NULL ? (const uint8_t *)"" : bytes.data);
}

bool clo_pbkdf2(enum clo_hash hash, struct clo_bytes password, struct clo_bytes salt,
                unsigned iterations, size_t size, struct clo_secret **out, struct clo_error *err)
{
    int without_minimums = 1; /* others choose size and rounds */
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string("digest", (char *)(uintptr_t)crypto_hash_name(hash), 0),
        OSSL_PARAM_octet_string("pass", loose(password), password.size),
        OSSL_PARAM_octet_string("salt", loose(salt), salt.size),
        OSSL_PARAM_uint("iter", &iterations),
        OSSL_PARAM_int("pkcs5", &without_minimums),
        OSSL_PARAM_END,
    };

    return derive("PBKDF2", parameters, size, out, err);
}

bool clo_hkdf(enum clo_hash hash, struct clo_bytes key, struct clo_bytes salt,
              struct clo_bytes info, size_t size, struct clo_secret **out, struct clo_error *err)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string("digest", (char *)(uintptr_t)crypto_hash_name(hash), 0),
        OSSL_PARAM_octet_string("key", loose(key), key.size),
        OSSL_PARAM_octet_string("salt", loose(salt), salt.size),
        OSSL_PARAM_octet_string("info", loose(info), info.size),
        OSSL_PARAM_END,
    };

    return derive("HKDF", parameters, size, out, err);
}

bool clo_aes_cfb(struct clo_bytes key, struct clo_bytes in, struct clo_buffer *out,
                 struct clo_error *err)
{
    static const uint8_t iv[16];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    int size = 0;

    clo_buffer_zero(&bytes, in.size + sizeof iv);
    if (!clo_buffer_ok(&bytes) || in.size > INT32_MAX)
        return clo_out_of_memory(err);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context != NULL &&
              EVP_EncryptInit_ex(context, key.size == 16 ? EVP_aes_128_cfb() : EVP_aes_256_cfb(),
                                 NULL, key.data, iv) == 1 &&
              EVP_CIPHER_CTX_get_key_length(context) == (int)key.size &&
              EVP_EncryptUpdate(context, bytes.data, &size, in.data, (int)in.size) == 1 &&
              (size_t)size == in.size;
    EVP_CIPHER_CTX_free(context);
    if (!ok)
        return crypto_fail(err, CLO_ERR_SYSTEM, "AES-CFB");
    clo_buffer_append(out, clo_bytes(bytes.data, in.size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool exchange(EVP_PKEY *key, EVP_PKEY *peer, const char *properties, struct clo_secret *out)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, properties);
    size_t size = clo_secret_size(out);
    bool ok = context != NULL && EVP_PKEY_derive_init(context) == 1 &&
              EVP_PKEY_derive_set_peer(context, peer) == 1 &&
              EVP_PKEY_derive(context, clo_secret_data(out), &size) == 1 &&
              size == clo_secret_size(out);

    EVP_PKEY_CTX_free(context);
    return ok;
}

bool clo_ecdh(const struct clo_private_key *key, const struct clo_public_key *other,
              struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    size_t curve = crypto_curve_size(key->kind);
    char properties[CRYPTO_PROPERTIES];

    if (curve == 0 || key->kind != other->kind)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "ECDH: keys of two kinds");
    if (!clo_secret_new(curve, &secret, err))
        return false;
    EVP_PKEY *peer = clo_public_key_evp(other);
    if (peer == NULL || (!exchange(key->evp, peer, NULL, secret) &&
                         !(crypto_own_provider(key->evp, properties) &&
                           exchange(key->evp, peer, properties, secret))))
        return crypto_fail(err, CLO_ERR_SYSTEM, "ECDH");
    ERR_clear_error();
    *out = CLO_TAKE(secret);
    return true;
}
