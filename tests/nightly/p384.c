/* P-384 held to GMP and OpenSSL over as many cases as there is time for: p384 [FIELD [SUMS [SEED]]]
 *
 * FIELD cases of the field's arithmetic against GMP's division, half of their limbs structured (zeros, ones, powers
 * of two, next to the prime) and half random; then SUMS sums u1*G + u2*Q against OpenSSL's points, with factors of
 * the same kinds and keys that are often small multiples of G, so that points meet. One process for each CPU.
 * tests/unit/test_p384.c has the cases that are wanted in every run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "lib/crypto/crypto_internal.h"
#include "lib/crypto/p384.h"

#define SIZE         48
#define SUMS_PER_KEY 16

static uint64_t random_state;

/* xorshift64*: the same cases for the same seed. */
static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void must(bool holds, const char *what, const mp_limb_t *a, const mp_limb_t *b)
{
    if (holds)
        return;
    fprintf(stderr, "P-384 differs: %s\n", what);
    for (size_t i = P384_LIMBS; a != NULL && i-- > 0;)
        fprintf(stderr, "%016" PRIx64 " %016" PRIx64 "\n", (uint64_t)a[i], (uint64_t)b[i]);
    exit(1);
}

static mp_limb_t any_limb(void)
{
    uint64_t choice = next_random();

    switch (choice >> 60) {
    case 0:
    case 1:
        return 0;
    case 2:
    case 3:
        return ~(mp_limb_t)0;
    case 4:
        return (mp_limb_t)1 << (choice & 63);
    case 5:
        return ((mp_limb_t)1 << (choice & 63)) - 1;
    case 6:
        return ~((mp_limb_t)1 << (choice & 63));
    case 7:
        return p384_prime.limb[choice % P384_LIMBS] + (choice >> 8 & 3) - 1;
    default:
        return next_random();
    }
}

/* Below `limit`, which has its highest bit set. */
static void any_number(const mp_limb_t *limit, mp_limb_t *out)
{
    uint64_t choice = next_random();

    for (size_t i = 0; i < P384_LIMBS; i++)
        out[i] = any_limb();
    if (choice % 16 == 0) /* just below the limit */
        mpn_sub_1(out, limit, P384_LIMBS, 1 + (choice >> 8 & 31));
    else if (choice % 16 == 1) { /* small */
        mpn_zero(out, P384_LIMBS);
        out[0] = choice >> 8 & 31;
    }
    while (mpn_cmp(out, limit, P384_LIMBS) >= 0)
        mpn_sub_n(out, out, limit, P384_LIMBS);
}

/* --- The field --- */

static void divide(const mp_limb_t *number, mp_size_t size, struct p384_number *out)
{
    mp_limb_t quotient[P384_LIMBS + 1];

    mpn_tdiv_qr(quotient, out->limb, 0, number, size, p384_prime.limb, P384_LIMBS);
}

static void field_case(void)
{
    mp_limb_t product[2 * P384_LIMBS], sum[P384_LIMBS + 1];
    struct p384_number a, b, ours, theirs;
    unsigned times = (unsigned)(next_random() & 31);

    any_number(p384_prime.limb, a.limb);
    any_number(p384_prime.limb, b.limb);
    p384_multiply(&a, &b, &ours);
    mpn_mul_n(product, a.limb, b.limb, P384_LIMBS);
    divide(product, 2 * P384_LIMBS, &theirs);
    must(p384_is_equal(&ours, &theirs), "product", a.limb, b.limb);
    p384_square(&a, &ours);
    mpn_sqr(product, a.limb, P384_LIMBS);
    divide(product, 2 * P384_LIMBS, &theirs);
    must(p384_is_equal(&ours, &theirs), "square", a.limb, a.limb);
    p384_add(&a, &b, &ours);
    sum[P384_LIMBS] = mpn_add_n(sum, a.limb, b.limb, P384_LIMBS);
    divide(sum, P384_LIMBS + 1, &theirs);
    must(p384_is_equal(&ours, &theirs), "sum", a.limb, b.limb);
    p384_subtract(&a, &b, &ours);
    if (mpn_sub_n(theirs.limb, a.limb, b.limb, P384_LIMBS) != 0)
        mpn_add_n(theirs.limb, theirs.limb, p384_prime.limb, P384_LIMBS);
    must(p384_is_equal(&ours, &theirs), "difference", a.limb, b.limb);
    p384_times(&a, times, &ours);
    sum[P384_LIMBS] = mpn_mul_1(sum, a.limb, P384_LIMBS, times);
    divide(sum, P384_LIMBS + 1, &theirs);
    must(p384_is_equal(&ours, &theirs), "multiple", a.limb, a.limb);
    /* Also what no product of two numbers of the field is. */
    for (size_t i = 0; i < 2 * P384_LIMBS; i++)
        product[i] = any_limb();
    p384_reduce(product, &ours);
    divide(product, 2 * P384_LIMBS, &theirs);
    must(p384_is_equal(&ours, &theirs), "remainder", product, product + P384_LIMBS);
}

/* --- Sums --- */

struct curve {
    EC_GROUP *group;
    BN_CTX *context;
    EC_POINT *key, *point;
    BIGNUM *a, *b;
};

