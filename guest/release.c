#include "guest/release.h"

#include <string.h>

#include "cloister/jose.h"

void clo_release_free(struct clo_release *release)
{
    clo_secret_freep(&release->key);
    *release = (struct clo_release){ 0 };
}

static bool read_payload(struct clo_secret **payload, const char *type, bool is_registered,
                         struct clo_release *out, struct clo_error *err)
{
    if (strcmp(type, CLO_DISK_RELEASE_TYPE) == 0) {
        out->has_disk = true;
        return clo_disk_release_parse(clo_secret_bytes(*payload), &out->key, &out->disk, err);
    }
    if (type[0] != '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "content of type \"%s\"", type);
    if (is_registered)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the key comes without the disk that it is for, which this image wants: "
                        "cloister key put --disk");
    out->key = CLO_TAKE(*payload);
    return true;
}

bool clo_release_open(const json_t *jwe, const struct clo_private_key *transport,
                      bool is_registered, struct clo_release *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_release_free) struct clo_release release = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *payload = NULL;
    char type[CLO_JWE_TYPE];

    if (!clo_jwe_open_typed(jwe, transport, type, &payload, err) ||
        !read_payload(&payload, type, is_registered, &release, err))
        return clo_wrap(err, "the broker's answer");
    *out = release;
    release = (struct clo_release){ 0 };
    return true;
}
