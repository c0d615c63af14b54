/* RSA verification (RFC 8017, sections 8.1.2 and 8.2.2), with libcrypto's Montgomery arithmetic: its own
 * RSA_verify takes twelve allocations and a sixth longer. */
#include "crypto_internal.h"

#include <string.h>

/* --- The encodings --- */

/* DigestInfo up to the digest (RFC 8017, section 9.2, note 1). */
static const struct {
    uint8_t size;
    uint8_t bytes[19];
} digest_infos[CLO_HASH_COUNT] = {
    [CLO_HASH_SHA1] = { 15, "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14" },
    [CLO_HASH_SHA256] = { 19, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05"
                              "\x00\x04\x20" },
    [CLO_HASH_SHA384] = { 19, "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05"
                              "\x00\x04\x30" },
    [CLO_HASH_SHA512] = { 19, "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05"
                              "\x00\x04\x40" },
};

/* EMSA-PKCS1-v1_5 (section 9.2): there is but one encoding, so it is compared whole. */
static bool is_pkcs1(const struct clo_digest *digest, struct clo_bytes encoded)
{
    struct clo_bytes hash = clo_digest_bytes(digest);
    struct clo_bytes info =
            clo_bytes(digest_infos[digest->hash].bytes, digest_infos[digest->hash].size);
    size_t tail = info.size + hash.size;
    size_t padding = encoded.size - 3 - tail; /* keys are larger than this by far */

    return encoded.data[0] == 0 && encoded.data[1] == 1 &&
           clo_bytes_all(clo_bytes_slice(encoded, 2, padding), 0xff) &&
           encoded.data[2 + padding] == 0 &&
           clo_bytes_equal(clo_bytes_slice(encoded, 3 + padding, info.size), info) &&
           clo_bytes_equal(clo_bytes_slice(encoded, 3 + padding + info.size, hash.size), hash);
}

/* XORs MGF1 (appendix B.2.1) over `out`. */
static void unmask(enum clo_hash hash, struct clo_bytes seed, uint8_t *out, size_t size)
{
    size_t step = clo_hash_size(hash);
    struct clo_digest mask;

    for (size_t at = 0, counter = 0; at < size; at += step, counter++) {
        const uint8_t number[4] = { (uint8_t)(counter >> 24), (uint8_t)(counter >> 16),
                                    (uint8_t)(counter >> 8), (uint8_t)counter };
        const struct clo_bytes parts[] = { seed, clo_bytes(number, sizeof number) };
        clo_hash_many(hash, parts, CLO_COUNT(parts), &mask);
        for (size_t i = 0; i < step && at + i < size; i++)
            out[at + i] ^= mask.bytes[i];
    }
}

/* EMSA-PSS (section 9.1.2) with a salt of the hash's size; `encoded` is of the modulus's size. */
static bool is_pss(const struct clo_digest *digest, unsigned bits, struct clo_bytes encoded)
{
    static const uint8_t zeros[8];
    uint8_t db[RSA_KEY_BYTES_MAX];
    size_t hash_size = clo_hash_size(digest->hash);
    size_t spare = 8 - (bits - 1) % 8; /* bits of the first byte that are not used; 8: all */

    if (spare == 8) {
        if (encoded.data[0] != 0)
            return false;
        encoded = clo_bytes_slice(encoded, 1, encoded.size - 1);
        spare = 0;
    }
    size_t db_size = encoded.size - hash_size - 1;
    struct clo_bytes hash = clo_bytes_slice(encoded, db_size, hash_size);
    if (encoded.data[encoded.size - 1] != 0xbc || encoded.data[0] >> (8 - spare) != 0)
        return false;
    memcpy(db, encoded.data, db_size);
    unmask(digest->hash, hash, db, db_size);
    db[0] &= (uint8_t)(0xff >> spare);
    size_t padding = db_size - hash_size - 1;
    if (!clo_bytes_all(clo_bytes(db, padding), 0) || db[padding] != 1)
        return false;
    const struct clo_bytes parts[] = { clo_bytes(zeros, sizeof zeros), clo_digest_bytes(digest),
                                       clo_bytes(db + padding + 1, hash_size) };
    struct clo_digest expected;
    clo_hash_many(digest->hash, parts, CLO_COUNT(parts), &expected);
    return clo_bytes_equal(hash, clo_digest_bytes(&expected));
}

/* --- The arithmetic --- */

/* signature^e modulo n, into `out` of the modulus's size. */
static bool public_power(const struct clo_public_key *key, const struct crypto_scratch *scratch,
                         uint8_t *out, int size)
{
    BIGNUM *base = scratch->a;
    BIGNUM *power = scratch->b;
    BIGNUM *result = scratch->c;

    if (!key->rsa.is_usual)
        return BN_mod_exp_mont(result, base, key->rsa.e, key->rsa.n, scratch->context,
                               key->rsa.mont) == 1 &&
               BN_bn2binpad(result, out, size) == size;
    /* 65537 = 2^16 + 1. The last product is with the plain number, which leaves a plain number. */
    if (BN_to_montgomery(power, base, key->rsa.mont, scratch->context) != 1)
        return false;
    for (int i = 0; i < 16; i++)
        if (BN_mod_mul_montgomery(power, power, power, key->rsa.mont, scratch->context) != 1)
            return false;
    return BN_mod_mul_montgomery(result, power, base, key->rsa.mont, scratch->context) == 1 &&
           BN_bn2binpad(result, out, size) == size;
}

enum crypto_answer crypto_verify_rsa(const struct clo_public_key *key,
                                     enum clo_signature_scheme scheme,
                                     const struct clo_digest *digest, struct clo_bytes signature)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    uint8_t encoded[RSA_KEY_BYTES_MAX];
    size_t size = (key->bits + 7) / 8;

    if (scratch == NULL)
        return CRYPTO_NO_MEMORY;
    if (signature.size != size)
        return CRYPTO_HOLDS_NOT;
    if (BN_bin2bn(signature.data, (int)size, scratch->a) == NULL)
        return CRYPTO_NO_MEMORY;
    if (BN_ucmp(scratch->a, key->rsa.n) >= 0)
        return CRYPTO_HOLDS_NOT;
    if (!public_power(key, scratch, encoded, (int)size))
        return CRYPTO_NO_MEMORY;
    bool holds = scheme == CLO_RSASSA_PSS ? is_pss(digest, key->bits, clo_bytes(encoded, size))
                                          : is_pkcs1(digest, clo_bytes(encoded, size));
    return holds ? CRYPTO_HOLDS : CRYPTO_HOLDS_NOT;
}
