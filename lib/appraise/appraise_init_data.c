/* What was handed to a guest at its start (Trustee's init-data): claimed by the client, held by the launch. HOST_DATA of
 * SEV-SNP and MRCONFIGID of TDX hold the digest itself, cut or followed by zeros; a TPM's PCR 8 was extended by it. */
#include <string.h>

#include "cloister/encoding.h"

#include "lib/appraise/tee.h"

#define INIT_DATA_PCR 8

static bool fills(struct clo_bytes field, struct clo_bytes digest)
{
    size_t size = digest.size < field.size ? digest.size : field.size;

    return size > 0 &&
           clo_bytes_equal(clo_bytes_slice(field, 0, size), clo_bytes_slice(digest, 0, size)) &&
           clo_bytes_all(clo_bytes_slice(field, size, field.size), 0);
}

static bool was_extended(const struct work *w, struct clo_bytes digest)
{
    const struct clo_digest *value = &w->pcrs.values[INIT_DATA_PCR];
    uint8_t zeros[CLO_HASH_SIZE_MAX] = { 0 };
    const struct clo_bytes parts[] = { clo_bytes(zeros, clo_hash_size(w->pcrs.hash)), digest };
    struct clo_digest expected;

    if ((w->pcr_mask >> INIT_DATA_PCR & 1) == 0)
        return false;
    clo_hash_many(w->pcrs.hash, parts, CLO_COUNT(parts), &expected);
    return clo_digest_equal(&expected, value);
}

bool appraise_init_data(struct work *w, struct clo_error *err)
{
    static const char id[] = "init_data";
    struct clo_bytes digest = w->inputs->init_data;
    const struct tee *hardware = w->hardware;
    bool holds;

    if (digest.data == NULL)
        return true;
    if (w->tee->has_tpm)
        holds = was_extended(w, digest);
    else
        holds = hardware != NULL && hardware->init_data != NULL &&
                fills(hardware->init_data(w), digest);
    clo_check_that(w->checks, id, holds, "%s %s the digest of the init-data",
                   w->tee->has_tpm ? "PCR 8" : "what the launch was given",
                   holds ? "holds" : "does not hold");
    return !holds || appraise_claim(w, id, clo_json_hex(digest), err);
}
