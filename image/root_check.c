#include "image/root_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ext2fs/ext2fs.h>

#include "device/container.h"
#include "lib/disk/probe.h"

#define SIZE_MIN ((uint64_t)1 << 20)

/* In the guest's order (guest/root.c), and where those lie whose folders are links. */
const char *const clo_root_inits[] = {
    "sbin/init", "usr/lib/systemd/systemd", "lib/systemd/systemd", "etc/init",
    "bin/init",  "usr/sbin/init",           "usr/bin/init",        NULL,
};

static bool check_folder(const char *path, struct clo_error *err)
{
    for (size_t i = 0; clo_root_inits[i] != NULL; i++) {
        char name[4300];
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, clo_root_inits[i]);
        /* Its target, if it is a link, is in the root and not here. */
        if (lstat(name, &status) == 0 && !S_ISDIR(status.st_mode))
            return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT,
                    "%s: is not the root of a system: it has no init (sbin/init, …)", path);
}

static bool has_init(ext2_filsys fs)
{
    for (size_t i = 0; clo_root_inits[i] != NULL; i++) {
        ext2_ino_t inode;
        if (ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, clo_root_inits[i], &inode) == 0)
            return true;
    }
    return false;
}

static bool check_ext4(const char *path, struct clo_error *err)
{
    ext2_filsys fs = NULL;

    errcode_t failed = ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);
    if (failed != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: ext4: %s", path, error_message(failed));
    bool ok = has_init(fs);
    ext2fs_close_free(&fs);
    return ok || clo_fail(err, CLO_ERR_FORMAT,
                          "%s: is not the root of a system: it has no init (sbin/init, …)", path);
}

static bool check_raw(const struct clo_container *disk, const char *path, struct clo_error *err)
{
    static uint8_t head[CLO_PROBE_SIZE];
    struct clo_mbr_partition partitions[CLO_MBR_PARTITIONS];
    size_t size = disk->size < sizeof head ? (size_t)disk->size : sizeof head;
    struct clo_probe found;

    if (disk->size < SIZE_MIN)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %llu bytes are not a file system image", path,
                        (unsigned long long)disk->size);
    if (!clo_container_read(disk, 0, head, size, err))
        return clo_wrap(err, "%s", path);
    clo_probe(clo_bytes(head, size), &found);
    if (found.content == CLO_CONTENT_EXT)
        return check_ext4(path, err);
    if (memcmp(head + 512, "EFI PART", 8) == 0 || clo_mbr_parse(clo_bytes(head, 512), partitions))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: is a whole disk, not a root: 'cloister image convert' takes it", path);
    return clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "%s: is %s: a root is a folder or an ext4 file system", path,
                    found.content == CLO_CONTENT_UNKNOWN ? "not a file system"
                                                         : clo_content_name(found.content));
}

bool clo_root_check(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    struct stat status;

    if (stat(path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return check_folder(path, err);
    if (!clo_container_open(path, &disk, err))
        return clo_wrap(err, "%s", path);
    if (disk.kind != CLO_CONTAINER_RAW)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: is a disk in a %s container, not a root: 'cloister image convert' "
                        "takes it",
                        path, clo_container_name(disk.kind));
    return check_raw(&disk, path, err);
}
