#include "lib/tcg/nv_index.h"

#include <string.h>

#define CC_NV_WRITE 0x00000137U
#define ALG_SHA256  0x000b
/* TPMA_NV (part 2, section 13.4): its policy writes, owner and anyone read, no lockout. */
#define ATTRIBUTES (1U << 3 | 1U << 17 | 1U << 18 | 1U << 25)
#define WRITTEN    (1U << 29)
#define POLICY_REF "cloister nv-policy"

void clo_nv_index_ref(struct clo_digest *out)
{
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(POLICY_REF), out);
}

bool clo_nv_index_public(uint32_t index, const struct clo_public_key *signer, bool is_written,
                         struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    struct clo_tpm2_name name;
    struct clo_digest policy, ref;

    if (!clo_tpm2_signer_public(signer, false, &key, err))
        return false;
    clo_tpm2_name_of(clo_buffer_bytes(&key), &name);
    clo_nv_index_ref(&ref);
    clo_tpm2_policy_begin(&policy);
    clo_tpm2_policy_signed(&policy, &name, &ref);
    clo_buffer_be32(out, index);
    clo_buffer_be16(out, ALG_SHA256);
    clo_buffer_be32(out, ATTRIBUTES | (is_written ? WRITTEN : 0));
    clo_buffer_be16(out, 32);
    clo_buffer_append(out, clo_digest_bytes(&policy));
    clo_buffer_be16(out, CLO_NV_POLICY_SIZE);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_nv_index_content(const struct clo_alternatives *alternatives, struct clo_buffer *out,
                          struct clo_error *err)
{
    struct clo_digest policy;

    clo_alternatives_policy(alternatives, &policy);
    clo_buffer_be16(out, ALG_SHA256);
    clo_buffer_append(out, clo_digest_bytes(&policy));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

void clo_nv_index_write_hash(const struct clo_tpm2_name *index, struct clo_bytes content,
                             struct clo_digest *out)
{
    const uint8_t command[4] = { 0, 0, CC_NV_WRITE >> 8, CC_NV_WRITE & 0xff };
    const uint8_t size[2] = { (uint8_t)(content.size >> 8), (uint8_t)content.size };
    const uint8_t offset[2] = { 0, 0 };
    const struct clo_bytes name = clo_bytes(index->bytes, sizeof index->bytes);
    const struct clo_bytes parts[] = { clo_bytes(command, 4), name,    name,
                                       clo_bytes(size, 2),    content, clo_bytes(offset, 2) };

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), out);
}

bool clo_nv_index_to_be_signed(struct clo_bytes nonce, const struct clo_digest *write_hash,
                               struct clo_buffer *out, struct clo_error *err)
{
    struct clo_digest ref;

    clo_nv_index_ref(&ref);
    clo_buffer_append(out, nonce);
    clo_buffer_be32(out, 0); /* it does not expire: the nonce does */
    clo_buffer_append(out, clo_digest_bytes(write_hash));
    clo_buffer_append(out, clo_digest_bytes(&ref));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_nv_index_is_of(const struct clo_nv_policy *policy, const struct clo_public_key *signer,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_tpm2_name name;

    if (!clo_nv_index_public(policy->alternatives.nv_index, signer, true, &area, err))
        return false;
    clo_tpm2_name_of(clo_buffer_bytes(&area), &name);
    return memcmp(name.bytes, policy->name.bytes, sizeof name.bytes) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the NV index 0x%08x is another key's to write (systemd-pcrlock's own is "
                    "systemd-pcrlock's)",
                    policy->alternatives.nv_index);
}
