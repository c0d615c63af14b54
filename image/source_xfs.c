#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/source_xfs.h"
#include "lib/disk/xfs.h"

#define PIECE     ((size_t)1 << 20)
#define DEPTH_MAX 128

struct partition {
    const struct clo_container *disk;
    const struct clo_layout_part *part;
};

static bool read_partition(void *context, uint64_t at, void *out, size_t size,
                           struct clo_error *err)
{
    const struct partition *partition = context;

    if (at > partition->part->size || size > partition->part->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: beyond the partition's end");
    return clo_container_read(partition->disk, partition->part->first + at, out, size, err);
}

/* --- One file --- */

/* A folder, or a file with more than one name: where it was met first. */
struct seen {
    uint64_t number;
    char *path;
};

struct copying {
    struct clo_xfs xfs;
    struct clo_new_root *tree; /* NULL: only counted */
    struct clo_new_root_need need;
    uint64_t inodes; /* that were met */
    void *seen;      /* a tree of struct seen */
    uint8_t *piece;
    unsigned depth;
    const char *path; /* of the folder that is listed */
};

static int by_number(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void free_seen(void *node)
{
    struct seen *seen = node;

    free(seen->path);
    free(seen);
}

/* `*first`: where it was met before; NULL: never. */
static bool meet(struct copying *copying, uint64_t number, const char *path, const char **first,
                 struct clo_error *err)
{
    struct seen *seen = calloc(1, sizeof *seen);

    *first = NULL;
    if (seen == NULL)
        return clo_out_of_memory(err);
    *seen = (struct seen){ number, strdup(path) };
    struct seen **there = tsearch(seen, &copying->seen, by_number);
    if (there == NULL || seen->path == NULL) {
        if (there == NULL)
            free_seen(seen);
        return clo_out_of_memory(err);
    }
    if (*there != seen) {
        *first = (*there)->path;
        free_seen(seen);
    }
    return true;
}

static bool copy_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct copying *copying = context;

    for (uint64_t done = 0; done < run->size && !run->is_unwritten; done += PIECE) {
        size_t now = run->size - done < PIECE ? (size_t)(run->size - done) : PIECE;
        if (!copying->xfs.read(copying->xfs.context, run->place + done, copying->piece, now, err) ||
            !clo_new_root_write(copying->tree, run->at + done, clo_bytes(copying->piece, now), err))
            return false;
    }
    return true;
}

static bool count_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct copying *copying = context;

    copying->need.bytes += run->is_unwritten ? 0 : run->size;
    return copying->need.bytes / 16 <= copying->xfs.size ||
           clo_fail(err, CLO_ERR_FORMAT, "XFS: its files share more than sixteen times its size");
}

static bool copy_attribute(void *context, const char *name, struct clo_bytes value,
                           struct clo_error *err)
{
    const struct copying *copying = context;

    return clo_new_root_xattr(copying->tree, name, value, err);
}

static bool add_file(struct copying *copying, const char *path, const struct clo_xfs_inode *inode,
                     struct clo_error *err)
{
    char target[1025] = "";

    if (S_ISLNK(inode->mode) && !clo_xfs_link(&copying->xfs, inode, target, err))
        return false;
    struct clo_new_root_node node = { .mode = inode->mode,
                                      .uid = inode->uid,
                                      .gid = inode->gid,
                                      .mtime = inode->mtime,
                                      .mtime_ns = inode->mtime_ns,
                                      .major = inode->major,
                                      .minor = inode->minor,
                                      .target = target };
    if (!clo_new_root_add(copying->tree, path, &node, err) ||
        !clo_xfs_attributes(&copying->xfs, inode, copy_attribute, copying, err))
        return false;
    return !S_ISREG(inode->mode) || (clo_xfs_runs(&copying->xfs, inode, copy_run, copying, err) &&
                                     clo_new_root_set_size(copying->tree, inode->size, err));
}

/* What folders take counts as well: else many could share their blocks, and keep their reader busy for days. */
static bool count_file(struct copying *copying, const struct clo_xfs_inode *inode, bool was_met,
                       struct clo_error *err)
{
    bool has_runs = S_ISREG(inode->mode) || (S_ISDIR(inode->mode) && inode->extents > 0);

    clo_new_root_count(&copying->need, was_met || has_runs ? 0 : 4096);
    if (was_met)
        return true;
    if (++copying->inodes > copying->xfs.inodes)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: more files than it has inodes");
    return !has_runs || clo_xfs_runs(&copying->xfs, inode, count_run, copying, err);
}

