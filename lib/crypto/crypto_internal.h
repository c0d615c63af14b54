/* What the files of this room share: how keys look inside, and what verifies with them. */
#ifndef CLOISTER_LIB_CRYPTO_INTERNAL_H
#define CLOISTER_LIB_CRYPTO_INTERNAL_H

#include <stdatomic.h>

#include <gmp.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "cloister/crypto.h"

#define RSA_KEY_BITS_MIN  2048
#define RSA_KEY_BITS_MAX  8192
#define RSA_KEY_BYTES_MAX (RSA_KEY_BITS_MAX / 8)
#define CURVE_BYTES_MAX   66

/* Everything that verifying needs is there from the beginning and does not change, so that a key may
 * be used by any number of threads at once. */
struct clo_public_key {
    enum clo_key_kind kind;
    unsigned bits;
    struct clo_buffer spki;
    struct clo_bytes first, second; /* modulus and exponent, or x and y: views into it */
    struct {
        BIGNUM *n, *e;
        BN_MONT_CTX *mont;
        bool is_usual; /* e is 65537 */
    } rsa;
    EC_POINT *p256;
    struct p384_multiples *p384;
    _Atomic(EVP_PKEY *) evp; /* made when first asked for */
};

struct clo_private_key {
    EVP_PKEY *evp;
    enum clo_key_kind kind;
    _Atomic(EVP_PKEY_CTX *) signer; /* ready to sign; NULL: none, or in use */
};

/* What libcrypto's big numbers need to work in: each thread has its own, made once and kept, so that
 * verifying allocates nothing. */
struct crypto_scratch {
    BN_CTX *context;
    BIGNUM *a, *b, *c;
    EC_POINT *point, *key; /* on P-256 */
};
const struct crypto_scratch *crypto_scratch(void); /* NULL: out of memory */
const EC_GROUP *crypto_p256(void);                 /* NULL: out of memory */

/* Fails with `what` and libcrypto's own reason, and empties its error queue. */
bool crypto_fail(struct clo_error *err, enum clo_status status, const char *what);
/* OpenSSL takes its own implementation where a provider lets it have the public half of a key (a TPM's does): by these properties
 * that provider's own is asked for. False: the key is OpenSSL's. */
#define CRYPTO_PROPERTIES 128
bool crypto_own_provider(const EVP_PKEY *key, char out[CRYPTO_PROPERTIES]);
const char *crypto_hash_name(enum clo_hash hash); /* libcrypto's */
/* The curve's size in bytes; 0 for RSA. */
size_t crypto_curve_size(enum clo_key_kind kind);

/* numbers.c. Limbs, the lowest first, of a number that is big endian. */
void crypto_read_limbs(const uint8_t *bytes, mp_size_t count, mp_limb_t *out);
/* 1/number modulo a prime of so many limbs, at most those of P-384; the number is neither 0 nor above it. */
void crypto_invert(const mp_limb_t *number, const mp_limb_t *prime, mp_size_t count,
                   mp_limb_t *out);
extern const mp_limb_t crypto_p384_order[];

enum crypto_answer {
    CRYPTO_HOLDS,
    CRYPTO_HOLDS_NOT,
    CRYPTO_NO_MEMORY,
};
/* On P-256 and P-384; r and s big endian, each of the curve's size. */
enum crypto_answer crypto_verify_ecdsa(const struct clo_public_key *key, struct clo_bytes digest,
                                       const uint8_t *r, const uint8_t *s);
enum crypto_answer crypto_verify_rsa(const struct clo_public_key *key,
                                     enum clo_signature_scheme scheme,
                                     const struct clo_digest *digest, struct clo_bytes signature);

#endif