static void bignum_of(const mp_limb_t *in, BIGNUM *out)
{
    uint8_t bytes[SIZE];

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(in[i / 8] >> i % 8 * 8);
    must(BN_lebin2bn(bytes, SIZE, out) != NULL, "memory", NULL, NULL);
}

/* False at infinity. */
static bool coordinates_of(const struct curve *c, const EC_POINT *point, uint8_t *x, uint8_t *y)
{
    return EC_POINT_is_at_infinity(c->group, point) == 0 &&
           EC_POINT_get_affine_coordinates(c->group, point, c->a, c->b, c->context) == 1 &&
           BN_bn2binpad(c->a, x, SIZE) == SIZE && BN_bn2binpad(c->b, y, SIZE) == SIZE;
}

/* `d` times the generator, which OpenSSL multiplied; d is not 0. */
static void any_key(const struct curve *c, mp_limb_t *d, struct p384_multiples *out)
{
    uint8_t x[SIZE], y[SIZE];

    do
        any_number(crypto_p384_order, d);
    while (mpn_zero_p(d, P384_LIMBS));
    bignum_of(d, c->a);
    must(EC_POINT_mul(c->group, c->key, c->a, NULL, NULL, c->context) == 1 &&
                 coordinates_of(c, c->key, x, y),
         "OpenSSL's key", d, d);
    must(p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), out), "point", d, d);
    y[next_random() % SIZE] ^= (uint8_t)(1U << (next_random() & 7));
    struct p384_multiples ignored;
    must(!p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), &ignored), "not a point", d,
         d);
}

/* u1 that makes u1*G and u2*Q the same point, or opposite ones. */
static void meeting(const mp_limb_t *d, const mp_limb_t *u2, mp_limb_t *u1)
{
    mp_limb_t product[2 * P384_LIMBS], quotient[P384_LIMBS + 1];

    mpn_mul_n(product, d, u2, P384_LIMBS);
    mpn_tdiv_qr(quotient, u1, 0, product, 2 * P384_LIMBS, crypto_p384_order, P384_LIMBS);
    if (next_random() & 1 && !mpn_zero_p(u1, P384_LIMBS))
        mpn_sub_n(u1, crypto_p384_order, u1, P384_LIMBS);
}

static void sum_case(const struct curve *c, const mp_limb_t *d, const struct p384_multiples *ready)
{
    mp_limb_t u1[P384_LIMBS], u2[P384_LIMBS], r[P384_LIMBS] = { 0 };
    uint8_t x[SIZE], y[SIZE];

    any_number(crypto_p384_order, u1);
    any_number(crypto_p384_order, u2);
    if (next_random() % 4 == 0)
        meeting(d, u2, u1);
    bignum_of(u1, c->a);
    bignum_of(u2, c->b);
    must(EC_POINT_mul(c->group, c->point, c->a, c->key, c->b, c->context) == 1, "OpenSSL's sum", u1,
         u2);
    bool is_there = coordinates_of(c, c->point, x, y);
    if (is_there) {
        crypto_read_limbs(x, P384_LIMBS, r);
        if (mpn_cmp(r, crypto_p384_order, P384_LIMBS) >= 0)
            mpn_sub_n(r, r, crypto_p384_order, P384_LIMBS);
    }
    must(p384_is_x_of_sum(u1, ready, u2, r) == is_there, "sum of multiples", u1, u2);
    r[next_random() % (P384_LIMBS - 1)] ^= (mp_limb_t)1 << (next_random() & 63);
    must(!p384_is_x_of_sum(u1, ready, u2, r), "another sum of multiples", u1, u2);
}

/* --- All of it --- */

static void run(uint64_t field, uint64_t sums)
{
    static struct p384_multiples ready;
    mp_limb_t d[P384_LIMBS];
    struct curve c = { EC_GROUP_new_by_curve_name(NID_secp384r1), BN_CTX_new() };

    for (uint64_t i = 0; i < field; i++)
        field_case();
    c.key = EC_POINT_new(c.group);
    c.point = EC_POINT_new(c.group);
    c.a = BN_new();
    c.b = BN_new();
    for (uint64_t i = 0; i < sums; i++) {
        if (i % SUMS_PER_KEY == 0)
            any_key(&c, d, &ready);
        sum_case(&c, d, &ready);
    }
    EC_POINT_free(c.key);
    EC_POINT_free(c.point);
    BN_free(c.a);
    BN_free(c.b);
    BN_CTX_free(c.context);
    EC_GROUP_free(c.group);
}

int main(int argc, char **argv)
{
    uint64_t field = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000000;
    uint64_t sums = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t workers = cpus < 1 ? 1 : (uint64_t)cpus;
    bool ok = true;

    for (uint64_t i = 0; i < workers; i++) {
        pid_t child = fork();
        if (child == 0) {
            random_state = (seed * workers + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
            run((field + workers - 1) / workers, (sums + workers - 1) / workers);
            exit(0);
        }
        ok = ok && child > 0;
    }
    for (int status; wait(&status) > 0;)
        ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("P-384: %" PRIu64 " cases of the field, %" PRIu64 " sums, seed %" PRIu64 ": %s\n", field,
           sums, seed, ok ? "as GMP and OpenSSL" : "differs");
    return ok ? 0 : 1;
}
