#include "crypto_internal.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

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

/* r || s to the SEQUENCE that libcrypto takes. *der is freed with OPENSSL_free. */
static bool raw_to_der(size_t size, struct clo_bytes raw, unsigned char **der, size_t *der_size)
{
    if (raw.size != 2 * size)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.data, (int)size, NULL);
    BIGNUM *s = BN_bin2bn(raw.data + size, (int)size, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return false;
    }
    *der = NULL;
    int written = i2d_ECDSA_SIG(pair, der);
    ECDSA_SIG_free(pair);
    *der_size = written > 0 ? (size_t)written : 0;
    return written > 0;
}

bool clo_signature_verify(const struct clo_public_key *key, enum clo_signature_scheme scheme,
                          enum clo_hash hash, struct clo_bytes message, struct clo_bytes signature,
                          struct clo_error *err)
{
    unsigned char *der = NULL;
    EVP_PKEY_CTX *context = NULL;

    if (!scheme_fits(key->kind, scheme) || crypto_hash_name(hash) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: key and algorithm do not fit");
    if (scheme == CLO_ECDSA_RAW) {
        size_t size = 0;
        if (!raw_to_der(crypto_curve_size(key->kind), signature, &der, &size))
            return clo_fail(err, CLO_ERR_REFUSED, "signature: %zu bytes, expected %zu",
                            signature.size, 2 * crypto_curve_size(key->kind));
        signature = clo_bytes(der, size);
    }
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool started = digest != NULL &&
                   EVP_DigestVerifyInit_ex(digest, &context, crypto_hash_name(hash), NULL, NULL,
                                           key->evp, NULL) == 1 &&
                   set_padding(context, scheme);
    int result = started ? EVP_DigestVerify(digest, signature.data, signature.size, message.data,
                                            message.size)
                         : -1;
    EVP_MD_CTX_free(digest);
    OPENSSL_free(der);
    ERR_clear_error();
    if (!started)
        return clo_fail(err, CLO_ERR_SYSTEM, "signature: libcrypto refused the algorithm");
    /* 0: it does not hold; negative: it is not even of the form. Both mean no. */
    if (result != 1)
        return clo_fail(err, CLO_ERR_REFUSED, "signature does not hold");
    return true;
}

static bool der_to_raw(size_t size, struct clo_bytes der, uint8_t *raw)
{
    const unsigned char *at = der.data;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    bool ok = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, (int)size) == (int)size &&
              BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + size, (int)size) == (int)size;

    ECDSA_SIG_free(pair);
    return ok;
}

bool clo_signature_make(const struct clo_private_key *key, enum clo_signature_scheme scheme,
                        enum clo_hash hash, struct clo_bytes message, struct clo_buffer *signature,
                        struct clo_error *err)
{
    uint8_t bytes[1100];
    uint8_t raw[2 * 66];
    size_t size = sizeof bytes;
    EVP_PKEY_CTX *context = NULL;

    if (!scheme_fits(key->kind, scheme) || crypto_hash_name(hash) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: key and algorithm do not fit");
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool ok = digest != NULL &&
              EVP_DigestSignInit_ex(digest, &context, crypto_hash_name(hash), NULL, NULL, key->evp,
                                    NULL) == 1 &&
              set_padding(context, scheme) &&
              EVP_DigestSign(digest, bytes, &size, message.data, message.size) == 1;
    EVP_MD_CTX_free(digest);
    if (!ok)
        return crypto_fail(err, CLO_ERR_SYSTEM, "signing");
    if (scheme == CLO_ECDSA_RAW) {
        size_t curve = crypto_curve_size(key->kind);
        if (!der_to_raw(curve, clo_bytes(bytes, size), raw))
            return crypto_fail(err, CLO_ERR_SYSTEM, "signing");
        clo_buffer_append(signature, clo_bytes(raw, 2 * curve));
    } else {
        clo_buffer_append(signature, clo_bytes(bytes, size));
    }
    return clo_buffer_ok(signature) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}
