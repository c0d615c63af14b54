/* Points of P-384 (SP 800-186, section 3.2.1.4), for signatures: numbers that are public, see
 * p384_field.h. */
#ifndef CLOISTER_LIB_CRYPTO_P384_H
#define CLOISTER_LIB_CRYPTO_P384_H

#include "cloister/base.h"
#include "p384_field.h"

#define P384_PARTS    4 /* a factor is taken apart into so many, which share their doublings */
#define P384_MULTIPLE 8 /* of each part, 1, 3, 5 .. 15 times */

struct p384_affine {
    struct p384_number x, y;
};

/* A point made ready to be multiplied: of each part k, the odd multiples of 2^(96k) times it. */
struct p384_multiples {
    struct p384_affine odd[P384_PARTS][P384_MULTIPLE];
};

/* Big endian; false: no point of the curve. */
bool p384_multiples_make(struct clo_bytes x, struct clo_bytes y, struct p384_multiples *out);

/* Is r, below the order n, the x of u1*G + u2*Q, modulo n? */
bool p384_is_x_of_sum(const mp_limb_t *u1, const struct p384_multiples *q, const mp_limb_t *u2,
                      const mp_limb_t *r);

#endif
