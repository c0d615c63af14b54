#include "cloister/quote.h"

#include <string.h>

#include "lib/tcg/attest_signature.h"

/* TPM 2.0 Library, part 2: tables 7 (TPM_GENERATED), 19 (TPM_ST), 9 (TPM_ALG_ID). */
#define TPM_GENERATED_VALUE  0xff544347U
#define TPM_ST_ATTEST_QUOTE  0x8018
#define TPM_ALG_NULL         0x0010
#define TPM_ALG_RSA          0x0001
#define TPM_ALG_ECC          0x0023
#define TPM_ALG_RSASSA       0x0014
#define TPM_ALG_RSAPSS       0x0016
#define TPM_ALG_ECDSA        0x0018
#define TPM_ECC_NIST_P256    0x0003
#define TPM_ECC_NIST_P384    0x0004
#define TPMA_RESTRICTED      (1U << 16)
#define TPMA_SIGN            (1U << 18)
#define RSA_DEFAULT_EXPONENT 65537

static struct clo_bytes read_sized(struct clo_reader *r)
{
    uint16_t size = clo_read_be16(r);

    return clo_read_bytes(r, size);
}

/* TPML_PCR_SELECTION, part 2, section 10.9.7. */
static bool read_selections(struct clo_reader *r, struct clo_quote *quote, struct clo_error *err)
{
    uint32_t count = clo_read_be32(r);

    if (count > CLO_QUOTE_SELECTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%u PCR selections", count);
    for (size_t i = 0; i < count; i++) {
        uint16_t algorithm = clo_read_be16(r);
        uint8_t size = clo_read_u8(r);
        struct clo_bytes bits = clo_read_bytes(r, size);
        if (clo_reader_ok(r) && size > 4)
            return clo_fail(err, CLO_ERR_FORMAT, "PCR selection of %u bytes", size);
        quote->selections[i].hash = clo_hash_from_tpm(algorithm);
        for (size_t k = 0; k < bits.size; k++)
            quote->selections[i].mask |= (uint32_t)bits.data[k] << (8 * k);
    }
    quote->selection_count = count;
    return true;
}

/* TPMS_ATTEST, part 2, section 10.12.12. */
bool clo_quote_parse(struct clo_bytes attest, struct clo_quote *out, struct clo_error *err)
{
    struct clo_quote quote = { .attest = attest };
    struct clo_reader r = clo_reader(attest);

    uint32_t magic = clo_read_be32(&r);
    uint16_t type = clo_read_be16(&r);
    if (clo_reader_ok(&r) && magic != TPM_GENERATED_VALUE)
        return clo_fail(err, CLO_ERR_FORMAT, "quote: magic 0x%08x: no TPM made it", magic);
    if (clo_reader_ok(&r) && type != TPM_ST_ATTEST_QUOTE)
        return clo_fail(err, CLO_ERR_FORMAT, "quote: attestation of type 0x%04x", type);
    quote.qualified_signer = read_sized(&r);
    quote.qualifying_data = read_sized(&r);
    quote.clock = clo_read_be64(&r);
    quote.reset_count = clo_read_be32(&r);
    quote.restart_count = clo_read_be32(&r);
    quote.is_safe = clo_read_u8(&r) == 1;
    quote.firmware_version = clo_read_be64(&r);
    if (!read_selections(&r, &quote, err))
        return clo_wrap(err, "quote");
    quote.pcr_digest = read_sized(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "quote: truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "quote: %zu bytes after its end", clo_reader_left(&r));
    *out = quote;
    return true;
}

/* Right-aligns one ECDSA number, which TPMs write without leading zeros. */
static bool put_number(struct clo_bytes number, size_t size, uint8_t *out)
{
    while (number.size > size && number.data[0] == 0)
        number = clo_bytes_slice(number, 1, number.size);
    if (number.size > size)
        return false;
    memset(out, 0, size);
    if (number.size > 0)
        memcpy(out + size - number.size, number.data, number.size);
    return true;
}

/* TPMT_SIGNATURE, part 2, section 11.3.4. */
bool clo_quote_signature_parse(struct clo_bytes in, struct clo_quote_signature *out,
                               struct clo_error *err)
{
    struct clo_quote_signature signature = { 0 };
    struct clo_reader r = clo_reader(in);
    uint16_t scheme = clo_read_be16(&r);

    signature.hash = clo_hash_from_tpm(clo_read_be16(&r));
    if (clo_reader_ok(&r) && signature.hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: unknown hash");
    if (scheme == TPM_ALG_RSASSA || scheme == TPM_ALG_RSAPSS) {
        struct clo_bytes bytes = read_sized(&r);
        signature.scheme = scheme == TPM_ALG_RSASSA ? CLO_RSASSA_PKCS1 : CLO_RSASSA_PSS;
        if (bytes.size > sizeof signature.bytes)
            return clo_fail(err, CLO_ERR_FORMAT, "signature: %zu bytes", bytes.size);
        if (bytes.size > 0)
            memcpy(signature.bytes, bytes.data, bytes.size);
        signature.size = bytes.size;
    } else if (scheme == TPM_ALG_ECDSA) {
        struct clo_bytes first = read_sized(&r);
        struct clo_bytes second = read_sized(&r);
        size_t size = first.size > 32 || second.size > 32 ? 48 : 32;
        signature.scheme = CLO_ECDSA_RAW;
        if (!put_number(first, size, signature.bytes) ||
            !put_number(second, size, signature.bytes + size))
            return clo_fail(err, CLO_ERR_FORMAT, "signature: numbers of %zu and %zu bytes",
                            first.size, second.size);
        signature.size = 2 * size;
    } else if (clo_reader_ok(&r)) {
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "signature: scheme 0x%04x", scheme);
    }
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "signature: truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "signature: %zu bytes after its end",
                        clo_reader_left(&r));
    *out = signature;
    return true;
}

static void skip_scheme(struct clo_reader *r)
{
    if (clo_read_be16(r) != TPM_ALG_NULL)
        clo_read_skip(r, 2); /* its hash */
}

static bool read_rsa(struct clo_reader *r, struct clo_public_key **out, struct clo_error *err)
{
    uint8_t exponent[4];

    clo_read_skip(r, 2); /* keyBits */
    uint32_t e = clo_read_be32(r);
    struct clo_bytes modulus = read_sized(r);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "public area: truncated at byte %zu", r->at);
    if (e == 0)
        e = RSA_DEFAULT_EXPONENT;
    for (size_t i = 0; i < sizeof exponent; i++)
        exponent[i] = (uint8_t)(e >> (24 - 8 * i));
    return clo_public_key_from_rsa(modulus, clo_bytes(exponent, sizeof exponent), out, err);
}

