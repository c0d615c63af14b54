/* Public numbers as GMP has them: what ECDSA and the points of P-384 both need. */
#include "crypto_internal.h"

#include "p384_field.h"

#define LIMB_BYTES  sizeof(mp_limb_t)
#define ORDER(a, b) ((mp_limb_t)(a) << 32 | (b))

const mp_limb_t crypto_p384_order[P384_LIMBS] = {
    ORDER(0xecec196a, 0xccc52973), ORDER(0x581a0db2, 0x48b0a77a), ORDER(0xc7634d81, 0xf4372ddf),
    ORDER(0xffffffff, 0xffffffff), ORDER(0xffffffff, 0xffffffff), ORDER(0xffffffff, 0xffffffff),
};

void crypto_read_limbs(const uint8_t *bytes, mp_size_t count, mp_limb_t *out)
{
    for (mp_size_t i = 0; i < count; i++) {
        const uint8_t *at = bytes + (size_t)(count - 1 - i) * LIMB_BYTES;
        out[i] = 0;
        for (size_t k = 0; k < LIMB_BYTES; k++)
            out[i] = out[i] << 8 | at[k];
    }
}

void crypto_invert(const mp_limb_t *number, const mp_limb_t *prime, mp_size_t count, mp_limb_t *out)
{
    /* GMP wants the first operand to be no smaller: the number plus the prime is as good. */
    mp_limb_t u[P384_LIMBS + 1];
    mp_limb_t v[P384_LIMBS + 1];
    mp_limb_t divisor[P384_LIMBS + 1];
    mp_limb_t inverse[P384_LIMBS + 2] = { 0 };
    mp_size_t size;

    u[count] = mpn_add_n(u, number, prime, count);
    mpn_copyi(v, prime, count);
    mpn_gcdext(divisor, inverse, &size, u, count + 1, v, count);
    mp_size_t used = size < 0 ? -size : size;
    mpn_zero(out, count);
    mpn_copyi(out, inverse, used > count ? count : used);
    if (size < 0)
        mpn_sub_n(out, prime, out, count);
}
