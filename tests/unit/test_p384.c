/* The arithmetic of P-384 next to GMP's own modulo and OpenSSL's points, where it is likeliest to be wrong:
 * next to the prime, at the edges of limbs and parts, and where points meet. */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "lib/crypto/crypto_internal.h"
#include "lib/crypto/p384.h"

#include "test.h"

#define SIZE   48
#define RANDOM 40

/* --- The field --- */

static gmp_randstate_t state_of_random;

/* The one with this index, of numbers below `limit`; false: there are no more. The first are near zero,
 * near the limit, and near every power of two that is a limb's or a part's. */
static bool awkward(size_t index, const mpz_t limit, mpz_t out)
{
    static const unsigned shifts[] = { 0,   4,   5,   31,  32,  33,  63,  64,  95,  96,  97, 127,
                                       128, 159, 160, 191, 192, 255, 256, 287, 288, 320, 383 };
    static const int near[] = { -17, -16, -15, -2, -1, 0, 1, 2, 15, 16, 17 };
    size_t near_count = CLO_COUNT(near);

    if (index >= near_count * (CLO_COUNT(shifts) + 1)) {
        mpz_urandomm(out, state_of_random, limit);
        return index < near_count * (CLO_COUNT(shifts) + 1) + RANDOM;
    }
    if (index < near_count) {
        mpz_set(out, limit);
    } else {
        mpz_set_ui(out, 0);
        mpz_setbit(out, shifts[index / near_count - 1]);
    }
    int difference = near[index % near_count];
    if (difference < 0)
        mpz_sub_ui(out, out, (unsigned)-difference);
    else
        mpz_add_ui(out, out, (unsigned)difference);
    mpz_mod(out, out, limit);
    return true;
}

static void number_of(const mpz_t in, struct p384_number *out)
{
    for (size_t i = 0; i < P384_LIMBS; i++)
        out->limb[i] = mpz_getlimbn(in, (mp_size_t)i);
}

static bool is(const struct p384_number *number, const mpz_t expected)
{
    struct p384_number other;

    number_of(expected, &other);
    return p384_is_equal(number, &other);
}

static void field(void **state)
{
    struct p384_number x;
    struct p384_number y;
    struct p384_number z;
    size_t count = 0;
    mpz_t p, a, b, c;

    (void)state;
    mpz_inits(p, a, b, c, NULL);
    mpz_import(p, P384_LIMBS, -1, sizeof(mp_limb_t), 0, 0, p384_prime.limb);
    for (size_t i = 0; awkward(i, p, a); i++) {
        number_of(a, &x);
        p384_square(&x, &z);
        mpz_mul(c, a, a);
        mpz_mod(c, c, p);
        assert_true(is(&z, c));
        for (unsigned times = 0; times <= 16; times++) {
            p384_times(&x, times, &z);
            mpz_mul_ui(c, a, times);
            mpz_mod(c, c, p);
            assert_true(is(&z, c));
        }
        for (size_t j = 0; awkward(j, p, b); j++, count++) {
            number_of(b, &y);
            p384_multiply(&x, &y, &z);
            mpz_mul(c, a, b);
            mpz_mod(c, c, p);
            assert_true(is(&z, c));
            p384_add(&x, &y, &z);
            mpz_add(c, a, b);
            mpz_mod(c, c, p);
            assert_true(is(&z, c));
            p384_subtract(&x, &y, &z);
            mpz_sub(c, a, b);
            mpz_mod(c, c, p);
            assert_true(is(&z, c));
        }
    }
    assert_true(count > 90000);
    mpz_clears(p, a, b, c, NULL);
}

/* Every pattern of limbs that are all zeros, all ones, 1, or all ones but the lowest bit: each carry and
 * borrow there can be. Larger products than the field has, too. */
static void reduction(void **state)
{
    static const mp_limb_t patterns[] = { 0, ~(mp_limb_t)0, 1, ~(mp_limb_t)1 };
    mp_limb_t product[2 * P384_LIMBS];
    mp_limb_t quotient[P384_LIMBS + 1];
    struct p384_number expected;
    struct p384_number out;

    (void)state;
    for (uint32_t i = 0; i < 1U << 24; i += i < 1U << 16 ? 1 : 37) {
        for (size_t k = 0; k < 2 * P384_LIMBS; k++)
            product[k] = patterns[i >> (2 * k) & 3];
        mpn_tdiv_qr(quotient, expected.limb, 0, product, 2 * P384_LIMBS, p384_prime.limb,
                    P384_LIMBS);
        p384_reduce(product, &out);
        assert_true(p384_is_equal(&out, &expected));
    }
}

