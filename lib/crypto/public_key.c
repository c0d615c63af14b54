/* Public keys: read from and written to SubjectPublicKeyInfo (RFC 3279, section 2.3; RFC 5480), and made
 * ready to verify with. */
#include "crypto_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "lib/base/der.h"
#include "lib/crypto/openssl.h"
#include "p384.h"

#define SPKI_MAX     65536
#define EXPONENT_MAX 8

static const uint8_t oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const uint8_t oid_ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };

static const struct {
    uint8_t oid[8];
    uint8_t oid_size;
    uint8_t size;
    uint16_t bits;
} curves[] = {
    [CLO_KEY_P256] = { { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 }, 8, 32, 256 },
    [CLO_KEY_P384] = { { 0x2b, 0x81, 0x04, 0x00, 0x22 }, 5, 48, 384 },
    [CLO_KEY_P521] = { { 0x2b, 0x81, 0x04, 0x00, 0x23 }, 5, 66, 521 },
};

size_t crypto_curve_size(enum clo_key_kind kind)
{
    return kind == CLO_KEY_RSA ? 0 : curves[kind].size;
}

/* --- Made ready --- */

static bool prepare_rsa(struct clo_public_key *key, struct clo_error *err)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    struct clo_bytes exponent = key->second;

    key->rsa.n = BN_bin2bn(key->first.data, (int)key->first.size, NULL);
    key->rsa.e = BN_bin2bn(exponent.data, (int)exponent.size, NULL);
    key->rsa.mont = BN_MONT_CTX_new();
    if (scratch == NULL || key->rsa.n == NULL || key->rsa.e == NULL || key->rsa.mont == NULL)
        return clo_out_of_memory(err);
    if (!BN_is_odd(key->rsa.e) || BN_is_one(key->rsa.e))
        return clo_fail(err, CLO_ERR_FORMAT, "RSA key: wrong exponent");
    key->bits = (unsigned)BN_num_bits(key->rsa.n);
    if (key->bits < RSA_KEY_BITS_MIN || key->bits > RSA_KEY_BITS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "RSA key of %u bits", key->bits);
    if (!BN_is_odd(key->rsa.n))
        return clo_fail(err, CLO_ERR_FORMAT, "RSA key: wrong modulus");
    key->rsa.is_usual = BN_is_word(key->rsa.e, 65537);
    return BN_MONT_CTX_set(key->rsa.mont, key->rsa.n, scratch->context) == 1 ||
           crypto_fail(err, CLO_ERR_SYSTEM, "public key");
}

static bool prepare_p256(struct clo_public_key *key, struct clo_error *err)
{
    const struct crypto_scratch *scratch = crypto_scratch();
    const EC_GROUP *group = crypto_p256();
    uint8_t point[1 + 2 * 32];

    if (scratch == NULL || (key->p256 = EC_POINT_new(group)) == NULL)
        return clo_out_of_memory(err);
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, key->first.data, 32);
    memcpy(point + 33, key->second.data, 32);
    return EC_POINT_oct2point(group, key->p256, point, sizeof point, scratch->context) == 1 ||
           crypto_fail(err, CLO_ERR_FORMAT, "public key");
}

static bool prepare_p384(struct clo_public_key *key, struct clo_error *err)
{
    key->p384 = malloc(sizeof *key->p384);
    if (key->p384 == NULL)
        return clo_out_of_memory(err);
    return p384_multiples_make(key->first, key->second, key->p384) ||
           clo_fail(err, CLO_ERR_FORMAT, "public key: point is not on the curve");
}

static bool prepare_p521(struct clo_public_key *key, struct clo_error *err)
{
    return clo_public_key_evp(key) != NULL ||
           clo_fail(err, CLO_ERR_FORMAT, "public key: point is not on the curve");
}

static bool prepare(struct clo_public_key *key, struct clo_error *err)
{
    switch (key->kind) {
    case CLO_KEY_RSA:
        return prepare_rsa(key, err);
    case CLO_KEY_P256:
        return prepare_p256(key, err);
    case CLO_KEY_P384:
        return prepare_p384(key, err);
    default:
        return prepare_p521(key, err);
    }
}

/* --- Read --- */

/* The key of the BIT STRING, as views into it. */
static bool read_rsa(struct clo_public_key *key, struct clo_bytes bits, struct clo_error *err)
{
    struct clo_reader r = clo_reader(bits);
    struct clo_reader pair = clo_der_enter(&r, CLO_DER_SEQUENCE);

    key->kind = CLO_KEY_RSA;
    key->first = clo_der_value(&pair, CLO_DER_INTEGER);
    key->second = clo_der_value(&pair, CLO_DER_INTEGER);
    if (!clo_der_done(&pair) || !clo_der_done(&r) || !clo_der_is_integer(key->first) ||
        !clo_der_is_integer(key->second) || key->first.data[0] >= 0x80 ||
        key->second.data[0] >= 0x80)
        return clo_fail(err, CLO_ERR_FORMAT, "public key: malformed RSA key");
    if (key->first.data[0] == 0)
        key->first = clo_bytes_slice(key->first, 1, key->first.size - 1);
    if (key->second.data[0] == 0)
        key->second = clo_bytes_slice(key->second, 1, key->second.size - 1);
    if (key->first.size > RSA_KEY_BYTES_MAX || key->second.size > EXPONENT_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "RSA key: %zu-byte modulus, %zu-byte exponent",
                        key->first.size, key->second.size);
    return true;
}

