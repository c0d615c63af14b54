#include "lib/tcg/tpm2_policy.h"

#include <string.h>

#include "cloister/pcr.h"

#define CC_POLICY_NV           0x00000149U
#define CC_POLICY_SIGNED       0x00000160U
#define CC_POLICY_AUTHORIZE    0x0000016aU
#define CC_POLICY_AUTH_VALUE   0x0000016bU
#define CC_POLICY_OR           0x00000171U
#define CC_POLICY_PCR          0x0000017fU
#define CC_POLICY_AUTHORIZE_NV 0x00000192U

#define ALG_RSA    0x0001
#define ALG_SHA256 0x000b
#define ALG_NULL   0x0010
/* userWithAuth, decrypt, sign: as systemd's. */
#define SIGNER_ATTRIBUTES (1U << 6 | 1U << 17 | 1U << 18)
#define USUAL_EXPONENT    65537
/* TPMA_NV: owner writes and reads, anyone reads, no lockout, a counter, written. */
#define FLOOR_ATTRIBUTES (1U << 1 | 1U << 4 | 1U << 17 | 1U << 18 | 1U << 25 | 1U << 29)
#define EO_UNSIGNED_LE   0x0009

static void extend(struct clo_digest *policy, uint32_t command, struct clo_bytes more)
{
    const uint8_t code[4] = { (uint8_t)(command >> 24), (uint8_t)(command >> 16),
                              (uint8_t)(command >> 8), (uint8_t)command };
    const struct clo_bytes parts[] = { clo_digest_bytes(policy), clo_bytes(code, sizeof code),
                                       more };
    struct clo_digest next;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &next);
    *policy = next;
}

void clo_tpm2_policy_begin(struct clo_digest *policy)
{
    *policy = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
}

void clo_tpm2_policy_pcr(struct clo_digest *policy, enum clo_hash bank, uint32_t pcrs,
                         const struct clo_digest *values)
{
    /* TPML_PCR_SELECTION with one bank, then the hash of the values. */
    uint8_t tail[4 + 2 + 1 + CLO_PCR_COUNT / 8 + 32] = { 0, 0, 0, 1 };
    struct clo_bytes parts[CLO_PCR_COUNT];
    uint16_t algorithm = clo_hash_to_tpm(bank);
    struct clo_digest digest;
    size_t count = 0;

    tail[4] = (uint8_t)(algorithm >> 8);
    tail[5] = (uint8_t)(algorithm & 0xff);
    tail[6] = CLO_PCR_COUNT / 8;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if ((pcrs >> pcr & 1) == 0)
            continue;
        tail[7 + pcr / 8] |= (uint8_t)(1U << (pcr % 8));
        parts[count] = clo_digest_bytes(&values[count]);
        count++;
    }
    clo_hash_many(CLO_HASH_SHA256, parts, count, &digest);
    memcpy(tail + 10, digest.bytes, 32);
    extend(policy, CC_POLICY_PCR, clo_bytes(tail, sizeof tail));
}

static void hash_ref(const char *ref, struct clo_digest *out)
{
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(ref), out);
}

void clo_tpm2_policy_authorize(struct clo_digest *policy, const struct clo_tpm2_name *key,
                               const char *ref)
{
    struct clo_digest hashed;
    struct clo_digest next;

    clo_tpm2_policy_begin(policy);
    extend(policy, CC_POLICY_AUTHORIZE, clo_bytes(key->bytes, sizeof key->bytes));
    if (ref != NULL)
        hash_ref(ref, &hashed);
    const struct clo_bytes parts[] = { clo_digest_bytes(policy),
                                       ref == NULL ? clo_bytes(NULL, 0)
                                                   : clo_digest_bytes(&hashed) };
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &next);
    *policy = next;
}

void clo_tpm2_policy_authorize_nv(struct clo_digest *policy, const struct clo_tpm2_name *index)
{
    clo_tpm2_policy_begin(policy);
    extend(policy, CC_POLICY_AUTHORIZE_NV, clo_bytes(index->bytes, sizeof index->bytes));
}

void clo_tpm2_policy_auth_value(struct clo_digest *policy)
{
    extend(policy, CC_POLICY_AUTH_VALUE, clo_bytes(NULL, 0));
}

void clo_tpm2_policy_signed(struct clo_digest *policy, const struct clo_tpm2_name *key,
                            const struct clo_digest *ref)
{
    struct clo_digest next;

    extend(policy, CC_POLICY_SIGNED, clo_bytes(key->bytes, sizeof key->bytes));
    const struct clo_bytes parts[] = { clo_digest_bytes(policy), clo_digest_bytes(ref) };
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &next);
    *policy = next;
}

