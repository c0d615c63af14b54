#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "device/file.h"
#include "image/source.h"

#define PIECE     ((size_t)1 << 20)
#define NAMES_MAX 65536
#define VALUE_MAX 65536

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

typedef bool each_file(void *context, FTSENT *entry, const char *path, struct clo_error *err);

/* Each once, folders before what is in them; sorted, so that the same folder gives the same bytes. Other file systems
 * that are mounted in it are not entered. */
static bool walk(const char *folder, each_file *each, void *context, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(folder);
    char *const roots[] = { copy, NULL };
    FTSENT *entry;
    bool ok = true;

    FTS *walk =
            copy == NULL ? NULL : fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, by_name);
    if (walk == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
    while (ok && (errno = 0, entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_DP)
            continue;
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            ok = clo_fail(err, CLO_ERR_FORMAT, "%s: %s", entry->fts_path,
                          strerror(entry->fts_errno));
        else
            ok = each(context, entry, entry->fts_path + strlen(folder), err);
    }
    if (ok && errno != 0)
        ok = clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
    fts_close(walk);
    return ok;
}

static bool count_file(void *context, FTSENT *entry, const char *path, struct clo_error *err)
{
    const struct stat *status = entry->fts_statp;
    struct clo_source *source = context;
    uint64_t used = (uint64_t)status->st_blocks * 512;

    (void)err;
    source->was_container = source->was_container || source_is_container_mark(path);
    if (used > (uint64_t)status->st_size + 65536)
        used = (uint64_t)status->st_size;
    clo_new_root_count(&source->need, S_ISREG(status->st_mode) ? used : 4096);
    return true;
}

bool source_folder_count(struct clo_source *source, struct clo_error *err)
{
    return walk(source->path, count_file, source, err);
}

/* --- Copying --- */

/* A file with more than one name: where its first one is. */
struct linked {
    dev_t device;
    ino_t inode;
    char *path;
};

struct copying {
    struct clo_new_root *tree;
    void *links; /* a tree of struct linked */
};

static int by_inode(const void *a, const void *b)
{
    const struct linked *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void free_linked(void *node)
{
    struct linked *linked = node;

    free(linked->path);
    free(linked);
}

/* `*first`: the name that the file has there already; NULL: this is the first. */
static bool find_first(struct copying *copying, const struct stat *status, const char *path,
                       const char **first, struct clo_error *err)
{
    struct linked *linked = calloc(1, sizeof *linked);

    *first = NULL;
    if (linked == NULL)
        return clo_out_of_memory(err);
    *linked = (struct linked){ status->st_dev, status->st_ino, strdup(path) };
    struct linked **there = tsearch(linked, &copying->links, by_inode);
    if (there == NULL || linked->path == NULL) {
        if (there == NULL)
            free_linked(linked);
        return clo_out_of_memory(err);
    }
    if (*there != linked) {
        *first = (*there)->path;
        free_linked(linked);
    }
    return true;
}

static bool copy_xattrs(struct copying *copying, const char *path, struct clo_error *err)
{
    static char names[NAMES_MAX];
    static uint8_t value[VALUE_MAX];
    ssize_t size = llistxattr(path, names, sizeof names);

    if (size < 0)
        return errno == ENOTSUP || clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t got = lgetxattr(path, name, value, sizeof value);
        if (got < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s: %s", path, name, strerror(errno));
        if (!clo_new_root_xattr(copying->tree, name, clo_bytes(value, (size_t)got), err))
            return clo_wrap(err, "%s", path);
    }
    return true;
}

static bool copy_run(struct copying *copying, int fd, off_t at, off_t end, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);

    if (piece == NULL)
        return clo_out_of_memory(err);
    while (at < end) {
        size_t want = end - at < (off_t)PIECE ? (size_t)(end - at) : PIECE;
        ssize_t got = pread(fd, piece, want, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s",
                            got == 0 ? "became shorter" : strerror(errno));
        if (!clo_new_root_write(copying->tree, (uint64_t)at, clo_bytes(piece, (size_t)got), err))
            return false;
        at += got;
    }
    return true;
}

static bool copy_data(struct copying *copying, const char *path, off_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    off_t at = 0;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    while (at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
        at = hole < size ? hole : size;
        if (!copy_run(copying, fd, data, at, err))
            return clo_wrap(err, "%s", path);
    }
    return clo_new_root_set_size(copying->tree, (uint64_t)size, err);
}

static bool copy_file(void *context, FTSENT *entry, const char *path, struct clo_error *err)
{
    struct copying *copying = context;
    const struct stat *status = entry->fts_statp;
    const char *first = NULL;
    char target[4097] = "";

    if (S_ISSOCK(status->st_mode) || source_is_container_mark(path))
        return true;
    if (!S_ISDIR(status->st_mode) && status->st_nlink > 1 &&
        !find_first(copying, status, path, &first, err))
        return false;
    if (first != NULL)
        return clo_new_root_link(copying->tree, path, first, err);
    if (S_ISLNK(status->st_mode) && readlink(entry->fts_path, target, sizeof target - 1) < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", entry->fts_path, strerror(errno));
    struct clo_new_root_node node = { .mode = status->st_mode,
                                      .uid = status->st_uid,
                                      .gid = status->st_gid,
                                      .mtime = status->st_mtim.tv_sec,
                                      .mtime_ns = (uint32_t)status->st_mtim.tv_nsec,
                                      .major = major(status->st_rdev),
                                      .minor = minor(status->st_rdev),
                                      .target = target };
    return clo_new_root_add(copying->tree, path, &node, err) &&
           copy_xattrs(copying, entry->fts_path, err) &&
           (!S_ISREG(status->st_mode) || copy_data(copying, entry->fts_path, status->st_size, err));
}

bool source_folder_copy(const char *path, struct clo_new_root *tree, struct clo_error *err)
{
    struct copying copying = { .tree = tree };
    bool ok = walk(path, copy_file, &copying, err);

    tdestroy(copying.links, free_linked);
    return ok;
}
