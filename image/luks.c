#include "image/luks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libcryptsetup.h>
#include <openssl/rand.h>

#include "cloister/json.h"
#include "device/file.h"
#include "lib/disk/luks2.h"

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

/* --- Sectors with tags ---
 * libcryptsetup asks device-mapper before it writes such a header. So it makes one without tags, with the volume key in key slots
 * that belong to no segment yet; then the metadata is made to say what the segment is. */

/* The digest of the key slots becomes the segment's, and the only one. */
static bool join_segment(json_t *metadata, unsigned sector_size, bool is_gcm, struct clo_error *err)
{
    json_t *digests, *segments;

    if (!clo_json_get_object(metadata, "digests", &digests, err) ||
        !clo_json_get_object(metadata, "segments", &segments, err))
        return false;
    json_t *segment = json_object_get(segments, "0");
    json_t *digest = json_object_get(digests, "1");
    json_t *tags = json_pack("{s:s, s:s, s:s}", "type", is_gcm ? CLO_LUKS2_AEAD : CLO_LUKS2_HMAC,
                             "journal_encryption", "none", "journal_integrity", "none");
    bool ok = json_object_set_new(digest, "segments", json_pack("[s]", "0")) == 0 &&
              json_object_set(digests, "0", digest) == 0 && json_object_del(digests, "1") == 0 &&
              json_object_set_new(segment, "sector_size", json_integer(sector_size)) == 0 &&
              json_object_set_new(segment, "integrity", tags) == 0 &&
              (!is_gcm ||
               json_object_set_new(segment, "encryption", json_string(CLO_LUKS2_GCM)) == 0);
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 header: not as libcryptsetup writes it");
}

static bool rewrite(const char *path, unsigned sector_size, bool is_gcm, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;

    clo_buffer_zero(&header, CLO_LUKS_PAYLOAD_OFFSET);
    if (!clo_buffer_ok(&header))
        return clo_out_of_memory(err);
    if (fd < 0 || pread(fd, header.data, header.size, 0) != (ssize_t)header.size)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, err) &&
           join_segment(metadata, sector_size, is_gcm, err) &&
           clo_luks2_write(&header, metadata, err) &&
           clo_write_all(fd, clo_buffer_bytes(&header), err);
}

/* --- Making one --- */

static bool add_slot(struct crypt_device *device, int slot, const struct clo_luks_spec *spec,
                     const struct crypt_pbkdf_type *pbkdf, const struct clo_secret *volume_key,
                     struct clo_bytes key)
{
    const char *volume = (const char *)clo_secret_bytes(volume_key).data;
    size_t size = clo_secret_size(volume_key);
    uint32_t flags = CRYPT_VOLUME_KEY_NO_SEGMENT;

    if (crypt_set_pbkdf_type(device, pbkdf) != 0)
        return false;
    if (!spec->has_tags)
        return crypt_keyslot_add_by_volume_key(device, slot, volume, size, (const char *)key.data,
                                               key.size) == slot;
    if (slot != 0)
        flags |= CRYPT_VOLUME_KEY_DIGEST_REUSE;
    return crypt_keyslot_add_by_key(device, slot, volume, size, (const char *)key.data, key.size,
                                    flags) == slot;
}

/* Without tags libcryptsetup has drawn it. */
static bool get_volume_key(struct crypt_device *device, const struct clo_luks_spec *spec,
                           struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    size_t size = !spec->has_tags ? CLO_LUKS2_XTS_KEY_SIZE
                  : spec->is_gcm  ? CLO_LUKS2_GCM_KEY_SIZE
                                  : CLO_LUKS2_HMAC_KEY_SIZE;

    if (!clo_secret_new(size, &key, err))
        return false;
    bool ok = spec->has_tags
                      ? RAND_priv_bytes(clo_secret_data(key), (int)size) == 1
                      : crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)clo_secret_data(key),
                                             &size, NULL, 0) >= 0;
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2: no volume key");
    *out = CLO_TAKE(key);
    return true;
}

bool clo_luks_format(const char *path, const struct clo_luks_spec *spec,
                     struct clo_secret **volume_key, char *uuid, struct clo_error *err)
{
    CLO_CLEANUP(free_device) struct crypt_device *device = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char why[200] = "";
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
         crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", spec->uuid, NULL,
                      CLO_LUKS2_XTS_KEY_SIZE, &parameters) == 0;
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 header: %s", why);
    if (!get_volume_key(device, spec, &key, err))
        return false;
    ok = add_slot(device, 0, spec, &key_pbkdf, key, spec->disk_key) &&
         (spec->recovery_passphrase.size == 0 ||
          add_slot(device, 1, spec, &passphrase_pbkdf, key, spec->recovery_passphrase));
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 key slots: %s", why);
    snprintf(uuid, 41, "%s", crypt_get_uuid(device));
    free_device(&device);
    crypt_set_log_callback(NULL, NULL, NULL);
    unsigned sector_size = spec->sector_size == 0 ? CLO_LUKS_SECTOR : spec->sector_size;
    if (spec->has_tags && !rewrite(path, sector_size, spec->is_gcm, err))
        return clo_wrap(err, "%s", path);
    *volume_key = CLO_TAKE(key);
    return true;
}

bool clo_luks_open(const char *path, struct clo_bytes disk_key, struct clo_secret **volume_key,
                   char *uuid, struct clo_error *err)
{
    CLO_CLEANUP(free_device) struct crypt_device *device = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char why[200] = "";

    crypt_set_log_callback(NULL, keep_quiet, why);
    bool ok = crypt_init(&device, path) == 0 && crypt_load(device, CRYPT_LUKS2, NULL) == 0;
    int size = ok ? crypt_get_volume_key_size(device) : 0;
    size_t key_size = size > 0 ? (size_t)size : CLO_LUKS2_XTS_KEY_SIZE;
    if (!clo_secret_new(key_size, &key, err))
        return false;
    ok = ok && crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)clo_secret_data(key), &key_size,
                                    (const char *)disk_key.data, disk_key.size) >= 0;
    crypt_set_log_callback(NULL, NULL, NULL);
    if (!ok)
        return clo_fail(err, CLO_ERR_REFUSED, "%s: the disk key does not open it%s%s", path,
                        why[0] == '\0' ? "" : ": ", why);
    snprintf(uuid, 41, "%s", crypt_get_uuid(device));
    *volume_key = CLO_TAKE(key);
    return true;
}

bool clo_luks_add_passphrase(const char *path, const struct clo_secret *volume_key,
                             struct clo_bytes passphrase, struct clo_error *err)
{
    CLO_CLEANUP(free_device) struct crypt_device *device = NULL;
    struct clo_bytes key = clo_secret_bytes(volume_key);
    char why[200] = "";

    crypt_set_log_callback(NULL, keep_quiet, why);
    bool ok = crypt_init(&device, path) == 0;
    if (ok)
        crypt_set_log_callback(device, keep_quiet, why);
    ok = ok && crypt_load(device, CRYPT_LUKS2, NULL) == 0 &&
         crypt_set_pbkdf_type(device, &passphrase_pbkdf) == 0 &&
         crypt_keyslot_add_by_volume_key(device, CRYPT_ANY_SLOT, (const char *)key.data, key.size,
                                         (const char *)passphrase.data, passphrase.size) >= 0;
    crypt_set_log_callback(NULL, NULL, NULL);
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 key slot for the passphrase: %s", why);
}
