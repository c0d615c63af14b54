#include "image/source_fs.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 128
#define NAME_COST 512U  /* what the new root has for an inode, and the machine for a path */
#define PATH_SIZE 4096U /* as the new root has it: each folder's is kept */

bool source_partition_read(void *context, uint64_t at, void *out, size_t size,
                           struct clo_error *err)
{
    const struct source_partition *partition = context;

    if (at > partition->part->size || size > partition->part->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "beyond the partition's end");
    return clo_container_read(partition->disk, partition->part->first + at, out, size, err);
}

/* --- One file --- */

/* A folder, or a file with more than one name: where it was met first. */
struct seen {
    struct source_id id;
    char *path;
};

struct copying {
    const struct source_fs *fs;
    struct clo_new_root *tree; /* NULL: only counted */
    struct clo_new_root_need need;
    uint64_t inodes; /* that were met */
    void *seen;      /* a tree of struct seen */
    unsigned depth;
    const char *path; /* of the folder that is listed */
    bool *is_mounted; /* one for each mount */
};

static int by_number(const void *a, const void *b)
{
    const struct source_id *x = &((const struct seen *)a)->id, *y = &((const struct seen *)b)->id;

    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void free_seen(void *node)
{
    struct seen *seen = node;

    free(seen->path);
    free(seen);
}

/* `*first`: where it was met before; NULL: never. */
static bool meet(struct copying *copying, struct source_id id, const char *path, const char **first,
                 struct clo_error *err)
{
    struct seen *seen = calloc(1, sizeof *seen);

    *first = NULL;
    if (seen == NULL)
        return clo_out_of_memory(err);
    *seen = (struct seen){ id, strdup(path) };
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

static bool copy_piece(void *context, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    const struct copying *copying = context;

    return clo_new_root_write(copying->tree, at, bytes, err);
}

static bool copy_attribute(void *context, const char *name, struct clo_bytes value,
                           struct clo_error *err)
{
    const struct copying *copying = context;

    return clo_new_root_xattr(copying->tree, name, value, err);
}

static bool add_file(struct copying *copying, const char *path, const struct source_inode *inode,
                     struct clo_error *err)
{
    const struct source_fs *fs = copying->fs;
    struct clo_new_root_node node = inode->node;
    char target[SOURCE_LINK_MAX + 1] = "";

    if (S_ISLNK(node.mode) && !fs->link(fs->context, inode, target, err))
        return false;
    node.target = target;
    if (!clo_new_root_add(copying->tree, path, &node, err) ||
        (!inode->is_empty && !fs->attributes(fs->context, inode, copy_attribute, copying, err)))
        return false;
    return !S_ISREG(node.mode) || (fs->data(fs->context, inode, copy_piece, copying, err) &&
                                   clo_new_root_set_size(copying->tree, inode->size, err));
}

/* What folders take counts as well: else many could share their blocks, and keep their reader busy for days. A container may say any
 * size, so that all is held against its file, and with each file: many subvolumes can share one tree. */
static bool count_file(struct copying *copying, const struct source_inode *inode, bool was_met,
                       struct clo_error *err)
{
    const struct source_fs *fs = copying->fs;
    uint64_t bytes = 0;

    if (!was_met && !inode->is_empty && (S_ISREG(inode->node.mode) || S_ISDIR(inode->node.mode)) &&
        !fs->count(fs->context, inode, &bytes, err))
        return false;
    clo_new_root_count(&copying->need, bytes == 0 && !was_met ? 4096 : bytes);
    if (copying->need.bytes / 16 > fs->size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: its files share more than sixteen times its size",
                        fs->name);
    if (copying->need.files > fs->names)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: more names than it has room for", fs->name);
    if (!clo_container_may_give(fs->disk, copying->need.bytes / NAME_COST + copying->need.files,
                                NAME_COST, err))
        return false;
    return was_met || ++copying->inodes <= fs->inodes ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: more files than it has inodes", fs->name);
}

/* --- All of them --- */

static bool take_inode(struct copying *copying, const char *path, struct source_id id,
                       struct clo_error *err);

/* What is mounted on a folder hides it. */
static struct source_id mounted(struct copying *copying, const char *path, struct source_id id)
{
    const struct source_fs *fs = copying->fs;

    for (size_t i = 0; i < fs->mount_count; i++)
        if (strcmp(fs->mounts[i].folder, path) == 0) {
            copying->is_mounted[i] = true;
            return fs->mounts[i].root;
        }
    return id;
}

static bool take_name(void *context, const char *name, struct source_id id, struct clo_error *err)
{
    struct copying *copying = context;
    const char *folder = copying->path;
    size_t size = strlen(folder) + strlen(name) + 2;
    CLO_CLEANUP(clo_freep) char *path = size > PATH_SIZE ? NULL : malloc(size);

    if (size > PATH_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%.200s: too long a path", folder);
    if (path == NULL)
        return clo_out_of_memory(err);
    sprintf(path, "%s/%s", folder, name);
    bool ok = take_inode(copying, path, mounted(copying, path, id), err);
    copying->path = folder;
    return ok;
}

static bool take_folder(struct copying *copying, const char *path,
                        const struct source_inode *folder, struct clo_error *err)
{
    const struct source_fs *fs = copying->fs;

    if (++copying->depth > DEPTH_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %.200s: folders in folders without an end",
                        fs->name, path);
    copying->path = path;
    bool ok = folder->is_empty || fs->list(fs->context, folder, take_name, copying, err);
    copying->depth--;
    return ok;
}

static bool take_inode(struct copying *copying, const char *path, struct source_id id,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct source_inode *inode = malloc(sizeof *inode);
    const struct source_fs *fs = copying->fs;
    const char *first = NULL;

    if (inode == NULL)
        return clo_out_of_memory(err);
    *inode = (struct source_inode){ .id = id };
    if (!fs->inode(fs->context, id, inode, err))
        return clo_wrap(err, "%.200s", path);
    bool is_folder = S_ISDIR(inode->node.mode);
    if (S_ISSOCK(inode->node.mode))
        return true;
    if (((is_folder && !inode->is_empty) || inode->links > 1) &&
        !meet(copying, id, path, &first, err))
        return false;
    if (first != NULL && is_folder)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %.200s: is the folder %.200s too", fs->name, path,
                        first);
    if (copying->tree == NULL ? !count_file(copying, inode, first != NULL, err)
        : first != NULL       ? !clo_new_root_link(copying->tree, path, first, err)
                              : !add_file(copying, path, inode, err))
        return clo_wrap(err, "%.200s", path);
    return !is_folder || take_folder(copying, path, inode, err);
}

/* systemd makes the folder of a mount that has none. */
static bool take_rest(struct copying *copying, struct clo_error *err)
{
    const struct source_fs *fs = copying->fs;

    for (size_t i = 0; i < fs->mount_count; i++)
        if (!copying->is_mounted[i] &&
            !take_inode(copying, fs->mounts[i].folder, fs->mounts[i].root, err))
            return false;
    return true;
}

static bool take_all(struct copying *copying, struct clo_error *err)
{
    const struct source_fs *fs = copying->fs;
    CLO_CLEANUP(clo_freep) bool *is_mounted = calloc(fs->mount_count + 1, sizeof *is_mounted);

    if (is_mounted == NULL)
        return clo_out_of_memory(err);
    copying->is_mounted = is_mounted;
    bool ok = take_inode(copying, "", fs->root, err) && take_rest(copying, err);
    tdestroy(copying->seen, free_seen);
    copying->seen = NULL;
    return ok;
}

bool source_fs_make(const struct source_fs *fs, struct clo_source *source, const char *output,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = NULL;
    struct copying copying = { .fs = fs };

    if (!take_all(&copying, err))
        return false;
    source->need = copying.need;
    if (!clo_new_root_new(output, &source->need, source->size, &source->uuid, source->created,
                          &tree, err))
        return false;
    copying.tree = tree;
    return take_all(&copying, err) && clo_new_root_finish(&tree, err);
}

/* --- One that is looked for --- */

struct search {
    const char *name;
    size_t size;
    struct source_id found;
    bool is_found;
};

static bool match_name(void *context, const char *name, struct source_id id, struct clo_error *err)
{
    struct search *search = context;

    (void)err;
    if (strlen(name) == search->size && memcmp(name, search->name, search->size) == 0) {
        search->found = id;
        search->is_found = true;
    }
    return true;
}

bool source_fs_find(const struct source_fs *fs, const char *path, struct source_inode *out)
{
    struct clo_error ignored;
    struct source_id id = fs->root;

    while (*path != '\0') {
        struct search search = { .name = path, .size = strcspn(path, "/") };
        *out = (struct source_inode){ .id = id };
        if (!fs->inode(fs->context, id, out, &ignored) || out->is_empty ||
            !fs->list(fs->context, out, match_name, &search, &ignored) || !search.is_found)
            return false;
        id = search.found;
        path += search.size + (path[search.size] == '/');
    }
    *out = (struct source_inode){ .id = id };
    return fs->inode(fs->context, id, out, &ignored);
}

bool source_fs_has(const struct source_fs *fs, const char *const *paths, bool *has,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct source_inode *inode = malloc(sizeof *inode);

    *has = false;
    if (inode == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; paths[i] != NULL && !*has; i++)
        *has = source_fs_find(fs, paths[i], inode);
    return true;
}

static bool add_piece(void *context, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    struct clo_buffer *out = context;

    if (at < out->size || at > out->limit)
        return clo_fail(err, CLO_ERR_FORMAT, "is too large");
    clo_buffer_zero(out, (size_t)at - out->size);
    clo_buffer_append(out, bytes);
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_FORMAT, "is too large");
}

bool source_fs_text(const struct source_fs *fs, const char *path, size_t limit,
                    struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct source_inode *inode = malloc(sizeof *inode);

    if (inode == NULL)
        return clo_out_of_memory(err);
    if (!source_fs_find(fs, path, inode) || !S_ISREG(inode->node.mode))
        return true;
    out->limit = limit;
    if (!fs->data(fs->context, inode, add_piece, out, err))
        return clo_wrap(err, "/%s", path);
    if (out->size > inode->size)
        out->size = (size_t)inode->size;
    return true;
}
