#include "image/luks.h"

#include <stdio.h>
#include <string.h>

#include <libcryptsetup.h>

/* The disk key is random, so stretching it would only slow the guest down: the least there is. */
static const struct crypt_pbkdf_type key_pbkdf = {
    .type = CRYPT_KDF_PBKDF2,
    .hash = "sha256",
    .iterations = 1000,
    .flags = CRYPT_PBKDF_NO_BENCHMARK,
};
/* Four passes over 256 MiB: half a second on a small machine. */
static const struct crypt_pbkdf_type passphrase_pbkdf = {
    .type = CRYPT_KDF_ARGON2ID,
    .hash = "sha256",
    .iterations = 4,
    .max_memory_kb = 262144,
    .parallel_threads = 2,
    .flags = CRYPT_PBKDF_NO_BENCHMARK,
};

static void free_device(struct crypt_device **device)
{
    if (*device != NULL)
        crypt_free(*device);
    *device = NULL;
}

static void keep_quiet(int level, const char *message, void *context)
{
    char *last = context;

    if (level == CRYPT_LOG_ERROR) {
        snprintf(last, 200, "%s", message);
        last[strcspn(last, "\n")] = '\0';
    }
}

static bool add_slot(struct crypt_device *device, int slot, const struct crypt_pbkdf_type *pbkdf,
                     const struct clo_secret *volume_key, struct clo_bytes key)
{
    return crypt_set_pbkdf_type(device, pbkdf) == 0 &&
           crypt_keyslot_add_by_volume_key(
                   device, slot, (const char *)clo_secret_bytes(volume_key).data,
                   clo_secret_size(volume_key), (const char *)key.data, key.size) == slot;
}

bool clo_luks_format(const char *path, const struct clo_luks_spec *spec,
                     struct clo_secret **volume_key, char *uuid, struct clo_error *err)
{
    CLO_CLEANUP(free_device) struct crypt_device *device = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char why[200] = "";
    size_t key_size = CLO_LUKS_VOLUME_KEY_SIZE;
    struct crypt_params_luks2 parameters = {
        .pbkdf = &key_pbkdf,
        .sector_size = CLO_LUKS_SECTOR,
    };

    if (spec->disk_key.size < 32 || spec->disk_key.size > 512)
        return clo_fail(err, CLO_ERR_USAGE, "disk key: %zu bytes, 32 to 512 are allowed",
                        spec->disk_key.size);
    crypt_set_log_callback(NULL, keep_quiet, why);
    bool ok = crypt_init(&device, path) == 0;
    if (ok)
        crypt_set_log_callback(device, keep_quiet, why);
    ok = ok && crypt_set_data_offset(device, CLO_LUKS_PAYLOAD_OFFSET / 512) == 0 &&
         crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", spec->uuid, NULL, key_size,
                      &parameters) == 0;
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 header: %s", why);
    /* libcryptsetup drew the volume key: take it over before the key slots are made. */
    if (!clo_secret_new(key_size, &key, err))
        return false;
    ok = crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)clo_secret_data(key), &key_size, NULL,
                              0) >= 0 &&
         add_slot(device, 0, &key_pbkdf, key, spec->disk_key) &&
         (spec->recovery_passphrase.size == 0 ||
          add_slot(device, 1, &passphrase_pbkdf, key, spec->recovery_passphrase));
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 key slots: %s", why);
    snprintf(uuid, 41, "%s", crypt_get_uuid(device));
    *volume_key = CLO_TAKE(key);
    crypt_set_log_callback(NULL, NULL, NULL);
    return true;
}

bool clo_luks_open(const char *path, struct clo_bytes disk_key, struct clo_secret **volume_key,
                   char *uuid, struct clo_error *err)
{
    CLO_CLEANUP(free_device) struct crypt_device *device = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char why[200] = "";
    size_t key_size = CLO_LUKS_VOLUME_KEY_SIZE;

    if (!clo_secret_new(key_size, &key, err))
        return false;
    crypt_set_log_callback(NULL, keep_quiet, why);
    bool ok = crypt_init(&device, path) == 0 && crypt_load(device, CRYPT_LUKS2, NULL) == 0 &&
              crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)clo_secret_data(key), &key_size,
                                   (const char *)disk_key.data, disk_key.size) >= 0;
    crypt_set_log_callback(NULL, NULL, NULL);
    if (!ok)
        return clo_fail(err, CLO_ERR_REFUSED, "%s: the disk key does not open it%s%s", path,
                        why[0] == '\0' ? "" : ": ", why);
    snprintf(uuid, 41, "%s", crypt_get_uuid(device));
    *volume_key = CLO_TAKE(key);
    return true;
}
