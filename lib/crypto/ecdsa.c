/* ECDSA verification (FIPS 186-5, section 6.4.2). P-384 with nettle, whose arithmetic for it is almost
 * twice as fast as OpenSSL 3.0's and works in memory that we give it; P-256 with OpenSSL's, whose
 * point multiplication is the fastest, and GMP's for the numbers around it. Nothing here is secret. */
#include "crypto_internal.h"

#include <string.h>

#include <gmp.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>

#define P256_LIMBS   4
#define P384_LIMBS   6
#define P384_SCRATCH 512
#define LIMB_BYTES   sizeof(mp_limb_t)
#define ORDER(a, b)  ((mp_limb_t)(a) << 32 | (b))

_Static_assert(GMP_NUMB_BITS == 64, "numbers are read as limbs of 64 bits");

static void read_limbs(const uint8_t *bytes, size_t count, mp_limb_t *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = bytes + (count - 1 - i) * LIMB_BYTES;
        out[i] = 0;
        for (size_t k = 0; k < LIMB_BYTES; k++)
            out[i] = out[i] << 8 | at[k];
    }
}

static bool is_in_range(const mp_limb_t *number, const mp_limb_t *order, mp_size_t count)
{
    return !mpn_zero_p(number, count) && mpn_cmp(number, order, count) < 0;
}

/* --- P-384 --- */

static const mp_limb_t p384_order[P384_LIMBS] = {
    ORDER(0xecec196a, 0xccc52973), ORDER(0x581a0db2, 0x48b0a77a), ORDER(0xc7634d81, 0xf4372ddf),
    ORDER(0xffffffff, 0xffffffff), ORDER(0xffffffff, 0xffffffff), ORDER(0xffffffff, 0xffffffff),
};

enum crypto_answer crypto_verify_p384(const struct clo_public_key *key, struct clo_bytes digest,
                                      const uint8_t *r_bytes, const uint8_t *s_bytes)
{
    mp_limb_t scratch[P384_SCRATCH];
    mp_limb_t r[P384_LIMBS];
    mp_limb_t s[P384_LIMBS];

    if (ecc_ecdsa_verify_itch(key->p384.ecc) > P384_SCRATCH)
        return CRYPTO_NO_MEMORY; /* a nettle that wants more than any so far */
    read_limbs(r_bytes, P384_LIMBS, r);
    read_limbs(s_bytes, P384_LIMBS, s);
    if (!is_in_range(r, p384_order, P384_LIMBS) || !is_in_range(s, p384_order, P384_LIMBS))
        return CRYPTO_HOLDS_NOT;
    return ecc_ecdsa_verify(key->p384.ecc, key->p384.p, digest.size, digest.data, r, s, scratch) ==
                           1
                   ? CRYPTO_HOLDS
                   : CRYPTO_HOLDS_NOT;
}

/* --- P-256 --- */

static const mp_limb_t p256_order[P256_LIMBS] = {
    ORDER(0xf3b9cac2, 0xfc632551),
    ORDER(0xbce6faad, 0xa7179e84),
    ORDER(0xffffffff, 0xffffffff),
    ORDER(0xffffffff, 0x00000000),
};

/* 1/s modulo the order, which is prime. */
static void invert(const mp_limb_t *s, mp_limb_t *out)
{
    /* GMP wants the first operand to be no smaller: s plus the order is as good as s. */
    mp_limb_t u[P256_LIMBS + 1];
    mp_limb_t v[P256_LIMBS + 1];
    mp_limb_t divisor[P256_LIMBS + 1];
    mp_limb_t inverse[P256_LIMBS + 2] = { 0 };
    mp_size_t size;

    u[P256_LIMBS] = mpn_add_n(u, s, p256_order, P256_LIMBS);
    mpn_copyi(v, p256_order, P256_LIMBS);
    mpn_gcdext(divisor, inverse, &size, u, P256_LIMBS + 1, v, P256_LIMBS);
    mp_size_t count = size < 0 ? -size : size;
    mpn_zero(out, P256_LIMBS);
    mpn_copyi(out, inverse, count > P256_LIMBS ? P256_LIMBS : count);
    if (size < 0)
        mpn_sub_n(out, p256_order, out, P256_LIMBS);
}

static void multiply(const mp_limb_t *a, const mp_limb_t *b, mp_limb_t *out)
{
    mp_limb_t product[2 * P256_LIMBS];
    mp_limb_t quotient[P256_LIMBS + 1];

    mpn_mul_n(product, a, b, P256_LIMBS);
    mpn_tdiv_qr(quotient, out, 0, product, 2 * P256_LIMBS, p256_order, P256_LIMBS);
}

/* The digest's leftmost 256 bits, below the order. */
static void digest_number(struct clo_bytes digest, mp_limb_t *out)
{
    uint8_t bytes[P256_LIMBS * LIMB_BYTES] = { 0 };
    size_t size = digest.size < sizeof bytes ? digest.size : sizeof bytes;

    memcpy(bytes + sizeof bytes - size, digest.data, size);
    read_limbs(bytes, P256_LIMBS, out);
    if (mpn_cmp(out, p256_order, P256_LIMBS) >= 0)
        mpn_sub_n(out, out, p256_order, P256_LIMBS);
}

/* Is r the x of u1*G + u2*Q, modulo the order? */
static bool is_x_of_sum(const struct clo_public_key *key, const struct crypto_scratch *scratch,
                        const mp_limb_t *u1, const mp_limb_t *u2, const mp_limb_t *r)
{
    const EC_GROUP *group = crypto_p256();
    uint8_t bytes[P256_LIMBS * LIMB_BYTES];
    mp_limb_t x[P256_LIMBS];

    if (BN_lebin2bn((const uint8_t *)u1, sizeof bytes, scratch->a) == NULL ||
        BN_lebin2bn((const uint8_t *)u2, sizeof bytes, scratch->b) == NULL ||
        EC_POINT_mul(group, scratch->point, scratch->a, key->p256, scratch->b, scratch->context) !=
                1 ||
        EC_POINT_get_affine_coordinates(group, scratch->point, scratch->c, NULL,
                                        scratch->context) != 1 ||
        BN_bn2binpad(scratch->c, bytes, sizeof bytes) != (int)sizeof bytes)
        return false;
    read_limbs(bytes, P256_LIMBS, x);
    if (mpn_cmp(x, p256_order, P256_LIMBS) >= 0)
        mpn_sub_n(x, x, p256_order, P256_LIMBS);
    return mpn_cmp(x, r, P256_LIMBS) == 0;
}

enum crypto_answer crypto_verify_p256(const struct clo_public_key *key, struct clo_bytes digest,
                                      const uint8_t *r_bytes, const uint8_t *s_bytes)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    mp_limb_t r[P256_LIMBS];
    mp_limb_t s[P256_LIMBS];
    mp_limb_t e[P256_LIMBS];
    mp_limb_t w[P256_LIMBS];
    mp_limb_t u1[P256_LIMBS];
    mp_limb_t u2[P256_LIMBS];

    if (scratch == NULL)
        return CRYPTO_NO_MEMORY;
    read_limbs(r_bytes, P256_LIMBS, r);
    read_limbs(s_bytes, P256_LIMBS, s);
    if (!is_in_range(r, p256_order, P256_LIMBS) || !is_in_range(s, p256_order, P256_LIMBS))
        return CRYPTO_HOLDS_NOT;
    digest_number(digest, e);
    invert(s, w);
    multiply(e, w, u1);
    multiply(r, w, u2);
    return is_x_of_sum(key, scratch, u1, u2, r) ? CRYPTO_HOLDS : CRYPTO_HOLDS_NOT;
}
