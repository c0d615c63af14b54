#include "guest/disk_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/disk_internal.h"

bool clo_disk_compare(const struct clo_disk *disk, const struct clo_secret *volume_key,
                      const struct clo_disk_identity *registered, struct clo_error *err)
{
    struct clo_disk_identity found;

    return clo_disk_identity_of(clo_buffer_bytes(&disk->header), volume_key, &found, err) &&
           clo_disk_identity_compare(registered, &found, err);
}

/* libcryptsetup changes the copy in memory; the disk is not asked again. `change` returns its result. */
static bool change_header(const struct clo_disk *disk, const char *scratch,
                          int (*change)(struct crypt_device *device, const void *what),
                          const void *what, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *device = NULL;
    char why[CLO_DISK_WHY] = "";

    if (!clo_disk_load(disk, scratch, why, &device, err))
        return false;
    crypt_token_external_disable();
    int result = change(device, what);
    if (result < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: token: %s", disk->device,
                        why[0] != '\0' ? why : strerror(-result));
    clo_disk_free_device(&device); /* and with it everything is in the file */
    return clo_disk_new_header(disk->header.size, out, err) &&
           clo_disk_read_part(scratch, 0, disk->luks.keyslots_end, out, err);
}

struct generation_change {
    int number;
    const char *token;
};

static int set_generation(struct crypt_device *device, const void *what)
{
    const struct generation_change *change = what;

    return crypt_token_json_set(device, change->number, change->token);
}

static bool is_of_types(struct crypt_device *device, int number,
                        const struct clo_disk_tokens *tokens)
{
    const char *type = NULL;

    if (crypt_token_status(device, number, &type) < CRYPT_TOKEN_INTERNAL || type == NULL)
        return false;
    for (size_t i = 0; i < CLO_DISK_TOKENS; i++)
        if (strcmp(type, tokens->types[i]) == 0)
            return true;
    return false;
}

static int set_tokens(struct crypt_device *device, const void *what)
{
    const struct clo_disk_tokens *tokens = what;
    int result = 0;

    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX && result >= 0; i++)
        if (is_of_types(device, i, tokens))
            result = crypt_token_json_set(device, i, NULL);
    for (size_t i = 0; i < CLO_DISK_TOKENS && result >= 0; i++) {
        CLO_CLEANUP(clo_freep) char *text = json_dumps(tokens->tokens[i], JSON_COMPACT);
        result = text == NULL ? -ENOMEM : crypt_token_json_set(device, CRYPT_ANY_TOKEN, text);
    }
    return result;
}

static bool write_copy(int fd, const char *device, const struct clo_buffer *header, uint64_t at,
                       uint64_t size, struct clo_error *err)
{
    if (lseek(fd, (off_t)at, SEEK_SET) < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
    struct clo_bytes copy = clo_bytes_slice(clo_buffer_bytes(header), (size_t)at, (size_t)size);
    if (!clo_write_all(fd, copy, err))
        return clo_wrap(err, "%s", device);
    return fsync(fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
}

/* One copy is whole at any moment. */
static bool write_header(const struct clo_disk *disk, const struct clo_buffer *header,
                         struct clo_error *err)
{
    const char *path = clo_disk_header_path(disk);
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    uint64_t size = disk->luks.header_size;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return write_copy(fd, path, header, 0, size, err) &&
           write_copy(fd, path, header, size, size, err);
}

/* What libcryptsetup made must still be the disk that we looked at, one generation later. */
static bool check_header(const struct clo_disk *disk, const struct clo_buffer *header,
                         const struct clo_secret *volume_key, uint64_t generation,
                         struct clo_luks2_info *info, struct clo_error *err)
{
    struct clo_disk_identity before;
    struct clo_disk_identity after;

    if (!clo_disk_check_header(disk, header, info, err) ||
        !clo_disk_identity_of(clo_buffer_bytes(&disk->header), volume_key, &before, err) ||
        !clo_disk_identity_of(clo_buffer_bytes(header), volume_key, &after, err) ||
        !clo_disk_identity_compare(&before, &after, err))
        return false;
    return (after.generation == generation && info->header_size == disk->luks.header_size) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: the generation was not written", disk->device);
}

static void take_header(struct clo_disk *disk, struct clo_buffer *header,
                        const struct clo_luks2_info *info)
{
    clo_buffer_free(&disk->header);
    disk->header = *header;
    disk->luks = *info;
    *header = (struct clo_buffer){ 0 };
}

bool clo_disk_raise_generation(struct clo_disk *disk, const char *scratch,
                               const struct clo_secret *volume_key, uint64_t least, uint64_t *out,
                               struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    uint64_t next = disk->luks.generation.value + 1;
    uint64_t generation = next > least ? next : least;
    struct clo_luks2_info info;

    if (!clo_luks2_generation_write(generation, volume_key, disk->luks.uuid, &token, err))
        return clo_wrap(err, "generation");
    const struct generation_change change = {
        .number = disk->luks.generation.token < 0 ? CRYPT_ANY_TOKEN : disk->luks.generation.token,
        .token = clo_buffer_string(&token),
    };
    if (!change_header(disk, scratch, set_generation, &change, &header, err) ||
        !check_header(disk, &header, volume_key, generation, &info, err) ||
        !write_header(disk, &header, err))
        return clo_wrap(err, "generation");
    take_header(disk, &header, &info);
    *out = generation;
    return true;
}

bool clo_disk_write_tokens(struct clo_disk *disk, const char *scratch,
                           const struct clo_secret *volume_key,
                           const struct clo_disk_tokens *tokens, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;

    if (!change_header(disk, scratch, set_tokens, tokens, &header, err) ||
        !check_header(disk, &header, volume_key, disk->luks.generation.value, &info, err) ||
        !write_header(disk, &header, err))
        return clo_wrap(err, "tokens");
    take_header(disk, &header, &info);
    return true;
}