static void inverse(void **state)
{
    struct p384_number x;
    struct p384_number y;
    struct p384_number product;
    mpz_t p, a;

    (void)state;
    mpz_inits(p, a, NULL);
    mpz_import(p, P384_LIMBS, -1, sizeof(mp_limb_t), 0, 0, p384_prime.limb);
    for (size_t i = 0; awkward(i, p, a); i++) {
        if (mpz_sgn(a) == 0)
            continue;
        number_of(a, &x);
        crypto_invert(x.limb, p384_prime.limb, P384_LIMBS, y.limb);
        p384_multiply(&x, &y, &product);
        mpz_set_ui(a, 1);
        assert_true(is(&product, a));
    }
    mpz_clears(p, a, NULL);
}

/* --- Points --- */

struct curve {
    EC_GROUP *group;
    BN_CTX *context;
    mpz_t order;
};

static void start(struct curve *c)
{
    c->group = EC_GROUP_new_by_curve_name(NID_secp384r1);
    c->context = BN_CTX_new();
    assert_non_null(c->group);
    assert_non_null(c->context);
    mpz_init(c->order);
    mpz_import(c->order, P384_LIMBS, -1, sizeof(mp_limb_t), 0, 0, crypto_p384_order);
}

static void stop(struct curve *c)
{
    EC_GROUP_free(c->group);
    BN_CTX_free(c->context);
    mpz_clear(c->order);
}

static void bignum_of(const mpz_t in, BIGNUM *out)
{
    uint8_t bytes[SIZE] = { 0 };
    size_t size = 0;

    mpz_export(bytes, &size, -1, 1, 0, 0, in);
    assert_non_null(BN_lebin2bn(bytes, SIZE, out));
}

static void bytes_of(const EC_POINT *point, const struct curve *c, uint8_t *x, uint8_t *y)
{
    BIGNUM *a = BN_new();
    BIGNUM *b = BN_new();

    assert_int_equal(EC_POINT_get_affine_coordinates(c->group, point, a, b, c->context), 1);
    assert_int_equal(BN_bn2binpad(a, x, SIZE), SIZE);
    assert_int_equal(BN_bn2binpad(b, y, SIZE), SIZE);
    BN_free(a);
    BN_free(b);
}

/* An r that would be this x again, were r + n not compared with p, or its carry forgotten. */
static void check_wrapped(const mp_limb_t *u1, const struct p384_multiples *ready,
                          const mp_limb_t *u2, const struct p384_number *x)
{
    static const struct p384_number zero;
    const struct p384_number *const wraps[] = { &p384_prime, &zero }; /* at p, and at 2^384 */

    for (size_t i = 0; i < CLO_COUNT(wraps); i++) {
        struct p384_number r;
        mpn_sub_n(r.limb, wraps[i]->limb, crypto_p384_order, P384_LIMBS);
        if (mpn_add_n(r.limb, r.limb, x->limb, P384_LIMBS) == 0 &&
            mpn_cmp(r.limb, crypto_p384_order, P384_LIMBS) < 0)
            assert_false(p384_is_x_of_sum(u1, ready, u2, r.limb));
    }
}

/* u1*G + u2*Q, as OpenSSL sees it. */
static void check_sum(const struct curve *c, const EC_POINT *q, const struct p384_multiples *ready,
                      const mpz_t u1, const mpz_t u2)
{
    EC_POINT *point = EC_POINT_new(c->group);
    BIGNUM *a = BN_new();
    BIGNUM *b = BN_new();
    struct p384_number first;
    struct p384_number second;
    struct p384_number r = { { 0 } };
    uint8_t x[SIZE];
    uint8_t y[SIZE];

    bignum_of(u1, a);
    bignum_of(u2, b);
    number_of(u1, &first);
    number_of(u2, &second);
    assert_int_equal(EC_POINT_mul(c->group, point, a, q, b, c->context), 1);
    bool is_infinite = EC_POINT_is_at_infinity(c->group, point) == 1;
    if (!is_infinite) {
        bytes_of(point, c, x, y);
        crypto_read_limbs(x, P384_LIMBS, r.limb);
        check_wrapped(first.limb, ready, second.limb, &r);
        if (mpn_cmp(r.limb, crypto_p384_order, P384_LIMBS) >= 0)
            mpn_sub_n(r.limb, r.limb, crypto_p384_order, P384_LIMBS);
    }
    assert_int_equal(p384_is_x_of_sum(first.limb, ready, second.limb, r.limb), !is_infinite);
    r.limb[0] ^= 1;
    assert_false(p384_is_x_of_sum(first.limb, ready, second.limb, r.limb));
    EC_POINT_free(point);
    BN_free(a);
    BN_free(b);
}

/* Keys that are small multiples of the generator, of either sign, and factors that are awkward or small:
 * sums pass through equal points, opposite ones and infinity. */
