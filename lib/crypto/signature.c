#include "crypto_internal.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "lib/base/der.h"
#include "lib/crypto/openssl.h"

#define SIGNATURE_MAX 1100

const char *crypto_hash_name(enum clo_hash hash)
{
    static const char *const names[CLO_HASH_COUNT] = {
        [CLO_HASH_SHA1] = "SHA1",
        [CLO_HASH_SHA256] = "SHA2-256",
        [CLO_HASH_SHA384] = "SHA2-384",
        [CLO_HASH_SHA512] = "SHA2-512",
    };

    return (size_t)hash < CLO_HASH_COUNT ? names[hash] : NULL;
}

static bool scheme_fits(enum clo_key_kind kind, enum clo_signature_scheme scheme)
{
    bool is_rsa = scheme == CLO_RSASSA_PKCS1 || scheme == CLO_RSASSA_PSS;

    return is_rsa == (kind == CLO_KEY_RSA);
}

static bool set_padding(EVP_PKEY_CTX *context, enum clo_signature_scheme scheme)
{
    if (scheme == CLO_RSASSA_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    if (scheme == CLO_RSASSA_PSS)
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
    return true;
}

/* A positive INTEGER, big endian into `size` bytes. */
static bool read_number(struct clo_reader *r, uint8_t *out, size_t size)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_INTEGER);

    if (!clo_der_is_integer(value) || value.data[0] >= 0x80)
        return false;
    if (value.data[0] == 0)
        value = clo_bytes_slice(value, 1, value.size - 1);
    if (value.size > size)
        return false;
    memset(out, 0, size - value.size);
    if (value.size > 0)
        memcpy(out + size - value.size, value.data, value.size);
    return true;
}

/* Ecdsa-Sig-Value (RFC 3279, section 2.2.3) to r || s. */
static bool der_to_raw(size_t size, struct clo_bytes der, uint8_t *raw)
{
    struct clo_reader r = clo_reader(der);
    struct clo_reader pair = clo_der_enter(&r, CLO_DER_SEQUENCE);

    return read_number(&pair, raw, size) && read_number(&pair, raw + size, size) &&
           clo_der_done(&pair) && clo_der_done(&r);
}

/* P-521, which no hardware evidence uses: OpenSSL's way, which wants DER again. */
static enum crypto_answer verify_p521(const struct clo_public_key *key, enum clo_hash hash,
                                      struct clo_bytes message, const uint8_t *raw)
{
    size_t size = crypto_curve_size(CLO_KEY_P521);
    EVP_PKEY *evp = clo_public_key_evp(key);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(raw + size, (int)size, NULL);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char *der = NULL;
    int written = -1;
    int result = -1;

    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = NULL;
        s = NULL;
        written = i2d_ECDSA_SIG(pair, &der);
    }
    bool started = evp != NULL && written > 0 && digest != NULL &&
                   EVP_DigestVerifyInit_ex(digest, NULL, crypto_hash_name(hash), NULL, NULL, evp,
                                           NULL) == 1;
    if (started)
        result = EVP_DigestVerify(digest, der, (size_t)written, message.data, message.size);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    EVP_MD_CTX_free(digest);
    OPENSSL_free(der);
    ERR_clear_error();
    /* 0: it does not hold; negative: it is not even of the form. Both mean no. */
    return !started ? CRYPTO_NO_MEMORY : result == 1 ? CRYPTO_HOLDS : CRYPTO_HOLDS_NOT;
}

static enum crypto_answer verify_ecdsa(const struct clo_public_key *key, enum clo_hash hash,
                                       struct clo_bytes message, const uint8_t *raw)
{
    size_t size = crypto_curve_size(key->kind);
    struct clo_digest digest;

    if (key->kind == CLO_KEY_P521)
        return verify_p521(key, hash, message, raw);
    clo_hash(hash, message, &digest);
    return crypto_verify_ecdsa(key, clo_digest_bytes(&digest), raw, raw + size);
}

bool clo_p256_verify(struct clo_bytes point, enum clo_hash hash, struct clo_bytes message,
                     struct clo_bytes signature, struct clo_error *err)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    uint8_t octets[1 + 64] = { 4 }; /* uncompressed */
    struct clo_public_key key = { .kind = CLO_KEY_P256 };

    if (scratch == NULL)
        return clo_out_of_memory(err);
    if (point.size != 64 || signature.size != 64 || crypto_hash_name(hash) == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "signature: key or signature of wrong size");
    memcpy(octets + 1, point.data, point.size);
    if (EC_POINT_oct2point(crypto_p256(), scratch->key, octets, sizeof octets, scratch->context) !=
        1) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_REFUSED, "signature: the key is not a point of P-256");
    }
    key.p256 = scratch->key;
    return verify_ecdsa(&key, hash, message, signature.data) == CRYPTO_HOLDS ||
           clo_fail(err, CLO_ERR_REFUSED, "signature does not hold");
}

bool clo_signature_verify(const struct clo_public_key *key, enum clo_signature_scheme scheme,
                          enum clo_hash hash, struct clo_bytes message, struct clo_bytes signature,
                          struct clo_error *err)
{
    size_t size = crypto_curve_size(key->kind);
    uint8_t raw[2 * CURVE_BYTES_MAX];
    struct clo_digest digest;
    enum crypto_answer answer;

