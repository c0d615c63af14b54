#include "verifier/store/generation.h"

#include <string.h>

#include "cloister/jose.h"

bool clo_generation_seal(struct clo_store *store, const char *path, const struct clo_secret *secret,
                         const json_t *tee_pubkey, json_t **jwe, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *release = NULL;
    struct clo_disk_identity disk;
    bool has_disk;

    if (!clo_store_disk(store, path, &has_disk, &disk, err))
        return false;
    if (!has_disk)
        return clo_jwe_seal(tee_pubkey, clo_secret_bytes(secret), jwe, err);
    return clo_disk_release_write(clo_secret_bytes(secret), &disk, &release, err) &&
           clo_jwe_seal_typed(tee_pubkey, CLO_DISK_RELEASE_TYPE, clo_secret_bytes(release), jwe,
                              err);
}

/* Decimal, without signs and leading zeros: one way to write each number. */
static bool read_generation(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (*text < '1' || *text > '9' || strlen(text) > 16)
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    *out = value;
    return *text == '\0' && value <= CLO_DISK_GENERATION_MAX;
}

bool clo_generation_parse(const char *request_path, char path[CLO_GENERATION_PATH],
                          uint64_t *generation, struct clo_error *err)
{
    const char *resource = request_path + strlen(CLO_GENERATION_PREFIX);
    const char *number = strrchr(resource, '/');

    if (number == NULL || (size_t)(number - resource) >= CLO_GENERATION_PATH ||
        !read_generation(number + 1, generation))
        return clo_fail(err, CLO_ERR_FORMAT, "generation: expected REPOSITORY/TYPE/TAG/NUMBER");
    memcpy(path, resource, (size_t)(number - resource));
    path[number - resource] = '\0';
    return clo_resource_check(path, err);
}