/* The index by its name, so that no other kind of index will do. */
static void floor_name(struct clo_tpm2_name *out)
{
    uint8_t area[14] = { (uint8_t)(CLO_TPM2_FLOOR_INDEX >> 24),
                         (uint8_t)(CLO_TPM2_FLOOR_INDEX >> 16),
                         (uint8_t)(CLO_TPM2_FLOOR_INDEX >> 8),
                         (uint8_t)CLO_TPM2_FLOOR_INDEX,
                         0,
                         ALG_SHA256,
                         (uint8_t)(FLOOR_ATTRIBUTES >> 24),
                         (uint8_t)(FLOOR_ATTRIBUTES >> 16),
                         (uint8_t)(FLOOR_ATTRIBUTES >> 8),
                         (uint8_t)FLOOR_ATTRIBUTES };

    area[13] = 8; /* its size; it has no policy of its own */
    clo_tpm2_name_of(clo_bytes(area, sizeof area), out);
}

void clo_tpm2_policy_floor(struct clo_digest *policy, uint64_t generation)
{
    uint8_t operand[8 + 2 + 2] = { 0 }; /* then the offset, 0, and the operation */
    uint8_t tail[32 + CLO_TPM2_NAME_SIZE];
    struct clo_tpm2_name name;
    struct clo_digest arguments;

    for (unsigned i = 0; i < 8; i++)
        operand[i] = (uint8_t)(generation >> (56 - 8 * i));
    operand[11] = EO_UNSIGNED_LE;
    clo_hash(CLO_HASH_SHA256, clo_bytes(operand, sizeof operand), &arguments);
    floor_name(&name);
    memcpy(tail, arguments.bytes, 32);
    memcpy(tail + 32, name.bytes, sizeof name.bytes);
    extend(policy, CC_POLICY_NV, clo_bytes(tail, sizeof tail));
}

void clo_tpm2_policy_or(struct clo_digest *policy, const struct clo_digest *branches, size_t count)
{
    uint8_t bytes[CLO_TPM2_OR_MAX * 32];

    for (size_t i = 0; i < count && i < CLO_TPM2_OR_MAX; i++)
        memcpy(bytes + 32 * i, branches[i].bytes, 32);
    clo_tpm2_policy_begin(policy);
    extend(policy, CC_POLICY_OR, clo_bytes(bytes, 32 * count));
}

void clo_tpm2_policy_to_be_signed(const struct clo_digest *approved, const char *ref,
                                  struct clo_buffer *out)
{
    struct clo_digest hashed;

    clo_buffer_append(out, clo_digest_bytes(approved));
    if (ref == NULL)
        return;
    hash_ref(ref, &hashed);
    clo_buffer_append(out, clo_digest_bytes(&hashed));
}

void clo_tpm2_name_of(struct clo_bytes public_part, struct clo_tpm2_name *out)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, public_part, &digest);
    out->bytes[0] = ALG_SHA256 >> 8;
    out->bytes[1] = ALG_SHA256 & 0xff;
    memcpy(out->bytes + 2, digest.bytes, 32);
}

bool clo_tpm2_signer_public(const struct clo_public_key *key, bool exponent_is_zero,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer modulus = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer exponent = { 0 };
    uint32_t number = 0;

    if (clo_public_key_kind(key) != CLO_KEY_RSA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "policy key: not RSA, which is what systemd has");
    if (!clo_public_key_numbers(key, &modulus, &exponent, err))
        return false;
    if (exponent.size > sizeof number)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "policy key: an exponent of %zu bytes",
                        exponent.size);
    for (size_t i = 0; i < exponent.size; i++)
        number = number << 8 | exponent.data[i];
    clo_buffer_be16(out, ALG_RSA);
    clo_buffer_be16(out, ALG_SHA256);
    clo_buffer_be32(out, SIGNER_ATTRIBUTES);
    clo_buffer_be16(out, 0); /* no policy of its own */
    clo_buffer_be16(out, ALG_NULL);
    clo_buffer_be16(out, ALG_NULL);
    clo_buffer_be16(out, (uint16_t)clo_public_key_bits(key));
    clo_buffer_be32(out, number == USUAL_EXPONENT && exponent_is_zero ? 0 : number);
    clo_buffer_be16(out, (uint16_t)modulus.size);
    clo_buffer_append(out, clo_buffer_bytes(&modulus));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
