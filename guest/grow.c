#include "guest/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/file.h"

/* Linux, include/uapi/linux/ext4.h, which headers before 5.16 have not. */
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t)

/* --- What the image says --- */

static bool read_sizes(const json_t *list, struct clo_guest_grow *out, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        json_int_t size = json_integer_value(entry);
        if (!json_is_integer(entry) || size <= 0 || size % CLO_GPT_SECTOR != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "grow: entry %zu: not the size of a disk", i);
        if (out->count == CLO_GROW_SIZES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "grow: more than %d sizes", CLO_GROW_SIZES_MAX);
        out->sizes[out->count++] = (uint64_t)size;
    }
    return out->count > 0 || clo_fail(err, CLO_ERR_FORMAT, "grow: no sizes");
}

bool clo_grow_from_parse(const json_t *json, struct clo_grow_from *out, struct clo_error *err)
{
    static const char *const keys[] = { "provided", "journal_sections", NULL };
    struct clo_grow_from from;

    if (!clo_json_only(json, keys, err) ||
        !clo_json_get_u64(json, "provided", &from.provided, err) ||
        !clo_json_get_u64(json, "journal_sections", &from.journal_sections, err))
        return clo_wrap(err, "grow_from");
    if (from.provided == 0 || from.journal_sections == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "grow_from: nothing");
    *out = from;
    return true;
}

bool clo_guest_grow_parse(const json_t *json, struct clo_guest_grow *out, struct clo_error *err)
{
    struct clo_guest_grow grow = { .is_any = false };
    const char *word = json_string_value(json);

    grow.is_any = word != NULL && strcmp(word, "any") == 0;
    if (!grow.is_any && !json_is_array(json))
        return clo_fail(err, CLO_ERR_FORMAT, "grow: neither \"any\" nor a list of sizes");
    if (!grow.is_any && !read_sizes(json, &grow, err))
        return false;
    *out = grow;
    return true;
}

bool clo_grow_allows(const struct clo_guest_grow *grow, uint64_t disk_bytes)
{
    for (size_t i = 0; i < grow->count; i++)
        if (grow->sizes[i] == disk_bytes)
            return true;
    return grow->is_any;
}

/* --- Table and partition --- */

static bool write_out(int fd, struct clo_error *err)
{
    return fdatasync(fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
}

bool clo_grow_table(int fd, struct clo_bytes before, uint64_t disk_bytes, struct clo_buffer *head,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    uint64_t tail_at = disk_bytes / CLO_GPT_SECTOR * CLO_GPT_SECTOR - CLO_GPT_TAIL_SIZE;

    if (!clo_gpt_grow_root(before, disk_bytes, &grown, err))
        return false;
    if (grown.size == 0)
        return true; /* also a disk that lost its end: what is there must do */
    if (!clo_gpt_backup(clo_buffer_bytes(&grown), &tail, err))
        return false;
    if (!clo_fd_write(fd, tail_at, clo_buffer_bytes(&tail), err) || !write_out(fd, err) ||
        !clo_fd_write(fd, 0, clo_buffer_bytes(&grown), err) || !write_out(fd, err))
        return clo_wrap(err, "partition table");
    clo_buffer_append(head, clo_buffer_bytes(&grown));
    return clo_buffer_ok(head) || clo_out_of_memory(err);
}

static bool tell_kernel(int fd, struct clo_bytes head, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *root;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(head, gpt, err) || !clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, err))
        return false;
    struct blkpg_partition partition = {
        .pno = (int)root->number,
        .start = (long long)(root->first_lba * CLO_GPT_SECTOR),
        .length = (long long)((root->last_lba - root->first_lba + 1) * CLO_GPT_SECTOR),
    };
    struct blkpg_ioctl_arg argument = { .op = BLKPG_RESIZE_PARTITION,
                                        .datalen = sizeof partition,
                                        .data = &partition };
    return ioctl(fd, BLKPG, &argument) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "partition %d cannot be resized: %s", partition.pno,
                    strerror(errno));
}

bool clo_grow_is_unsaid(const struct clo_guest_grow *grow, bool has_tags)
{
    return has_tags && grow->from.provided == 0 && (grow->is_any || grow->count > 0);
}

bool clo_grow_disk(const struct clo_guest_grow *grow, bool has_tags, const char *device,
                   struct clo_bytes before, struct clo_buffer *head, bool *is_allowed,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDWR | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (end < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
    *is_allowed = clo_grow_allows(grow, (uint64_t)end) && !clo_grow_is_unsaid(grow, has_tags);
    if (!*is_allowed)
        return true;
    if (!clo_grow_table(fd, before, (uint64_t)end, head, err) ||
        (head->size > 0 && !tell_kernel(fd, clo_buffer_bytes(head), err)))
        return clo_wrap(err, "%s: cannot be grown", device);
    return true;
}

/* --- The file system --- */

bool clo_grow_files(const char *mounted, const char *device, uint64_t *before, uint64_t *after,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLO_CLEANUP(clo_fd_close) int block_fd = open(device, O_RDONLY | O_CLOEXEC);
    off_t bytes = block_fd < 0 ? -1 : lseek(block_fd, 0, SEEK_END);
    struct statfs is, was;

    if (fd < 0 || bytes < 0 || fstatfs(fd, &was) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", fd < 0 ? mounted : device, strerror(errno));
    uint64_t blocks = (uint64_t)bytes / (uint64_t)was.f_bsize;
    if (ioctl(fd, EXT4_RESIZE_FS, &blocks) != 0 || fstatfs(fd, &is) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: the file system cannot be grown: %s", mounted,
                        strerror(errno));
    *before = was.f_blocks * (uint64_t)was.f_bsize;
    *after = is.f_blocks * (uint64_t)is.f_bsize;
    return true;
}
