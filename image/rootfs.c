#include "image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "device/process.h"

#define BLOCK    4096U
#define ROOM_MIN ((uint64_t)256 << 20)

static _Thread_local uint64_t total;

static int add_size(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)path;
    (void)place;
    uint64_t size = type == FTW_F ? (uint64_t)status->st_size : BLOCK;
    total += (size + BLOCK - 1) / BLOCK * BLOCK + 256; /* and an inode */
    return 0;
}

bool clo_rootfs_make(const char *folder, const char *path, uint64_t size,
                     const struct clo_guid *uuid, int64_t epoch, struct clo_error *err)
{
    struct stat status;
    char guid[CLO_GUID_TEXT];
    char extended[128];
    char blocks[32];
    char date[48];

    if (stat(folder, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no folder", folder);
    if (size == 0) {
        total = 0;
        if (nftw(folder, add_size, 64, FTW_PHYS | FTW_MOUNT) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
        size = total + (total / 3 > ROOM_MIN ? total / 3 : ROOM_MIN);
    }
    size -= size % BLOCK;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
        clo_fd_close(&fd);
        return false;
    }
    clo_fd_close(&fd);

    clo_guid_text(uuid, guid);
    snprintf(extended, sizeof extended,
             "hash_seed=%s,lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0", guid);
    snprintf(blocks, sizeof blocks, "%llu", (unsigned long long)(size / BLOCK));
    snprintf(date, sizeof date, "SOURCE_DATE_EPOCH=%lld", (long long)epoch);
    const char *const argv[] = { "mke2fs", "-q", "-F",   "-t", "ext4", "-b",
                                 "4096",   "-L", "root", "-U", guid,   "-E",
                                 extended, "-d", folder, path, blocks, NULL };
    const char *const environment[] = { date, NULL };
    if (!clo_process_run(argv, epoch >= 0 ? environment : NULL, NULL, err))
        return clo_wrap(err, "%s: ext4", folder);
    return true;
}
