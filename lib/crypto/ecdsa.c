/* ECDSA verification (FIPS 186-5, section 6.4.2) on P-256 and P-384. Nothing here is secret: the numbers
 * are GMP's; points are multiplied by OpenSSL on P-256, whose assembly is the fastest there is, and by
 * p384.c on P-384. Both take memory that they have already. */
#include "crypto_internal.h"

#include <string.h>

#include "p384.h"

#define P256_LIMBS  4
#define LIMBS_MAX   P384_LIMBS
#define ORDER(a, b) ((mp_limb_t)(a) << 32 | (b))

static const mp_limb_t p256_order[P256_LIMBS] = {
    ORDER(0xf3b9cac2, 0xfc632551),
    ORDER(0xbce6faad, 0xa7179e84),
    ORDER(0xffffffff, 0xffffffff),
    ORDER(0xffffffff, 0x00000000),
};

/* --- Numbers --- */

static bool is_in_range(const mp_limb_t *number, const mp_limb_t *order, mp_size_t count)
{
    return !mpn_zero_p(number, count) && mpn_cmp(number, order, count) < 0;
}

static void multiply(const mp_limb_t *a, const mp_limb_t *b, const mp_limb_t *order,
                     mp_size_t count, mp_limb_t *out)
{
    mp_limb_t product[2 * LIMBS_MAX];
    mp_limb_t quotient[LIMBS_MAX + 1];

    mpn_mul_n(product, a, b, count);
    mpn_tdiv_qr(quotient, out, 0, product, 2 * count, order, count);
}

/* As many of the digest's leftmost bits as the order has; products are made less than it. */
static void digest_number(struct clo_bytes digest, mp_size_t count, mp_limb_t *out)
{
    uint8_t bytes[LIMBS_MAX * sizeof(mp_limb_t)] = { 0 };
    size_t whole = (size_t)count * sizeof(mp_limb_t);
    size_t size = digest.size < whole ? digest.size : whole;

    memcpy(bytes + whole - size, digest.data, size);
    crypto_read_limbs(bytes, count, out);
}

/* --- The point --- */

/* Is r the x of u1*G + u2*Q, modulo the order? */
static bool is_x_on_p256(const struct clo_public_key *key, const struct crypto_scratch *scratch,
                         const mp_limb_t *u1, const mp_limb_t *u2, const mp_limb_t *r)
{
    const EC_GROUP *group = crypto_p256();
    uint8_t bytes[P256_LIMBS * sizeof(mp_limb_t)];
    mp_limb_t x[P256_LIMBS];

    if (BN_lebin2bn((const uint8_t *)u1, sizeof bytes, scratch->a) == NULL ||
        BN_lebin2bn((const uint8_t *)u2, sizeof bytes, scratch->b) == NULL ||
        EC_POINT_mul(group, scratch->point, scratch->a, key->p256, scratch->b, scratch->context) !=
                1 ||
        EC_POINT_get_affine_coordinates(group, scratch->point, scratch->c, NULL,
                                        scratch->context) != 1 ||
        BN_bn2binpad(scratch->c, bytes, sizeof bytes) != (int)sizeof bytes)
        return false;
    crypto_read_limbs(bytes, P256_LIMBS, x);
    if (mpn_cmp(x, p256_order, P256_LIMBS) >= 0)
        mpn_sub_n(x, x, p256_order, P256_LIMBS);
    return mpn_cmp(x, r, P256_LIMBS) == 0;
}

/* --- The signature --- */

enum crypto_answer crypto_verify_ecdsa(const struct clo_public_key *key, struct clo_bytes digest,
                                       const uint8_t *r_bytes, const uint8_t *s_bytes)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    bool is_p384 = key->kind == CLO_KEY_P384;
    const mp_limb_t *order = is_p384 ? crypto_p384_order : p256_order;
    mp_size_t count = is_p384 ? P384_LIMBS : P256_LIMBS;
    mp_limb_t r[LIMBS_MAX];
    mp_limb_t s[LIMBS_MAX];
    mp_limb_t e[LIMBS_MAX];
    mp_limb_t w[LIMBS_MAX];
    mp_limb_t u1[LIMBS_MAX];
    mp_limb_t u2[LIMBS_MAX];

    if (scratch == NULL)
        return CRYPTO_NO_MEMORY;
    crypto_read_limbs(r_bytes, count, r);
    crypto_read_limbs(s_bytes, count, s);
    if (!is_in_range(r, order, count) || !is_in_range(s, order, count))
        return CRYPTO_HOLDS_NOT;
    digest_number(digest, count, e);
    crypto_invert(s, order, count, w);
    multiply(e, w, order, count, u1);
    multiply(r, w, order, count, u2);
    bool holds = is_p384 ? p384_is_x_of_sum(u1, key->p384, u2, r)
                         : is_x_on_p256(key, scratch, u1, u2, r);
    return holds ? CRYPTO_HOLDS : CRYPTO_HOLDS_NOT;
}
