#include "crypto_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#define RSA_BITS_MIN 2048

static const struct {
    const char *group;
    size_t size;
} curves[] = {
    [CLO_KEY_P256] = { "prime256v1", 32 },
    [CLO_KEY_P384] = { "secp384r1", 48 },
    [CLO_KEY_P521] = { "secp521r1", 66 },
};

size_t crypto_curve_size(enum clo_key_kind kind)
{
    return kind == CLO_KEY_RSA ? 0 : curves[kind].size;
}

bool crypto_fail(struct clo_error *err, enum clo_status status, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    clo_fail(err, status, "%s%s%s", what, reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    ERR_clear_error();
    return false;
}

/* Which of the kinds we know is it? RSA of a size that no one attacks, or a NIST curve. */
static bool kind_of(EVP_PKEY *evp, enum clo_key_kind *out, struct clo_error *err)
{
    char group[64];

    if (EVP_PKEY_is_a(evp, "RSA")) {
        int bits = EVP_PKEY_get_bits(evp);
        if (bits < RSA_BITS_MIN || bits > RSA_KEY_BITS_MAX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "RSA key of %d bits", bits);
        *out = CLO_KEY_RSA;
        return true;
    }
    if (EVP_PKEY_is_a(evp, "EC") && EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1) {
        for (size_t i = CLO_KEY_P256; i < CLO_COUNT(curves); i++) {
            if (strcmp(group, curves[i].group) == 0) {
                *out = (enum clo_key_kind)i;
                return true;
            }
        }
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "key on curve %s", group);
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "key that is neither RSA nor on a NIST curve");
}

bool crypto_public_key(EVP_PKEY *evp, struct clo_public_key **out, struct clo_error *err)
{
    enum clo_key_kind kind;
    struct clo_public_key *key;

    if (!kind_of(evp, &kind, err)) {
        EVP_PKEY_free(evp);
        return false;
    }
    key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(evp);
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    }
    key->evp = evp;
    key->kind = kind;
    *out = key;
    return true;
}

static bool from_params(const char *type, OSSL_PARAM_BLD *build, struct clo_public_key **out,
                        struct clo_error *err)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *evp = NULL;
    bool ok = params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
              EVP_PKEY_fromdata(context, &evp, EVP_PKEY_PUBLIC_KEY, params) == 1;

    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    if (!ok) {
        EVP_PKEY_free(evp);
        return crypto_fail(err, CLO_ERR_FORMAT, "public key");
    }
    return crypto_public_key(evp, out, err);
}

bool clo_public_key_from_rsa(struct clo_bytes modulus, struct clo_bytes exponent,
                             struct clo_public_key **out, struct clo_error *err)
{
    if (modulus.size > RSA_KEY_BYTES_MAX + 1 || exponent.size > 8)
        return clo_fail(err, CLO_ERR_FORMAT, "RSA key: %zu-byte modulus, %zu-byte exponent",
                        modulus.size, exponent.size);
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool ok = n != NULL && e != NULL && build != NULL && BN_is_odd(e) && !BN_is_one(e) &&
              OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
              OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1;
    if (!ok)
        clo_fail(err, CLO_ERR_FORMAT, "RSA key: wrong exponent");
    ok = ok && from_params("RSA", build, out, err);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return ok;
}

bool clo_public_key_from_ec(enum clo_key_kind curve, struct clo_bytes x, struct clo_bytes y,
                            struct clo_public_key **out, struct clo_error *err)
{
    uint8_t point[1 + 2 * 66];
    size_t size = crypto_curve_size(curve);

    if (size == 0 || x.size != size || y.size != size)
        return clo_fail(err, CLO_ERR_FORMAT, "EC key: coordinates of %zu and %zu bytes", x.size,
                        y.size);
    point[0] = 4; /* uncompressed */
    memcpy(point + 1, x.data, size);
    memcpy(point + 1 + size, y.data, size);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool ok = build != NULL &&
              OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                              curves[curve].group, 0) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
                                               1 + 2 * size) == 1;
    if (!ok)
        clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    ok = ok && from_params("EC", build, out, err);
    OSSL_PARAM_BLD_free(build);
    return ok;
}

bool clo_public_key_from_spki(struct clo_bytes der, struct clo_public_key **out,
                              struct clo_error *err)
{
    const unsigned char *at = der.data;

    if (der.size > 65536)
        return clo_fail(err, CLO_ERR_FORMAT, "public key: %zu bytes", der.size);
    EVP_PKEY *evp = d2i_PUBKEY(NULL, &at, (long)der.size);
    if (evp == NULL)
        return crypto_fail(err, CLO_ERR_FORMAT, "public key");
    if (at != der.data + der.size) {
        EVP_PKEY_free(evp);
        return clo_fail(err, CLO_ERR_FORMAT, "public key: bytes behind its end");
    }
    return crypto_public_key(evp, out, err);
}

bool clo_public_key_from_pem(struct clo_bytes pem, struct clo_public_key **out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    size_t at = 0;

    err->status = CLO_OK;
    if (!clo_pem_next(pem, "PUBLIC KEY", &at, &der, err))
        return err->status != CLO_OK ? false
                                     : clo_fail(err, CLO_ERR_FORMAT, "no PEM block \"PUBLIC KEY\"");
    return clo_public_key_from_spki(clo_buffer_bytes(&der), out, err);
}

