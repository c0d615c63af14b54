#include "lib/tcg/tpm2_seal.h"

#include <string.h>

#include "cloister/quote.h"
#include "lib/tcg/tpm2_policy.h"
#include "lib/tcg/tpm2_wrap.h"

#define ALG_AES       0x0006
#define ALG_KEYEDHASH 0x0008
#define ALG_SHA256    0x000b
#define ALG_NULL      0x0010
#define ALG_CFB       0x0043
#define SEED_SIZE     32 /* the parent's nameAlg is SHA-256 */

#define ATTRIBUTE_RESTRICTED (1U << 16)
#define ATTRIBUTE_DECRYPT    (1U << 17)
#define ATTRIBUTE_SIGN       (1U << 18)

/* What only storage keys have (TPMT_PUBLIC, part 2, section 12.2.4). */
static bool read_storage(struct clo_bytes in, struct clo_tpm2_parent *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    clo_read_skip(&r, 2); /* type */
    uint16_t name_hash = clo_read_be16(&r);
    uint32_t attributes = clo_read_be32(&r);
    clo_read_skip(&r, clo_read_be16(&r)); /* authPolicy */
    uint16_t symmetric = clo_read_be16(&r);
    uint16_t bits = clo_read_be16(&r);
    uint16_t mode = clo_read_be16(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "storage key: truncated");
    if (name_hash != ALG_SHA256)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "storage key: its name is of hash 0x%04x",
                        name_hash);
    if ((attributes & (ATTRIBUTE_RESTRICTED | ATTRIBUTE_DECRYPT | ATTRIBUTE_SIGN)) !=
        (ATTRIBUTE_RESTRICTED | ATTRIBUTE_DECRYPT))
        return clo_fail(
                err, CLO_ERR_REFUSED,
                "storage key: attributes 0x%08x are not of a key that others are kept under",
                attributes);
    if (symmetric != ALG_AES || mode != ALG_CFB || (bits != 128 && bits != 256))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "storage key: symmetric algorithm 0x%04x",
                        symmetric);
    out->symmetric_bits = bits;
    return true;
}

bool clo_tpm2_parent_parse(struct clo_bytes in, struct clo_tpm2_parent *out, struct clo_error *err)
{
    struct clo_tpm2_parent parent = { 0 };
    struct clo_reader r = clo_reader(in);
    bool ignored;

    uint16_t size = clo_read_be16(&r);
    parent.public_part = size == clo_reader_left(&r) ? clo_read_bytes(&r, size) : in;
    if (!read_storage(parent.public_part, &parent, err) ||
        !clo_tpm_public_parse(parent.public_part, &parent.key, &ignored, err))
        return false;
    *out = parent;
    return true;
}

void clo_tpm2_parent_free(struct clo_tpm2_parent *parent)
{
    clo_public_key_freep(&parent->key);
    *parent = (struct clo_tpm2_parent){ 0 };
}

/* TPMT_PUBLIC of a data object. */
static void write_public(const struct clo_digest *policy, const struct clo_secret *seed,
                         struct clo_bytes secret, struct clo_buffer *out)
{
    const struct clo_bytes parts[] = { clo_secret_bytes(seed), secret };
    struct clo_digest unique;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &unique);
    clo_buffer_be16(out, ALG_KEYEDHASH);
    clo_buffer_be16(out, ALG_SHA256);
    clo_buffer_be32(out, 0); /* objectAttributes */
    clo_tpm2_write_sized(out, clo_digest_bytes(policy));
    clo_buffer_be16(out, ALG_NULL);
    clo_tpm2_write_sized(out, clo_digest_bytes(&unique));
}

/* TPM2B_SENSITIVE: type, password, seed, data. The buffer holds a secret. */
static void write_sensitive(const struct clo_secret *seed, struct clo_bytes secret,
                            struct clo_bytes auth, struct clo_buffer *out)
{
    clo_buffer_be16(out, (uint16_t)(2 + 2 + auth.size + 2 + SEED_SIZE + 2 + secret.size));
    clo_buffer_be16(out, ALG_KEYEDHASH);
    clo_tpm2_write_sized(out, auth);
    clo_tpm2_write_sized(out, clo_secret_bytes(seed));
    clo_tpm2_write_sized(out, secret);
}

bool clo_tpm2_seal_offline(const struct clo_tpm2_parent *parent, const struct clo_digest *policy,
                           struct clo_bytes secret, struct clo_bytes auth,
                           const struct clo_random *random, struct clo_buffer *out,
                           struct clo_error *err)
{
    const struct clo_tpm2_recipient to = { parent->key, CLO_HASH_SHA256, parent->symmetric_bits };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *seed = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed_seed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer public_part = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sensitive = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    struct clo_tpm2_name name;

    if (secret.size == 0 || secret.size > CLO_TPM2_SECRET_MAX || auth.size > SEED_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "sealing: %zu bytes, at most %d are allowed",
                        secret.size, CLO_TPM2_SECRET_MAX);
    if (!clo_tpm2_seed(&to, "DUPLICATE", random, &seed, &sealed_seed, err))
        return clo_wrap(err, "sealing");
    write_public(policy, seed, secret, &public_part);
    clo_buffer_reserve(&sensitive, 512); /* so that no copy of a secret is left behind in growing */
    write_sensitive(seed, secret, auth, &sensitive);
    bool ok = clo_buffer_ok(&public_part) && clo_buffer_ok(&sensitive);
    if (!ok)
        return clo_out_of_memory(err);
    clo_tpm2_name_of(clo_buffer_bytes(&public_part), &name);
    ok = clo_tpm2_wrap(&to, seed, clo_bytes(name.bytes, sizeof name.bytes),
                       clo_buffer_bytes(&sensitive), &wrapped, err);
    clo_wipe(sensitive.data, sensitive.size);
    if (!ok)
        return clo_wrap(err, "sealing");
    clo_tpm2_write_sized(out, clo_buffer_bytes(&wrapped));
    clo_tpm2_write_sized(out, clo_buffer_bytes(&public_part));
    clo_tpm2_write_sized(out, clo_buffer_bytes(&sealed_seed));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
