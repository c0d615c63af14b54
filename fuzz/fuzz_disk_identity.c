#include "lib/disk/disk_identity.h"

#include <string.h>

#include "fuzz.h"

/* What is read writes back to something that reads the same, and is the disk that it says. */
static void check_file(struct clo_bytes in)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_disk_file file;
    struct clo_disk_file again;
    struct clo_error err;

    if (!clo_disk_file_parse(in, &file, &err))
        return;
    MUST(clo_disk_file_write(&file, &text, &err));
    MUST(clo_disk_file_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(clo_disk_identity_compare(&file.identity, &again.identity, &err));
    MUST(clo_digest_equal(&file.key_id, &again.key_id));
    MUST(file.identity.generation == again.identity.generation);
    again.identity.volume_key.bytes[0] ^= 1;
    MUST(!clo_disk_identity_compare(&file.identity, &again.identity, &err));
}

static void check_release(struct clo_bytes in)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *same_key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    struct clo_disk_identity identity;
    struct clo_disk_identity again;
    struct clo_error err;

    if (!clo_disk_release_parse(in, &key, &identity, &err))
        return;
    MUST(clo_disk_release_write(clo_secret_bytes(key), &identity, &text, &err));
    MUST(clo_disk_release_parse(clo_secret_bytes(text), &same_key, &again, &err));
    MUST(clo_bytes_equal(clo_secret_bytes(key), clo_secret_bytes(same_key)));
    MUST(clo_disk_identity_compare(&identity, &again, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_file(clo_bytes(data, size));
    check_release(clo_bytes(data, size));
    return 0;
}
