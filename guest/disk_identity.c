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

/* libcryptsetup changes the copy in memory; the disk is not asked again. */
static bool change_header(const struct clo_disk *disk, const char *scratch, const char *token,
                          struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *device = NULL;
    char why[CLO_DISK_WHY] = "";
    int number = disk->luks.generation.token < 0 ? CRYPT_ANY_TOKEN : disk->luks.generation.token;

    if (!clo_disk_load(disk, scratch, why, &device, err))
        return false;
    int result = crypt_token_json_set(device, number, token);
    if (result < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: token: %s", disk->device,
                        why[0] != '\0' ? why : strerror(-result));
    clo_disk_free_device(&device); /* and with it everything is in the file */
    return clo_file_read(scratch, CLO_LUKS2_HEADER_MAX, out, err);
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
    CLO_CLEANUP(clo_fd_close) int fd = open(disk->device, O_WRONLY | O_CLOEXEC);
    uint64_t size = disk->luks.header_size;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", disk->device, strerror(errno));
    return write_copy(fd, disk->device, header, 0, size, err) &&
           write_copy(fd, disk->device, header, size, size, err);
}

/* What libcryptsetup made must still be the disk that we looked at, one generation later. */
static bool check_header(const struct clo_disk *disk, const struct clo_buffer *header,
                         const struct clo_secret *volume_key, uint64_t generation,
                         struct clo_luks2_info *info, struct clo_error *err)
{
    struct clo_disk_identity before;
    struct clo_disk_identity after;

    if (!clo_luks2_check(clo_buffer_bytes(header), info, err) ||
        !clo_disk_identity_of(clo_buffer_bytes(&disk->header), volume_key, &before, err) ||
        !clo_disk_identity_of(clo_buffer_bytes(header), volume_key, &after, err) ||
        !clo_disk_identity_compare(&before, &after, err))
        return false;
    return (after.generation == generation && info->header_size == disk->luks.header_size) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: the generation was not written", disk->device);
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

    if (!clo_luks2_generation_write(generation, volume_key, disk->luks.uuid, &token, err) ||
        !change_header(disk, scratch, clo_buffer_string(&token), &header, err) ||
        !check_header(disk, &header, volume_key, generation, &info, err) ||
        !write_header(disk, &header, err))
        return clo_wrap(err, "generation");
    clo_buffer_free(&disk->header);
    disk->header = header;
    disk->luks = info;
    header = (struct clo_buffer){ 0 };
    *out = generation;
    return true;
}
