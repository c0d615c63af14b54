/* Numbers modulo p = 2^384 - 2^128 - 2^96 + 2^32 - 1, the field of P-384 (SP 800-186, section 3.2.1.4).
 *
 * For numbers that are public: how long these take, and what they touch, depends on them. Every number is
 * below p, so that equal ones have equal limbs. GMP multiplies; the reduction is ours, since this prime
 * needs additions alone: 2^384 = 2^128 + 2^96 - 2^32 + 1. */
#ifndef CLOISTER_LIB_CRYPTO_P384_FIELD_H
#define CLOISTER_LIB_CRYPTO_P384_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <gmp.h>

#define P384_LIMBS 6

_Static_assert(GMP_NUMB_BITS == 64, "numbers are read as limbs of 64 bits");

__extension__ typedef __int128 p384_wide;

struct p384_number {
    mp_limb_t limb[P384_LIMBS]; /* the lowest first */
};

static const struct p384_number p384_prime = { {
        0x00000000ffffffff,
        0xffffffff00000000,
        0xfffffffffffffffe,
        0xffffffffffffffff,
        0xffffffffffffffff,
        0xffffffffffffffff,
} };

static inline bool p384_is_zero(const struct p384_number *a)
{
    return (a->limb[0] | a->limb[1] | a->limb[2] | a->limb[3] | a->limb[4] | a->limb[5]) == 0;
}

static inline bool p384_is_equal(const struct p384_number *a, const struct p384_number *b)
{
    return memcmp(a->limb, b->limb, sizeof a->limb) == 0;
}

/* Writes the sum's lowest limb; the rest stays to be carried. */
static inline mp_limb_t p384_carry(p384_wide *sum)
{
    mp_limb_t low = (mp_limb_t)*sum;

    *sum >>= 64;
    return low;
}

/* What is seldom needed: `a`, with `top` above its limbs and below 2p with it, made less than p. */
static inline void p384_settle(struct p384_number *a, mp_limb_t top)
{
    if (top > 0 || mpn_cmp(a->limb, p384_prime.limb, P384_LIMBS) >= 0)
        mpn_sub_n(a->limb, a->limb, p384_prime.limb, P384_LIMBS);
}

/* Adds `top` times 2^384, modulo p: below 2^31, and -1 for what was borrowed, when `a` is above 2^384 - p,
 * so that the sum is never negative; nor is it 2^384 + 2^160 or more, which is below 2p. Carries hardly ever
 * leave the lower half, nor is the number p or more then unless its highest limb is all ones. */
static inline void p384_fold(struct p384_number *a, int64_t top)
{
    p384_wide sum = (p384_wide)a->limb[0] + top - top * ((int64_t)1 << 32);

    a->limb[0] = p384_carry(&sum);
    sum += (p384_wide)a->limb[1] + top * ((int64_t)1 << 32);
    a->limb[1] = p384_carry(&sum);
    sum += (p384_wide)a->limb[2] + top;
    a->limb[2] = p384_carry(&sum);
    if (__builtin_expect(sum == 0 && a->limb[P384_LIMBS - 1] != ~(mp_limb_t)0, 1))
        return;
    for (int i = P384_LIMBS / 2; i < P384_LIMBS; i++) {
        sum += a->limb[i];
        a->limb[i] = p384_carry(&sum);
    }
    p384_settle(a, (mp_limb_t)sum);
}

static inline void p384_add(const struct p384_number *a, const struct p384_number *b,
                            struct p384_number *out)
{
    p384_fold(out, (int64_t)mpn_add_n(out->limb, a->limb, b->limb, P384_LIMBS));
}

static inline void p384_subtract(const struct p384_number *a, const struct p384_number *b,
                                 struct p384_number *out)
{
    p384_fold(out, -(int64_t)mpn_sub_n(out->limb, a->limb, b->limb, P384_LIMBS));
}

/* So many times, fewer than 2^31. */
static inline void p384_times(const struct p384_number *a, unsigned times, struct p384_number *out)
{
    p384_fold(out, (int64_t)mpn_mul_1(out->limb, a->limb, P384_LIMBS, times));
}

/* `product`, whichever it is, modulo p. Its upper half H counts 2^128 + 2^96 - 2^32 + 1 times; x is H shifted
 * by 32 bits. Columns are from -2^64 to 2^66. What all leaves above 2^384 is below 2^128 + 2^97, and counts so
 * many times again: the sum is below 2^384 + 2^258 then, and not negative, for H counts more than 0 times. */
static inline void p384_reduce(const mp_limb_t *product, struct p384_number *out)
{
    const mp_limb_t *h = product + P384_LIMBS;
    mp_limb_t x[P384_LIMBS + 1];
    mp_limb_t a[P384_LIMBS + 2];
    p384_wide sum = 0;

    x[0] = h[0] << 32;
    for (int i = 1; i < P384_LIMBS; i++)
        x[i] = h[i] << 32 | h[i - 1] >> 32;
    x[P384_LIMBS] = h[P384_LIMBS - 1] >> 32;
#pragma GCC unroll 8
    for (int i = 0; i < P384_LIMBS + 2; i++) {
        p384_wide column = 0;
        if (i < P384_LIMBS)
            column += (p384_wide)product[i] + h[i];
        if (i >= 2)
            column += h[i - 2];
        if (i >= 1)
            column += x[i - 1];
        if (i <= P384_LIMBS)
            column -= x[i];
        sum += column;
        a[i] = p384_carry(&sum);
    }

    mp_limb_t h0 = a[P384_LIMBS];
    mp_limb_t h1 = a[P384_LIMBS + 1];
    mp_limb_t h2 = (mp_limb_t)sum; /* 0, or 1 and h1 below 2^33 */
    mp_limb_t x0 = h0 << 32;
    mp_limb_t x1 = h1 << 32 | h0 >> 32;
    mp_limb_t x2 = h2 << 32 | h1 >> 32;
    sum = (p384_wide)a[0] + h0 - x0;
    out->limb[0] = p384_carry(&sum);
    sum += (p384_wide)a[1] + h1 + x0 - x1;
    out->limb[1] = p384_carry(&sum);
    sum += (p384_wide)a[2] + h2 + h0 + x1 - x2;
    out->limb[2] = p384_carry(&sum);
    sum += (p384_wide)a[3] + h1 + x2;
    out->limb[3] = p384_carry(&sum);
    sum += (p384_wide)a[4] + h2;
    out->limb[4] = p384_carry(&sum);
    sum += a[5];
    out->limb[5] = p384_carry(&sum);
    if (__builtin_expect(sum != 0 || out->limb[5] == ~(mp_limb_t)0, 0))
        p384_settle(out, (mp_limb_t)sum);
}

static inline void p384_multiply(const struct p384_number *a, const struct p384_number *b,
                                 struct p384_number *out)
{
    mp_limb_t product[2 * P384_LIMBS];

    mpn_mul_n(product, a->limb, b->limb, P384_LIMBS);
    p384_reduce(product, out);
}

static inline void p384_square(const struct p384_number *a, struct p384_number *out)
{
    mp_limb_t product[2 * P384_LIMBS];

    mpn_sqr(product, a->limb, P384_LIMBS);
    p384_reduce(product, out);
}

#endif
