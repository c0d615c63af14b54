/* The sum of two multiples in P-384, which is what verifying a signature is. Libraries multiply as if the
 * factor were a secret, and multiply twice; here all is public. So both factors are taken apart into four
 * of 96 bits and these into signed digits (Guide to Elliptic Curve Cryptography, Hankerson, Menezes,
 * Vanstone, algorithms 3.35 and 3.51), and the eight share 97 doublings. Never for signing. */
#include "p384.h"

#include <pthread.h>

#include "crypto_internal.h"

#define PART_BITS  96
#define DIGITS     (PART_BITS + 1)
#define DIGIT_BITS 5 /* odd, from -15 to 15, followed by four zeros at least */
#define POINTS_MAX (P384_PARTS * P384_MULTIPLE)
#define LIMB(a, b) ((mp_limb_t)(a) << 32 | (b))

/* x/z^2 and y/z^3; z is 0 at infinity. */
struct point {
    struct p384_number x, y, z;
};

static const struct p384_number one = { { 1 } };
static const struct p384_number curve_b = { {
        LIMB(0x2a85c8ed, 0xd3ec2aef),
        LIMB(0xc656398d, 0x8a2ed19d),
        LIMB(0x0314088f, 0x5013875a),
        LIMB(0x181d9c6e, 0xfe814112),
        LIMB(0x988e056b, 0xe3f82d19),
        LIMB(0xb3312fa7, 0xe23ee7e4),
} };
static const struct p384_affine generator = {
    { {
            LIMB(0x3a545e38, 0x72760ab7),
            LIMB(0x5502f25d, 0xbf55296c),
            LIMB(0x59f741e0, 0x82542a38),
            LIMB(0x6e1d3b62, 0x8ba79b98),
            LIMB(0x8eb1c71e, 0xf320ad74),
            LIMB(0xaa87ca22, 0xbe8b0537),
    } },
    { {
            LIMB(0x7a431d7c, 0x90ea0e5f),
            LIMB(0x0a60b1ce, 0x1d7e819d),
            LIMB(0xe9da3113, 0xb5f0b8c0),
            LIMB(0xf8f41dbd, 0x289a147c),
            LIMB(0x5d9e98bf, 0x9292dc29),
            LIMB(0x3617de4a, 0x96262c6f),
    } },
};

/* --- Points --- */

/* Explicit-Formulas Database, Jacobian coordinates with a = -3, dbl-2001-b; but 2yz is as cheap as what it
 * takes instead. */
static void double_point(struct point *p)
{
    struct p384_number delta;
    struct p384_number gamma;
    struct p384_number beta;
    struct p384_number alpha;
    struct p384_number t;

    p384_square(&p->z, &delta);
    p384_square(&p->y, &gamma);
    p384_multiply(&p->x, &gamma, &beta);
    p384_subtract(&p->x, &delta, &t);
    p384_add(&p->x, &delta, &alpha);
    p384_multiply(&alpha, &t, &alpha);
    p384_times(&alpha, 3, &alpha);

    p384_multiply(&p->y, &p->z, &p->z);
    p384_times(&p->z, 2, &p->z);

    p384_times(&beta, 8, &t);
    p384_square(&alpha, &p->x);
    p384_subtract(&p->x, &t, &p->x);

    p384_times(&beta, 4, &beta);
    p384_subtract(&beta, &p->x, &beta);
    p384_multiply(&alpha, &beta, &alpha);
    p384_square(&gamma, &gamma);
    p384_times(&gamma, 8, &gamma);
    p384_subtract(&alpha, &gamma, &p->y);
}

/* The same database, madd-2004-hmv, with what it leaves out: a sum with infinity, of a point and itself,
 * and of a point and its opposite. */