    if (!scheme_fits(key->kind, scheme) || crypto_hash_name(hash) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: key and algorithm do not fit");
    if (scheme == CLO_ECDSA_RAW && signature.size != 2 * size)
        return clo_fail(err, CLO_ERR_REFUSED, "signature: %zu bytes, expected %zu", signature.size,
                        2 * size);
    if (key->kind == CLO_KEY_RSA) {
        clo_hash(hash, message, &digest);
        answer = crypto_verify_rsa(key, scheme, &digest, signature);
    } else if (scheme == CLO_ECDSA_RAW) {
        answer = verify_ecdsa(key, hash, message, signature.data);
    } else {
        answer = der_to_raw(size, signature, raw) ? verify_ecdsa(key, hash, message, raw)
                                                  : CRYPTO_HOLDS_NOT;
    }
    if (answer == CRYPTO_NO_MEMORY) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_SYSTEM, "signature: out of memory");
    }
    if (answer != CRYPTO_HOLDS)
        return clo_fail(err, CLO_ERR_REFUSED, "signature does not hold");
    return true;
}

static bool sign_with(EVP_PKEY *key, enum clo_signature_scheme scheme, enum clo_hash hash,
                      struct clo_bytes message, const char *properties,
                      uint8_t bytes[SIGNATURE_MAX], size_t *size)
{
    EVP_PKEY_CTX *context = NULL;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    *size = SIGNATURE_MAX;
    bool ok = digest != NULL &&
              EVP_DigestSignInit_ex(digest, &context, crypto_hash_name(hash), NULL, properties, key,
                                    NULL) == 1 &&
              set_padding(context, scheme) &&
              EVP_DigestSign(digest, bytes, size, message.data, message.size) == 1;

    EVP_MD_CTX_free(digest);
    return ok;
}

/* NULL: none is known. */
static const char *provider_of(const EVP_PKEY *key)
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);

    return provider == NULL ? NULL : OSSL_PROVIDER_get0_name(provider);
}

bool crypto_own_provider(const EVP_PKEY *key, char out[CRYPTO_PROPERTIES])
{
    const char *name = provider_of(key);

    if (name == NULL || strcmp(name, "default") == 0)
        return false;
    snprintf(out, CRYPTO_PROPERTIES, "?provider=%.64s", name);
    return true;
}

static bool sign_by_provider(EVP_PKEY *key, enum clo_signature_scheme scheme, enum clo_hash hash,
                             struct clo_bytes message, uint8_t *bytes, size_t *size)
{
    char properties[CRYPTO_PROPERTIES];

    if (!crypto_own_provider(key, properties))
        return false;
    ERR_clear_error();
    return sign_with(key, scheme, hash, message, properties, bytes, size);
}

/* --- With libcrypto's own keys on curves: what signs is made ready once and used again --- */

static EVP_PKEY_CTX *new_signer(EVP_PKEY *key)
{
    EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (signer != NULL && EVP_PKEY_sign_init(signer) == 1)
        return signer;
    EVP_PKEY_CTX_free(signer);
    return NULL;
}

static bool is_libcryptos(const EVP_PKEY *key)
{
    const char *name = provider_of(key);

    return name != NULL && strcmp(name, "default") == 0;
}

/* Who signs takes the one that is ready, and puts it back: others who sign meanwhile make one of their own. */
static bool sign_ready(const struct clo_private_key *key, enum clo_hash hash,
                       struct clo_bytes message, uint8_t *bytes, size_t *size)
{
    _Atomic(EVP_PKEY_CTX *) *ready = (_Atomic(EVP_PKEY_CTX *) *)(uintptr_t)&key->signer;
    struct clo_digest digest;

    if (key->kind == CLO_KEY_RSA || !is_libcryptos(key->evp))
        return false;
    EVP_PKEY_CTX *signer = atomic_exchange(ready, NULL);
    if (signer == NULL && (signer = new_signer(key->evp)) == NULL)
        return false;
    clo_hash(hash, message, &digest);
    struct clo_bytes hashed = clo_digest_bytes(&digest);
    *size = SIGNATURE_MAX;
    bool ok = EVP_PKEY_sign(signer, bytes, size, hashed.data, hashed.size) == 1;
    EVP_PKEY_CTX_free(ok ? atomic_exchange(ready, signer) : signer);
    return ok;
}

bool clo_signature_make(const struct clo_private_key *key, enum clo_signature_scheme scheme,
                        enum clo_hash hash, struct clo_bytes message, struct clo_buffer *signature,
                        struct clo_error *err)
{
    uint8_t bytes[SIGNATURE_MAX];
    uint8_t raw[2 * 66];
    size_t size = sizeof bytes;

    if (!scheme_fits(key->kind, scheme) || crypto_hash_name(hash) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: key and algorithm do not fit");
    if (!sign_ready(key, hash, message, bytes, &size) &&
        !sign_with(key->evp, scheme, hash, message, NULL, bytes, &size) &&
        !sign_by_provider(key->evp, scheme, hash, message, bytes, &size))
        return crypto_fail(err, CLO_ERR_SYSTEM, "signing");
    if (scheme == CLO_ECDSA_RAW) {
        size_t curve = crypto_curve_size(key->kind);
        if (!der_to_raw(curve, clo_bytes(bytes, size), raw))
            return crypto_fail(err, CLO_ERR_SYSTEM, "signing");
        clo_buffer_append(signature, clo_bytes(raw, 2 * curve));
    } else {
        clo_buffer_append(signature, clo_bytes(bytes, size));
    }
    return clo_buffer_ok(signature) || clo_out_of_memory(err);
}
