#include "guest/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/disk_internal.h"
#include "lib/disk/gpt.h"
#include "lib/disk/integrity.h"

#define DISKS      "/sys/class/block"
#define PAUSE_NSEC 20000000L
/* Of cryptsetup's usual size, 16 KiB, which is ours as well. */
#define USUAL_COPIES (2 * 16384)

/* --- Finding it --- */

static bool read_number(const char *disk, const char *partition, const char *attribute,
                        uint64_t *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error ignored;
    char path[300];

    snprintf(path, sizeof path, DISKS "/%.48s/%.48s/%.32s", disk, partition, attribute);
    if (!clo_file_read(path, 64, &text, &ignored) || clo_buffer_string(&text) == NULL)
        return false;
    char *end;
    *out = strtoull(clo_buffer_string(&text), &end, 10);
    return *end == '\n';
}

static bool read_into(const char *device, uint64_t from, size_t size, uint8_t *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
    for (size_t at = 0; at < size;) {
        ssize_t got = pread(fd, out + at, size - at, (off_t)(from + at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", device,
                            got == 0 ? "too small" : strerror(errno));
        at += (size_t)got;
    }
    return true;
}

static bool read_exactly(const char *device, uint64_t from, size_t size, struct clo_buffer *out,
                         struct clo_error *err)
{
    clo_buffer_zero(out, size);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    return read_into(device, from, size, out->data, err);
}

/* The kernel's partition that lies where the table says: it read the table by itself. */
static bool find_partition(const char *disk, const struct clo_gpt_partition *partition, char *out,
                           size_t size)
{
    CLO_CLEANUP(clo_freep) char *path = NULL;
    struct dirent *entry;
    bool found = false;
    uint64_t start, sectors;

    if (asprintf(&path, DISKS "/%s", disk) < 0)
        return false;
    DIR *folder = opendir(path);
    while (folder != NULL && !found && (entry = readdir(folder)) != NULL) {
        found = strncmp(entry->d_name, disk, strlen(disk)) == 0 &&
                read_number(disk, entry->d_name, "start", &start) &&
                read_number(disk, entry->d_name, "size", &sectors) &&
                start == partition->first_lba &&
                sectors == partition->last_lba - partition->first_lba + 1;
        if (found)
            snprintf(out, size, "/dev/%.48s", entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* A disk without a table, or without a root in it, is nobody's business. */
static bool look_at(const char *disk, char *out, size_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *partition;
    char device[64];

    snprintf(device, sizeof device, "/dev/%.48s", disk);
    return gpt != NULL && read_exactly(device, 0, CLO_GPT_HEAD_SIZE, &head, err) &&
           clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) &&
           clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &partition, err) &&
           find_partition(disk, partition, out, size);
}

static bool is_whole_disk(const char *name)
{
    char path[300];

    snprintf(path, sizeof path, DISKS "/%.48s/partition", name);
    return name[0] != '.' && strlen(name) < 48 && access(path, F_OK) != 0;
}

static size_t look_at_all(struct clo_disk *out, struct clo_error *why)
{
    DIR *folder = opendir(DISKS);
    struct dirent *entry;
    size_t found = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char device[64];
        if (!is_whole_disk(entry->d_name) || !look_at(entry->d_name, device, sizeof device, why))
            continue;
        memcpy(out->device, device, sizeof device);
        found++;
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

bool clo_disk_find(unsigned seconds, struct clo_disk *out, struct clo_error *err)
{
    struct clo_disk disk = { 0 };
    size_t found = 0;

    clo_fail(err, CLO_ERR_UNAVAILABLE, "no disk");
    for (long i = 0; found == 0 && i <= (long)seconds * (1000000000L / PAUSE_NSEC); i++) {
        if (i > 0)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NSEC }, NULL);
        found = look_at_all(&disk, err);
    }
    if (found == 0)
        return clo_wrap(err, "no root partition on any disk");
    if (found > 1)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%zu disks with a root partition: which one is ours cannot be told", found);
    *out = disk;
    return true;
}

static bool device_size(const char *device, uint64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (end < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
    *out = (uint64_t)end;
    return true;
}

/* The kernel reads the superblock again, and need not be shown the same: a tag covers what it covers. What cannot be ours is told
 * here, before a key is asked for. */
static bool check_superblock(const struct clo_disk *disk, const struct clo_luks2_info *info,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    uint64_t size;

    return info->integrity[0] == '\0' ||
           (device_size(disk->device, &size, err) &&
            read_exactly(disk->device, info->payload_offset, CLO_INTEGRITY_SUPERBLOCK, &superblock,
                         err) &&
            clo_luks2_check_tags(info, clo_buffer_bytes(&superblock), size, err));
}

bool clo_disk_new_header(size_t size, struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_free(out);
    out->data = calloc(1, size); /* of this size, pages that the kernel has not given yet */
    if (out->data == NULL)
        return clo_out_of_memory(err);
    out->size = out->capacity = size;
    return true;
}

bool clo_disk_read_part(const char *path, uint64_t from, uint64_t to, struct clo_buffer *header,
                        struct clo_error *err)
{
    if (to > header->size || from > to)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: too small", path);
    return read_into(path, from, (size_t)(to - from), header->data + from, err);
}

const char *clo_disk_header_path(const struct clo_disk *disk)
{
    return disk->header_file != NULL ? disk->header_file : disk->device;
}

bool clo_disk_check_header(const struct clo_disk *disk, const struct clo_buffer *header,
                           struct clo_luks2_info *info, struct clo_error *err)
{
    return disk->header_file != NULL ? clo_luks2_check_detached(clo_buffer_bytes(header), info, err)
                                     : clo_luks2_check(clo_buffer_bytes(header), info, err);
}

/* Both copies where they usually are, and what their key slots use. False, with nothing to say: it is another header, or one whose
 * copies differ. */
static bool read_usual_header(const struct clo_disk *disk, struct clo_buffer *header,
                              struct clo_luks2_info *info)
{
    struct clo_error ignored;

    const char *path = clo_disk_header_path(disk);

    return clo_disk_read_part(path, 0, USUAL_COPIES, header, &ignored) &&
           clo_disk_check_header(disk, header, info, &ignored) &&
           info->keyslots_end > USUAL_COPIES &&
           clo_disk_read_part(path, USUAL_COPIES, info->keyslots_end, header, &ignored);
}

static bool read_whole_header(const struct clo_disk *disk, struct clo_buffer *header,
                              struct clo_luks2_info *info, struct clo_error *err)
{
    const char *path = clo_disk_header_path(disk);

    return clo_disk_read_part(path, 0, header->size, header, err) &&
           ((clo_luks2_settle(header, err) && clo_disk_check_header(disk, header, info, err)) ||
            clo_wrap(err, "%s", path));
}

bool clo_disk_read_header(struct clo_disk *disk, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    const char *path = clo_disk_header_path(disk);
    struct clo_luks2_info info;
    uint64_t size;

    if (!device_size(path, &size, err))
        return false;
    if (size < (disk->header_file != NULL ? USUAL_COPIES : CLO_LUKS2_HEADER_MAX))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: too small", path);
    if (!clo_disk_new_header(size < CLO_LUKS2_HEADER_MAX ? (size_t)size : CLO_LUKS2_HEADER_MAX,
                             &header, err))
        return false;
    if (!read_usual_header(disk, &header, &info) && !read_whole_header(disk, &header, &info, err))
        return false;
    if (!check_superblock(disk, &info, err))
        return clo_wrap(err, "%s", disk->device);
    header.size = (size_t)info.header_end;
    disk->luks = info;
    disk->header = header;
    header = (struct clo_buffer){ 0 };
    return true;
}

void clo_disk_free(struct clo_disk *disk)
{
    clo_buffer_free(&disk->header);
    *disk = (struct clo_disk){ 0 };
}

/* --- Opening it --- */

void clo_disk_free_device(struct crypt_device **device)
{
    if (*device != NULL)
        crypt_free(*device);
    *device = NULL;
}

void clo_disk_keep_last(int level, const char *message, void *context)
{
    char *last = context;

    if (level == CRYPT_LOG_ERROR) {
        snprintf(last, CLO_DISK_WHY, "%s", message);
        last[strcspn(last, "\n")] = '\0';
    }
}

/* As long as the header, and no more of it written than its key slots use. */
static bool write_scratch(const struct clo_disk *disk, const char *scratch, struct clo_error *err)
{
    struct clo_bytes used =
            clo_bytes_slice(clo_buffer_bytes(&disk->header), 0, (size_t)disk->luks.keyslots_end);

    if (!clo_file_write(scratch, used, 0600, err))
        return false;
    return truncate(scratch, (off_t)disk->header.size) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", scratch, strerror(errno));
}

/* libcryptsetup takes headers by path: the checked copy goes into a file in memory. What is logged goes to `why` by the
 * device alone: a callback for all would outlive `why`, and take another's place where libcryptsetup called us. */
bool clo_disk_load(const struct clo_disk *disk, const char *scratch, char why[CLO_DISK_WHY],
                   struct crypt_device **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *device = NULL;

    if (!write_scratch(disk, scratch, err))
        return false;
    crypt_metadata_locking(NULL, 0); /* nobody else is there */
    int result = crypt_init_data_device(&device, scratch, disk->device);
    if (result == 0) {
        crypt_set_log_callback(device, clo_disk_keep_last, why);
        result = crypt_load(device, CRYPT_LUKS2, NULL);
    }
    if (result < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", disk->device,
                        why[0] != '\0' ? why : strerror(-result));
    *out = CLO_TAKE(device);
    return true;
}

bool clo_disk_volume_key(const struct clo_disk *disk, const char *scratch,
                         const struct clo_secret *disk_key, struct clo_secret **volume_key,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *device = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_bytes secret = clo_secret_bytes(disk_key);
    char why[CLO_DISK_WHY] = "";
    size_t size = disk->luks.key_size;

    if (!clo_disk_load(disk, scratch, why, &device, err) || !clo_secret_new(size, &key, err))
        return false;
    int slot = crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)clo_secret_data(key), &size,
                                    (const char *)secret.data, secret.size);
    if (slot == -EPERM || slot == -ENOENT)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: the released key opens no key slot: it is not the disk of this image",
                        disk->device);
    if (slot < 0 || size != clo_secret_size(key))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", disk->device,
                        why[0] != '\0' ? why : strerror(slot < 0 ? -slot : EINVAL));
    *volume_key = CLO_TAKE(key);
    return true;
}

bool clo_disk_open(const struct clo_disk *disk, const char *scratch,
                   const struct clo_secret *volume_key, const char *name, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *device = NULL;
    struct clo_bytes key = clo_secret_bytes(volume_key);
    char why[CLO_DISK_WHY] = "";

    if (!clo_disk_load(disk, scratch, why, &device, err))
        return false;
    /* The key goes to the kernel with the table: no keyring, which would outlive us. */
    crypt_volume_key_keyring(device, 0);
    int result = crypt_activate_by_volume_key(device, name, (const char *)key.data, key.size, 0);
    if (result < 0)
        return clo_fail(err, result == -EPERM ? CLO_ERR_REFUSED : CLO_ERR_SYSTEM, "%s: %s",
                        disk->device, why[0] != '\0' ? why : strerror(-result));
    return true;
}