static void add_point(struct point *p, const struct p384_affine *q)
{
    struct p384_number zz;
    struct p384_number h;
    struct p384_number r;
    struct p384_number hh;
    struct p384_number v;
    struct p384_number t;

    if (p384_is_zero(&p->z)) {
        *p = (struct point){ q->x, q->y, one };
        return;
    }
    p384_square(&p->z, &zz);
    p384_multiply(&q->x, &zz, &h);
    p384_subtract(&h, &p->x, &h);
    p384_multiply(&zz, &p->z, &zz);
    p384_multiply(&q->y, &zz, &r);
    p384_subtract(&r, &p->y, &r);
    if (p384_is_zero(&h)) {
        if (p384_is_zero(&r))
            double_point(p);
        else
            *p = (struct point){ one, one, { { 0 } } };
        return;
    }
    p384_multiply(&p->z, &h, &p->z);
    p384_square(&h, &hh);
    p384_multiply(&p->x, &hh, &v);
    p384_multiply(&hh, &h, &hh); /* h^3 */
    p384_square(&r, &p->x);
    p384_subtract(&p->x, &hh, &p->x);
    p384_times(&v, 2, &t);
    p384_subtract(&p->x, &t, &p->x);
    p384_subtract(&v, &p->x, &v);
    p384_multiply(&r, &v, &r);
    p384_multiply(&p->y, &hh, &hh);
    p384_subtract(&r, &hh, &p->y);
}

static void subtract_point(struct point *p, const struct p384_affine *q)
{
    static const struct p384_number zero;
    struct p384_affine opposite = { .x = q->x };

    p384_subtract(&zero, &q->y, &opposite.y);
    add_point(p, &opposite);
}

/* None of them at infinity: one inversion serves all. */
static void make_affine(const struct point *points, size_t count, struct p384_affine *out)
{
    struct p384_number product[POINTS_MAX]; /* of the z up to here */
    struct p384_number inverse;
    struct p384_number z;
    struct p384_number zz;

    product[0] = points[0].z;
    for (size_t i = 1; i < count; i++)
        p384_multiply(&product[i - 1], &points[i].z, &product[i]);
    crypto_invert(product[count - 1].limb, p384_prime.limb, P384_LIMBS, inverse.limb);
    for (size_t i = count; i-- > 0;) {
        z = inverse;
        if (i > 0)
            p384_multiply(&inverse, &product[i - 1], &z);
        p384_multiply(&inverse, &points[i].z, &inverse);
        p384_square(&z, &zz);
        p384_multiply(&points[i].x, &zz, &out[i].x);
        p384_multiply(&zz, &z, &zz);
        p384_multiply(&points[i].y, &zz, &out[i].y);
    }
}

/* --- Multiples --- */

static void make_multiples(const struct p384_affine *q, struct p384_multiples *out)
{
    struct point points[POINTS_MAX];
    struct p384_affine first[2 * P384_PARTS]; /* of each part, once and twice */
    struct point p = { q->x, q->y, one };

    for (size_t k = 0; k < P384_PARTS; k++) {
        for (size_t i = 0; k > 0 && i < PART_BITS - 1; i++)
            double_point(&p);
        points[2 * k] = p;
        double_point(&p);
        points[2 * k + 1] = p;
    }
    make_affine(points, 2 * P384_PARTS, first);
    for (size_t k = 0; k < P384_PARTS; k++) {
        p = (struct point){ first[2 * k].x, first[2 * k].y, one };
        for (size_t i = 0; i < P384_MULTIPLE; i++) {
            points[k * P384_MULTIPLE + i] = p;
            add_point(&p, &first[2 * k + 1]);
        }
    }
    make_affine(points, POINTS_MAX, &out->odd[0][0]);
}

/* y^2 = x^3 - 3x + b */
static bool is_on_curve(const struct p384_affine *q)
{
    struct p384_number left;
    struct p384_number right;
    struct p384_number t;

    p384_square(&q->y, &left);
    p384_square(&q->x, &right);
    p384_multiply(&right, &q->x, &right);
    p384_times(&q->x, 3, &t);
    p384_subtract(&right, &t, &right);
    p384_add(&right, &curve_b, &right);
    return p384_is_equal(&left, &right);
}