static bool read_ecc(struct clo_reader *r, struct clo_public_key **out, struct clo_error *err)
{
    uint8_t x[48];
    uint8_t y[48];

    uint16_t curve = clo_read_be16(r);
    skip_scheme(r); /* kdf */
    struct clo_bytes first = read_sized(r);
    struct clo_bytes second = read_sized(r);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "public area: truncated at byte %zu", r->at);
    if (curve != TPM_ECC_NIST_P256 && curve != TPM_ECC_NIST_P384)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "public area: curve 0x%04x", curve);
    size_t size = curve == TPM_ECC_NIST_P256 ? 32 : 48;
    if (!put_number(first, size, x) || !put_number(second, size, y))
        return clo_fail(err, CLO_ERR_FORMAT, "public area: point too large");
    return clo_public_key_from_ec(size == 32 ? CLO_KEY_P256 : CLO_KEY_P384, clo_bytes(x, size),
                                  clo_bytes(y, size), out, err);
}

/* TPMT_PUBLIC, part 2, section 12.2.4; with a size in front it is a TPM2B_PUBLIC. */
bool clo_tpm_public_parse(struct clo_bytes in, struct clo_public_key **out, bool *is_restricted,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_reader r = clo_reader(in);

    uint16_t type = clo_read_be16(&r);
    if (clo_reader_ok(&r) && type != TPM_ALG_RSA && type != TPM_ALG_ECC &&
        type == clo_reader_left(&r))
        type = clo_read_be16(&r);
    clo_read_skip(&r, 2); /* nameAlg */
    uint32_t attributes = clo_read_be32(&r);
    (void)read_sized(&r); /* authPolicy */
    if (clo_read_be16(&r) != TPM_ALG_NULL)
        clo_read_skip(&r, 4); /* symmetric: key bits and mode */
    skip_scheme(&r);
    bool ok = type == TPM_ALG_RSA ? read_rsa(&r, &key, err)
              : type == TPM_ALG_ECC
                      ? read_ecc(&r, &key, err)
                      : clo_fail(err, CLO_ERR_UNSUPPORTED, "public area: key type 0x%04x", type);
    if (!ok)
        return false;
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "public area: %zu bytes after its end",
                        clo_reader_left(&r));
    *is_restricted = (attributes & TPMA_RESTRICTED) != 0 && (attributes & TPMA_SIGN) != 0;
    *out = CLO_TAKE(key);
    return true;
}