/* --- All of them --- */

static bool take_inode(struct copying *copying, const char *path, uint64_t number,
                       struct clo_error *err);

static bool take_name(void *context, const char *name, uint64_t number, struct clo_error *err)
{
    struct copying *copying = context;
    const char *folder = copying->path;
    CLO_CLEANUP(clo_freep) char *path = malloc(strlen(folder) + strlen(name) + 2);

    if (path == NULL)
        return clo_out_of_memory(err);
    sprintf(path, "%s/%s", folder, name);
    bool ok = take_inode(copying, path, number, err);
    copying->path = folder;
    return ok;
}

static bool take_folder(struct copying *copying, const char *path,
                        const struct clo_xfs_inode *folder, struct clo_error *err)
{
    if (++copying->depth > DEPTH_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: %.200s: folders in folders without an end",
                        path);
    copying->path = path;
    bool ok = clo_xfs_list(&copying->xfs, folder, take_name, copying, err);
    copying->depth--;
    return ok;
}

static bool take_inode(struct copying *copying, const char *path, uint64_t number,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_xfs_inode *inode = malloc(sizeof *inode);
    const char *first = NULL;

    if (inode == NULL)
        return clo_out_of_memory(err);
    if (!clo_xfs_inode(&copying->xfs, number, inode, err))
        return clo_wrap(err, "%.200s", path);
    bool is_folder = S_ISDIR(inode->mode);
    if (S_ISSOCK(inode->mode))
        return true;
    if ((is_folder || inode->links > 1) && !meet(copying, number, path, &first, err))
        return false;
    if (first != NULL && is_folder)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: %.200s: is the folder %.200s too", path, first);
    if (copying->tree == NULL ? !count_file(copying, inode, first != NULL, err)
        : first != NULL       ? !clo_new_root_link(copying->tree, path, first, err)
                              : !add_file(copying, path, inode, err))
        return clo_wrap(err, "%.200s", path);
    return !is_folder || take_folder(copying, path, inode, err);
}

static bool take_all(struct copying *copying, struct clo_error *err)
{
    bool ok = take_inode(copying, "", copying->xfs.root, err);

    tdestroy(copying->seen, free_seen);
    copying->seen = NULL;
    return ok;
}

bool clo_source_xfs(const struct clo_container *disk, const struct clo_layout_part *part,
                    struct clo_source *source, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = NULL;
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    struct partition partition = { disk, part };
    struct copying copying = { .piece = piece };

    if (piece == NULL)
        return clo_out_of_memory(err);
    if (!clo_xfs_open(read_partition, &partition, part->size, &copying.xfs, err) ||
        !take_all(&copying, err))
        return false;
    source->need = copying.need;
    if (!clo_new_root_new(output, &source->need, source->size, &source->uuid, source->created,
                          &tree, err))
        return false;
    copying.tree = tree;
    return take_all(&copying, err) && clo_new_root_finish(&tree, err);
}

/* --- Is there an init? --- */

struct search {
    const char *name;
    size_t size;
    uint64_t found;
};

static bool match_name(void *context, const char *name, uint64_t number, struct clo_error *err)
{
    struct search *search = context;

    (void)err;
    if (strlen(name) == search->size && memcmp(name, search->name, search->size) == 0)
        search->found = number;
    return true;
}

static bool has_path(const struct clo_xfs *xfs, struct clo_xfs_inode *inode, const char *path)
{
    struct clo_error ignored;
    uint64_t number = xfs->root;

    while (*path != '\0') {
        struct search search = { path, strcspn(path, "/"), 0 };
        if (!clo_xfs_inode(xfs, number, inode, &ignored) ||
            !clo_xfs_list(xfs, inode, match_name, &search, &ignored) || search.found == 0)
            return false;
        number = search.found;
        path += search.size + (path[search.size] == '/');
    }
    return true;
}

bool clo_source_xfs_has(const struct clo_container *disk, const struct clo_layout_part *part,
                        const char *const *paths, bool *has, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_xfs_inode *inode = malloc(sizeof *inode);
    struct partition partition = { disk, part };
    struct clo_xfs xfs;

    *has = false;
    if (inode == NULL)
        return clo_out_of_memory(err);
    if (!clo_xfs_open(read_partition, &partition, part->size, &xfs, err))
        return false;
    for (size_t i = 0; paths[i] != NULL && !*has; i++)
        *has = has_path(&xfs, inode, paths[i]);
    return true;
}