enum clo_key_kind clo_public_key_kind(const struct clo_public_key *key)
{
    return key->kind;
}

unsigned clo_public_key_bits(const struct clo_public_key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->evp);
}

bool clo_public_key_spki(const struct clo_public_key *key, struct clo_buffer *der,
                         struct clo_error *err)
{
    unsigned char *bytes = NULL;
    int size = i2d_PUBKEY(key->evp, &bytes);

    if (size <= 0)
        return crypto_fail(err, CLO_ERR_SYSTEM, "public key");
    clo_buffer_append(der, clo_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return clo_buffer_ok(der) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

bool clo_public_key_fingerprint(const struct clo_public_key *key, struct clo_digest *out,
                                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };

    if (!clo_public_key_spki(key, &der, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&der), out);
    return true;
}

/* RSA: modulus and exponent; EC: x and y. Big endian, EC coordinates of the curve's size. */
bool clo_public_key_numbers(const struct clo_public_key *key, struct clo_buffer *first,
                            struct clo_buffer *second, struct clo_error *err)
{
    bool is_rsa = key->kind == CLO_KEY_RSA;
    BIGNUM *a = NULL;
    BIGNUM *b = NULL;
    uint8_t bytes[RSA_KEY_BYTES_MAX + 1];
    bool ok = EVP_PKEY_get_bn_param(key->evp,
                                    is_rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X,
                                    &a) == 1 &&
              EVP_PKEY_get_bn_param(
                      key->evp, is_rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, &b) == 1;

    if (ok) {
        size_t size = crypto_curve_size(key->kind);
        size_t a_size = is_rsa ? (size_t)BN_num_bytes(a) : size;
        size_t b_size = is_rsa ? (size_t)BN_num_bytes(b) : size;
        ok = BN_bn2binpad(a, bytes, (int)a_size) == (int)a_size;
        clo_buffer_append(first, clo_bytes(bytes, a_size));
        ok = ok && BN_bn2binpad(b, bytes, (int)b_size) == (int)b_size;
        clo_buffer_append(second, clo_bytes(bytes, b_size));
    }
    BN_free(a);
    BN_free(b);
    if (!ok || !clo_buffer_ok(first) || !clo_buffer_ok(second))
        return crypto_fail(err, CLO_ERR_SYSTEM, "public key");
    return true;
}

void clo_public_key_free(struct clo_public_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->evp);
    free(key);
}

void clo_public_key_freep(struct clo_public_key **key)
{
    clo_public_key_free(*key);
    *key = NULL;
}

/* --- Private keys --- */

static bool private_key(EVP_PKEY *evp, struct clo_private_key **out, struct clo_error *err)
{
    enum clo_key_kind kind;
    struct clo_private_key *key;

    if (!kind_of(evp, &kind, err)) {
        EVP_PKEY_free(evp);
        return false;
    }
    key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(evp);
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    }
    key->evp = evp;
    key->kind = kind;
    *out = key;
    return true;
}

bool clo_private_key_new(enum clo_key_kind kind, unsigned rsa_bits, struct clo_private_key **out,
                         struct clo_error *err)
{
    EVP_PKEY *evp = kind == CLO_KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits)
                                        : EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[kind].group);

    if (evp == NULL)
        return crypto_fail(err, CLO_ERR_SYSTEM, "key generation");
    return private_key(evp, out, err);
}

/* Never asks a terminal for a passphrase. */
static int no_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

bool clo_private_key_from_pem(struct clo_bytes pem, struct clo_private_key **out,
                              struct clo_error *err)
{
    if (pem.size > 1 << 20)
        return clo_fail(err, CLO_ERR_FORMAT, "private key: %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.data == NULL ? "" : (const char *)pem.data, (int)pem.size);
    EVP_PKEY *evp = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (evp == NULL) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_FORMAT, "no private key in PEM without a passphrase");
    }
    return private_key(evp, out, err);
}

bool clo_private_key_pem(const struct clo_private_key *key, struct clo_secret **out,
                         struct clo_error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data;
    bool ok = bio != NULL &&
              PEM_write_bio_PKCS8PrivateKey(bio, key->evp, NULL, NULL, 0, NULL, NULL) == 1;

    if (!ok)
        crypto_fail(err, CLO_ERR_SYSTEM, "private key");
    if (ok) {
        long size = BIO_get_mem_data(bio, &data);
        ok = clo_secret_copy(clo_bytes(data, (size_t)size), out, err);
    }
    BIO_free(bio);
    return ok;
}

bool clo_private_key_public(const struct clo_private_key *key, struct clo_public_key **out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_public_key view = { .evp = key->evp, .kind = key->kind };

    return clo_public_key_spki(&view, &der, err) &&
           clo_public_key_from_spki(clo_buffer_bytes(&der), out, err);
}

enum clo_key_kind clo_private_key_kind(const struct clo_private_key *key)
{
    return key->kind;
}

void clo_private_key_free(struct clo_private_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->evp); /* libcrypto clears the secret numbers */
    free(key);
}

void clo_private_key_freep(struct clo_private_key **key)
{
    clo_private_key_free(*key);
    *key = NULL;
}

struct evp_pkey_st *clo_private_key_evp(const struct clo_private_key *key)
{
    return key->evp;
}

struct evp_pkey_st *clo_public_key_evp(const struct clo_public_key *key)
{
    return key->evp;
}
