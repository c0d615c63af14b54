#include "lib/tcg/tpm_credential.h"

#include <string.h>

#include "lib/tcg/tpm2_wrap.h"

/* tpm2-tools' file: this, a version, and the two structures. */
#define FILE_MAGIC   0xbadcc0deU
#define FILE_VERSION 1

#define ALG_AES 0x0006
#define ALG_CFB 0x0043

/* What an endorsement key encrypts with (TPMT_PUBLIC, part 2, section 12.2.4). */
static bool find_recipient(const struct clo_tpm_public *ek, struct clo_tpm2_recipient *out,
                           struct clo_error *err)
{
    struct clo_reader r = clo_reader(ek->area);

    clo_read_skip(&r, 2 + 2 + 4); /* type, nameAlg, attributes */
    uint16_t policy = clo_read_be16(&r);
    clo_read_skip(&r, policy);
    uint16_t algorithm = clo_read_be16(&r);
    uint16_t bits = clo_read_be16(&r);
    uint16_t mode = clo_read_be16(&r);
    if (!clo_reader_ok(&r) || algorithm != ALG_AES || mode != ALG_CFB ||
        (bits != 128 && bits != 256))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "symmetric algorithm 0x%04x of %u bits: AES-CFB expected", algorithm, bits);
    *out = (struct clo_tpm2_recipient){ ek->key, ek->name_hash, bits };
    return true;
}

bool clo_tpm_credential_make(const struct clo_tpm_public *ek, struct clo_bytes name,
                             struct clo_bytes secret, const struct clo_random *random,
                             struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *seed = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *plain = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer object = { 0 };
    struct clo_tpm2_recipient to;

    if (!clo_tpm_public_endorses(ek, err) || !find_recipient(ek, &to, err))
        return clo_wrap(err, "endorsement key");
    if (secret.size == 0 || secret.size > clo_hash_size(ek->name_hash))
        return clo_fail(err, CLO_ERR_USAGE, "credential: %zu bytes, at most %zu", secret.size,
                        clo_hash_size(ek->name_hash));
    if (!clo_secret_new(2 + secret.size, &plain, err))
        return false;
    uint8_t *sized = clo_secret_data(plain);
    sized[0] = (uint8_t)(secret.size >> 8);
    sized[1] = (uint8_t)secret.size;
    memcpy(sized + 2, secret.data, secret.size);
    if (!clo_tpm2_seed(&to, "IDENTITY", random, &seed, &sealed, err) ||
        !clo_tpm2_wrap(&to, seed, name, clo_secret_bytes(plain), &object, err))
        return clo_wrap(err, "credential");
    clo_buffer_be32(out, FILE_MAGIC);
    clo_buffer_be32(out, FILE_VERSION);
    clo_tpm2_write_sized(out, clo_buffer_bytes(&object));
    clo_tpm2_write_sized(out, clo_buffer_bytes(&sealed));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_tpm_credential_parse(struct clo_bytes in, struct clo_tpm_credential *out,
                              struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    uint32_t magic = clo_read_be32(&r);
    uint32_t version = clo_read_be32(&r);
    if (!clo_reader_ok(&r) || magic != FILE_MAGIC)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a credential for a TPM");
    if (version != FILE_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "credential: version %u", version);
    uint16_t object = clo_read_be16(&r);
    struct clo_bytes wrapped = clo_read_bytes(&r, object);
    uint16_t seed = clo_read_be16(&r);
    struct clo_bytes sealed = clo_read_bytes(&r, seed);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "credential: truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "credential: %zu bytes after its end",
                        clo_reader_left(&r));
    *out = (struct clo_tpm_credential){ wrapped, sealed };
    return true;
}