static bool read_ec(struct clo_public_key *key, struct clo_bytes curve, struct clo_bytes point,
                    struct clo_error *err)
{
    char dotted[64];

    for (size_t i = CLO_KEY_P256; i < CLO_COUNT(curves); i++) {
        size_t size = curves[i].size;
        if (!clo_bytes_equal(curve, clo_bytes(curves[i].oid, curves[i].oid_size)))
            continue;
        if (point.size == 1 + size && (point.data[0] == 2 || point.data[0] == 3))
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "key with a compressed point");
        if (point.size != 1 + 2 * size || point.data[0] != 4)
            return clo_fail(err, CLO_ERR_FORMAT, "public key: malformed point");
        key->kind = (enum clo_key_kind)i;
        key->bits = curves[i].bits;
        key->first = clo_bytes_slice(point, 1, size);
        key->second = clo_bytes_slice(point, 1 + size, size);
        return true;
    }
    clo_der_oid_text(curve, dotted, sizeof dotted);
    int nid = OBJ_txt2nid(dotted);
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "key on curve %s",
                    nid == NID_undef ? dotted : OBJ_nid2sn(nid));
}

static bool read_spki(struct clo_public_key *key, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_buffer_bytes(&key->spki));
    struct clo_reader whole = clo_der_enter(&r, CLO_DER_SEQUENCE);
    struct clo_reader algorithm = clo_der_enter(&whole, CLO_DER_SEQUENCE);
    struct clo_bytes oid = clo_der_value(&algorithm, CLO_DER_OID);
    struct clo_der parameter = { 0 };
    struct clo_bytes bits = clo_der_bit_string(&whole);

    if (clo_reader_left(&algorithm) > 0)
        parameter = clo_der_next(&algorithm);
    if (!clo_der_done(&algorithm) || !clo_der_done(&whole))
        return clo_fail(err, CLO_ERR_FORMAT, "public key: malformed");
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "public key: bytes after its end");
    if (clo_bytes_equal(oid, clo_bytes(oid_rsa, sizeof oid_rsa)))
        return read_rsa(key, bits, err);
    if (!clo_bytes_equal(oid, clo_bytes(oid_ec, sizeof oid_ec)))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "key that is neither RSA nor on a NIST curve");
    if (parameter.tag != CLO_DER_OID)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "key on a curve without a name");
    return read_ec(key, parameter.value, bits, err);
}

bool clo_public_key_from_spki(struct clo_bytes der, struct clo_public_key **out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    if (der.size > SPKI_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "public key: %zu bytes", der.size);
    key = calloc(1, sizeof *key);
    if (key == NULL)
        return clo_out_of_memory(err);
    clo_buffer_append(&key->spki, der);
    if (!clo_buffer_ok(&key->spki))
        return clo_out_of_memory(err);
    if (!read_spki(key, err) || !prepare(key, err))
        return false;
    *out = CLO_TAKE(key);
    return true;
}

bool clo_public_key_from_pem(struct clo_bytes pem, struct clo_public_key **out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    size_t at = 0;

    enum clo_next next = clo_pem_next(pem, "PUBLIC KEY", &at, &der, err);
    if (next == CLO_NEXT_FAILED)
        return false;
    if (next == CLO_NEXT_END)
        return clo_fail(err, CLO_ERR_FORMAT, "no PEM block \"PUBLIC KEY\"");
    return clo_public_key_from_spki(clo_buffer_bytes(&der), out, err);
}

/* --- Made of numbers --- */

/* SEQUENCE { SEQUENCE { OID, parameter }, BIT STRING }. */
static bool from_parts(struct clo_bytes oid, struct clo_bytes parameter, struct clo_bytes bits,
                       struct clo_public_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer string = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer both = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };

    clo_der_write(&algorithm, CLO_DER_OID, oid);
    clo_buffer_append(&algorithm, parameter);
    clo_buffer_u8(&string, 0);
    clo_buffer_append(&string, bits);
    clo_der_write(&both, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
    clo_der_write(&both, CLO_DER_BIT_STRING, clo_buffer_bytes(&string));
    clo_der_write(&whole, CLO_DER_SEQUENCE, clo_buffer_bytes(&both));
    if (!clo_buffer_ok(&algorithm) || !clo_buffer_ok(&string) || !clo_buffer_ok(&both) ||
        !clo_buffer_ok(&whole))
        return clo_out_of_memory(err);
    return clo_public_key_from_spki(clo_buffer_bytes(&whole), out, err);
}