bool tcg_attest_verify(struct clo_bytes attest, const struct clo_quote_signature *signature,
                       const struct clo_public_key *key, bool accept_sha1, struct clo_error *err)
{
    if (signature->hash == CLO_HASH_SHA1 && !accept_sha1)
        return clo_fail(err, CLO_ERR_REFUSED, "signed with SHA-1");
    return clo_signature_verify(key, signature->scheme, signature->hash, attest,
                                clo_bytes(signature->bytes, signature->size), err);
}

bool clo_quote_verify(struct clo_bytes attest, struct clo_bytes signature,
                      const struct clo_public_key *ak, bool accept_sha1,
                      struct clo_quote_verified *out, struct clo_error *err)
{
    struct clo_quote_verified verified;
    struct clo_quote_signature parsed;

    if (!clo_quote_parse(attest, &verified.quote, err) ||
        !clo_quote_signature_parse(signature, &parsed, err))
        return false;
    if (!tcg_attest_verify(attest, &parsed, ak, accept_sha1, err))
        return clo_wrap(err, "quote");
    verified.hash = parsed.hash;
    *out = verified;
    return true;
}

bool clo_quote_covers(const struct clo_quote_verified *quote, const struct clo_pcr_bank *bank,
                      uint32_t mask, struct clo_error *err)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(quote->hash);
    uint32_t quoted = 0;
    struct clo_digest digest;

    for (size_t i = 0; i < quote->quote.selection_count; i++) {
        if (quote->quote.selections[i].mask == 0)
            continue;
        if (quote->quote.selections[i].hash != bank->hash)
            return clo_fail(err, CLO_ERR_REFUSED, "quote: of another bank than %s",
                            clo_hash_name(bank->hash));
        if (quoted != 0)
            return clo_fail(err, CLO_ERR_REFUSED, "quote: the bank is selected twice");
        quoted = quote->quote.selections[i].mask;
    }
    if (quoted != mask)
        return clo_fail(err, CLO_ERR_REFUSED, "quote: of PCRs 0x%06x, not 0x%06x", quoted, mask);
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++)
        if ((mask >> i & 1) != 0)
            clo_hasher_add(hasher, clo_digest_bytes(&bank->values[i]));
    clo_hasher_get(hasher, &digest);
    if (!clo_bytes_equal(clo_digest_bytes(&digest), quote->quote.pcr_digest))
        return clo_fail(err, CLO_ERR_REFUSED, "quote: its digest is not that of the PCR values");
    return true;
}