bool p384_multiples_make(struct clo_bytes x, struct clo_bytes y, struct p384_multiples *out)
{
    struct p384_affine q;

    crypto_read_limbs(x.data, P384_LIMBS, q.x.limb);
    crypto_read_limbs(y.data, P384_LIMBS, q.y.limb);
    if (mpn_cmp(q.x.limb, p384_prime.limb, P384_LIMBS) >= 0 ||
        mpn_cmp(q.y.limb, p384_prime.limb, P384_LIMBS) >= 0 || !is_on_curve(&q))
        return false;
    make_multiples(&q, out);
    return true;
}

static struct p384_multiples of_generator;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_generator(void)
{
    make_multiples(&generator, &of_generator);
}

/* --- The sum --- */

struct digits {
    int8_t at[P384_PARTS][DIGITS]; /* from the lowest */
};

/* Width-5 NAF: of any five digits in a row, one at most is not zero. */
static void part_digits(p384_wide part, int8_t out[DIGITS])
{
    for (int i = 0; part != 0; i++, part >>= 1) {
        if ((part & 1) == 0)
            continue;
        int digit = (int)(part & ((1 << DIGIT_BITS) - 1));
        if (digit >= 1 << (DIGIT_BITS - 1))
            digit -= 1 << DIGIT_BITS;
        out[i] = (int8_t)digit;
        part -= digit;
    }
}

static void make_digits(const mp_limb_t *u, struct digits *out)
{
    *out = (struct digits){ 0 };
    for (size_t k = 0; k < P384_PARTS; k += 2) {
        const mp_limb_t *at = u + k / 2 * 3; /* two parts in three limbs */
        part_digits((p384_wide)(at[1] & 0xffffffff) << 64 | at[0], out->at[k]);
        part_digits((p384_wide)(at[2] >> 32) << 64 | at[2] << 32 | at[1] >> 32, out->at[k + 1]);
    }
}

static void add_digit(struct point *p, int digit, const struct p384_affine *odd)
{
    if (digit > 0)
        add_point(p, &odd[digit / 2]);
    else if (digit < 0)
        subtract_point(p, &odd[-digit / 2]);
}

/* Is the point's x equal to this one? Without dividing by z^2. */
static bool has_x(const struct point *p, const struct p384_number *zz, const struct p384_number *x)
{
    struct p384_number scaled;

    p384_multiply(x, zz, &scaled);
    return p384_is_equal(&scaled, &p->x);
}

bool p384_is_x_of_sum(const mp_limb_t *u1, const struct p384_multiples *q, const mp_limb_t *u2,
                      const mp_limb_t *r)
{
    struct digits digits[2];
    struct point sum = { one, one, { { 0 } } };
    struct p384_number x;
    struct p384_number zz;

    pthread_once(&once, make_generator);
    make_digits(u1, &digits[0]);
    make_digits(u2, &digits[1]);
    for (size_t i = DIGITS; i-- > 0;) {
        double_point(&sum);
        for (size_t k = 0; k < P384_PARTS; k++) {
            add_digit(&sum, digits[0].at[k][i], of_generator.odd[k]);
            add_digit(&sum, digits[1].at[k][i], q->odd[k]);
        }
    }
    if (p384_is_zero(&sum.z))
        return false;
    p384_square(&sum.z, &zz);
    memcpy(x.limb, r, sizeof x.limb);
    if (has_x(&sum, &zz, &x))
        return true;
    /* An x between n and p is r plus n. */
    return mpn_add_n(x.limb, r, crypto_p384_order, P384_LIMBS) == 0 &&
           mpn_cmp(x.limb, p384_prime.limb, P384_LIMBS) < 0 && has_x(&sum, &zz, &x);
}
