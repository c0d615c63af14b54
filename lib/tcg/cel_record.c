/* Parts of a record that both encodings have. */
#include <stdlib.h>
#include <string.h>

#include "cel.h"

static bool check_size(uint16_t algorithm, size_t size, struct clo_error *err)
{
    size_t known = clo_hash_size(clo_hash_from_tpm(algorithm));
    const char *name = clo_event_algorithm_name(algorithm);

    if (size > 0 && size <= CLO_HASH_SIZE_MAX && (known == 0 || size == known))
        return true;
    return name != NULL ? clo_fail(err, CLO_ERR_FORMAT, "%zu bytes for %s", size, name)
                        : clo_fail(err, CLO_ERR_FORMAT, "%zu bytes for algorithm 0x%04x", size,
                                   algorithm);
}

bool cel_add_digest(struct cel_record *record, uint16_t algorithm, struct clo_bytes digest,
                    struct clo_error *err)
{
    const char *name = clo_event_algorithm_name(algorithm);

    if (algorithm == 0)
        return true;
    if (!check_size(algorithm, digest.size, err))
        return false;
    for (size_t i = 0; i < record->digest_count; i++)
        if (record->digests[i].algorithm == algorithm)
            return clo_fail(err, CLO_ERR_FORMAT, "a second one for %s",
                            name != NULL ? name : "its algorithm");
    if (record->digest_count == CLO_EVENT_DIGESTS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d", CLO_EVENT_DIGESTS_MAX);
    struct cel_digest *out = &record->digests[record->digest_count++];
    out->algorithm = algorithm;
    out->size = (uint16_t)digest.size;
    memcpy(out->bytes, digest.data, digest.size);
    return true;
}

bool cel_event_type(const char *text, uint32_t *out)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 0);

    if (*text >= '0' && *text <= '9' && *end == '\0' && value <= UINT32_MAX) {
        *out = (uint32_t)value;
        return true;
    }
    return clo_event_type_from_name(text, out);
}