static void sums(void **state)
{
    struct p384_multiples ready;
    uint8_t x[SIZE];
    uint8_t y[SIZE];
    struct curve c;
    mpz_t d, u1, u2;

    (void)state;
    start(&c);
    mpz_inits(d, u1, u2, NULL);
    EC_POINT *q = EC_POINT_new(c.group);
    BIGNUM *factor = BN_new();
    for (int key = -6; key <= 6; key++) {
        if (key == 0)
            mpz_urandomm(d, state_of_random, c.order);
        else
            mpz_set_si(d, key);
        mpz_mod(d, d, c.order);
        bignum_of(d, factor);
        assert_int_equal(EC_POINT_mul(c.group, q, factor, NULL, NULL, c.context), 1);
        bytes_of(q, &c, x, y);
        assert_true(p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), &ready));
        for (size_t i = 0; awkward(i, c.order, u1); i += 7) {
            mpz_mul(u2, u1, d); /* u2*Q is u1*G, and its opposite */
            mpz_invert(d, d, c.order);
            mpz_mul(u2, u1, d);
            mpz_mod(u2, u2, c.order);
            mpz_invert(d, d, c.order);
            check_sum(&c, q, &ready, u1, u2);
            mpz_sub(u2, c.order, u2);
            mpz_mod(u2, u2, c.order);
            check_sum(&c, q, &ready, u1, u2);
            awkward(i * 5 % 300, c.order, u2);
            check_sum(&c, q, &ready, u1, u2);
        }
    }
    EC_POINT_free(q);
    BN_free(factor);
    mpz_clears(d, u1, u2, NULL);
    stop(&c);
}

static void what_is_no_point(void **state)
{
    struct p384_multiples ready;
    uint8_t x[SIZE];
    uint8_t y[SIZE];
    struct curve c;

    (void)state;
    start(&c);
    bytes_of(EC_GROUP_get0_generator(c.group), &c, x, y);
    assert_true(p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), &ready));
    for (size_t i = 0; i < (size_t)8 * SIZE; i += 5) {
        x[i / 8] ^= (uint8_t)(1U << (i % 8));
        assert_false(p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), &ready));
        x[i / 8] ^= (uint8_t)(1U << (i % 8));
        y[i / 8] ^= (uint8_t)(1U << (i % 8));
        assert_false(p384_multiples_make(clo_bytes(x, SIZE), clo_bytes(y, SIZE), &ready));
        y[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    stop(&c);
}

/* Points with an x or a y that is small enough for p to be added within 384 bits: the same by another
 * name. */
static void coordinates_from_the_prime_on(void **state)
{
    static const char *const points[][2] = {
        { "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
          "00000002",
          "8cdeadbbd04911a3c1931e26df3fa6439dca9c7eb286fbd46fc319f0e2bb780232baf57825fc0c1912ada2fe"
          "fe84024c" },
        { "2261b2bf605c22f2f3aef6338719b2c486388ad5240719a5257315969ef01ba27f0a104c89704773a81fdabe"
          "e6ab5c78",
          "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
          "00000001" },
    };
    struct p384_multiples ready;

    (void)state;
    for (size_t small = 0; small < CLO_COUNT(points); small++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
        from_hex(points[small][0], &x);
        from_hex(points[small][1], &y);
        assert_true(p384_multiples_make(clo_buffer_bytes(&x), clo_buffer_bytes(&y), &ready));
        const struct p384_number none = { { 0 } }, once = { { 1 } };
        struct p384_number number;
        crypto_read_limbs(x.data, P384_LIMBS, number.limb);
        assert_true(p384_is_x_of_sum(none.limb, &ready, once.limb, number.limb));
        check_wrapped(none.limb, &ready, once.limb, &number);
        struct clo_buffer *of_small = small == 0 ? &x : &y;
        crypto_read_limbs(of_small->data, P384_LIMBS, number.limb);
        assert_int_equal(mpn_add_n(number.limb, number.limb, p384_prime.limb, P384_LIMBS), 0);
        for (size_t i = 0; i < SIZE; i++)
            of_small->data[i] =
                    (uint8_t)(number.limb[(SIZE - 1 - i) / 8] >> (SIZE - 1 - i) % 8 * 8);
        assert_false(p384_multiples_make(clo_buffer_bytes(&x), clo_buffer_bytes(&y), &ready));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field),
        cmocka_unit_test(reduction),
        cmocka_unit_test(inverse),
        cmocka_unit_test(sums),
        cmocka_unit_test(what_is_no_point),
        cmocka_unit_test(coordinates_from_the_prime_on),
    };

    gmp_randinit_default(state_of_random);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gmp_randclear(state_of_random);
    return failed;
}
