#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "device/file.h"
#include "image/in_place.h"
#include "image/layout.h"
#include "image/luks.h"

#define IN_PLACE_ROOM ((size_t)1 << 20)
#define WAY_OUT       "'cloister image convert DISK IMAGE' makes a new file"

/* The kernel locks nothing for a loop device, but says which file it has: by its number to those who may open the device, and by a path,
 * which may be of another's mounts: then the name alone decides. */
static bool has_file(const char *loop, const char *file, const char *path, const struct stat *image)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct loop_info64 info;
    struct stat status;
    char device[64];

    snprintf(device, sizeof device, "/dev/%.40s", loop);
    fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0)
        return info.lo_device == image->st_dev && info.lo_inode == image->st_ino;
    if (stat(file, &status) == 0)
        return status.st_dev == image->st_dev && status.st_ino == image->st_ino;
    return strcmp(basename(file), basename(path)) == 0;
}

static bool check_loops(const char *path, const struct stat *image, struct clo_error *err)
{
    CLO_CLEANUP(globfree) glob_t found = { 0 };

    if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &found) != 0)
        return true;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_error ignored;
        char name[4097], loop[40];
        if (!clo_file_read(found.gl_pathv[i], 4096, &file, &ignored))
            continue; /* detached meanwhile */
        const char *text = clo_buffer_string(&file);
        if (text == NULL)
            return clo_out_of_memory(err);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "\n"), text);
        const char *start = found.gl_pathv[i] + strlen("/sys/block/");
        snprintf(loop, sizeof loop, "%.*s", (int)strcspn(start, "/"), start);
        if (has_file(loop, name, path, image))
            return clo_fail(err, CLO_ERR_REFUSED, "is attached as %s: losetup -d detaches it",
                            loop);
    }
    return true;
}

/* Programs that open disk images lock them: QEMU by ranges of bytes, others whole. */
static bool lock(int fd, struct clo_error *err)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fcntl(fd, F_OFD_SETLK, &all) == 0)
        return true;
    if (errno != EWOULDBLOCK && errno != EACCES)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return clo_fail(err, CLO_ERR_REFUSED,
                    "another program has it open: stop the machine or the program that uses it");
}

bool clo_in_place_open(const char *path, int *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct stat status;

    if (stat(path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "--in-place: not a file: " WAY_OUT);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    if (!lock(fd, err) || !check_loops(path, &status, err))
        return false;
    *out = fd;
    fd = -1;
    return true;
}

/* As libcryptsetup opens it: a file of its own, larger than the header. */
static bool opens(const struct clo_container *disk, const struct clo_layout_part *part,
                  const char *scratch, struct clo_bytes disk_key)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_error ignored;
    char path[4200], uuid[41];

    snprintf(path, sizeof path, "%s/header", scratch);
    clo_buffer_zero(&header, CLO_LUKS_PAYLOAD_OFFSET + IN_PLACE_ROOM);
    return clo_buffer_ok(&header) && part->size > CLO_LUKS_PAYLOAD_OFFSET &&
           clo_container_read(disk, part->first, header.data, CLO_LUKS_PAYLOAD_OFFSET, &ignored) &&
           clo_file_write(path, clo_buffer_bytes(&header), 0600, &ignored) &&
           clo_luks_open(path, disk_key, &volume_key, uuid, &ignored);
}

bool clo_in_place_is_done(const char *path, const char *scratch, struct clo_bytes disk_key)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    CLO_CLEANUP(clo_freep) struct clo_layout *layout = malloc(sizeof *layout);
    struct clo_error ignored;

    if (layout == NULL || !clo_container_open(path, &disk, &ignored) ||
        !clo_layout_read(&disk, layout, &ignored))
        return false;
    for (size_t i = 0; i < layout->count; i++)
        if (layout->parts[i].is_root && layout->parts[i].probe.content == CLO_CONTENT_LUKS2)
            return opens(&disk, &layout->parts[i], scratch, disk_key);
    return false;
}