/* A positive number as an INTEGER. */
static void write_number(struct clo_buffer *out, struct clo_bytes number)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };

    while (number.size > 0 && number.data[0] == 0)
        number = clo_bytes_slice(number, 1, number.size - 1);
    if (number.size == 0 || number.data[0] >= 0x80)
        clo_buffer_u8(&value, 0);
    clo_buffer_append(&value, number);
    clo_der_write(out, CLO_DER_INTEGER, clo_buffer_bytes(&value));
    out->failed |= !clo_buffer_ok(&value);
}

bool clo_public_key_from_rsa(struct clo_bytes modulus, struct clo_bytes exponent,
                             struct clo_public_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pair = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };

    if (modulus.size > RSA_KEY_BYTES_MAX + 1 || exponent.size > EXPONENT_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "RSA key: %zu-byte modulus, %zu-byte exponent",
                        modulus.size, exponent.size);
    write_number(&pair, modulus);
    write_number(&pair, exponent);
    clo_der_write(&key, CLO_DER_SEQUENCE, clo_buffer_bytes(&pair));
    if (!clo_buffer_ok(&pair) || !clo_buffer_ok(&key))
        return clo_out_of_memory(err);
    return from_parts(clo_bytes(oid_rsa, sizeof oid_rsa), clo_bytes("\x05\x00", 2),
                      clo_buffer_bytes(&key), out, err);
}

bool clo_public_key_from_ec(enum clo_key_kind curve, struct clo_bytes x, struct clo_bytes y,
                            struct clo_public_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    size_t size = crypto_curve_size(curve);
    uint8_t point[1 + 2 * CURVE_BYTES_MAX];

    if (size == 0 || x.size != size || y.size != size)
        return clo_fail(err, CLO_ERR_FORMAT, "EC key: coordinates of %zu and %zu bytes", x.size,
                        y.size);
    point[0] = 4; /* uncompressed */
    memcpy(point + 1, x.data, size);
    memcpy(point + 1 + size, y.data, size);
    clo_der_write(&name, CLO_DER_OID, clo_bytes(curves[curve].oid, curves[curve].oid_size));
    if (!clo_buffer_ok(&name))
        return clo_out_of_memory(err);
    return from_parts(clo_bytes(oid_ec, sizeof oid_ec), clo_buffer_bytes(&name),
                      clo_bytes(point, 1 + 2 * size), out, err);
}

/* --- What it is --- */

enum clo_key_kind clo_public_key_kind(const struct clo_public_key *key)
{
    return key->kind;
}

unsigned clo_public_key_bits(const struct clo_public_key *key)
{
    return key->bits;
}

bool clo_public_key_spki(const struct clo_public_key *key, struct clo_buffer *der,
                         struct clo_error *err)
{
    clo_buffer_append(der, clo_buffer_bytes(&key->spki));
    return clo_buffer_ok(der) || clo_out_of_memory(err);
}

bool clo_public_key_fingerprint(const struct clo_public_key *key, struct clo_digest *out,
                                struct clo_error *err)
{
    (void)err;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&key->spki), out);
    return true;
}

void clo_public_key_inner_fingerprint(const struct clo_public_key *key, struct clo_digest *out)
{
    struct clo_reader r = clo_reader(clo_buffer_bytes(&key->spki));
    struct clo_reader whole = clo_der_enter(&r, CLO_DER_SEQUENCE);

    (void)clo_der_value(&whole, CLO_DER_SEQUENCE); /* it parsed before */
    clo_hash(CLO_HASH_SHA256, clo_der_bit_string(&whole), out);
}

bool clo_public_key_numbers(const struct clo_public_key *key, struct clo_buffer *first,
                            struct clo_buffer *second, struct clo_error *err)
{
    clo_buffer_append(first, key->first);
    clo_buffer_append(second, key->second);
    return (clo_buffer_ok(first) && clo_buffer_ok(second)) || clo_out_of_memory(err);
}

struct evp_pkey_st *clo_public_key_evp(const struct clo_public_key *key)
{
    /* The one member that changes: made once, whichever thread is first. */
    _Atomic(EVP_PKEY *) *slot = (_Atomic(EVP_PKEY *) *)(uintptr_t)&key->evp;
    EVP_PKEY *evp = atomic_load(slot);

    if (evp != NULL)
        return evp;
    const unsigned char *at = key->spki.data;
    EVP_PKEY *made = d2i_PUBKEY(NULL, &at, (long)key->spki.size);
    ERR_clear_error();
    if (made != NULL && !atomic_compare_exchange_strong(slot, &evp, made)) {
        EVP_PKEY_free(made);
        return evp;
    }
    return made;
}

void clo_public_key_free(struct clo_public_key *key)
{
    if (key == NULL)
        return;
    BN_free(key->rsa.n);
    BN_free(key->rsa.e);
    BN_MONT_CTX_free(key->rsa.mont);
    EC_POINT_free(key->p256);
    free(key->p384);
    EVP_PKEY_free(atomic_load(&key->evp));
    clo_buffer_free(&key->spki);
    free(key);
}

void clo_public_key_freep(struct clo_public_key **key)
{
    clo_public_key_free(*key);
    *key = NULL;
}
