#include "image/source_btrfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/root_check.h"
#include "image/source_fs.h"

#define FSTAB_LIMIT    ((size_t)1 << 20)
#define STAYS_BEHIND   2U /* in place of an inode's number: a folder of which nothing is taken */
#define CANDIDATES_MAX 64
#define SEARCH_WORK \
    ((uint64_t)1 << 25) /* some seconds: thousands of subvolumes, each with its programs' folders */
#define NAME_BYTES  56U /* that a name takes at least; and an inode */
#define INODE_BYTES 185U

struct reader {
    struct source_partition partition;
    struct clo_btrfs *btrfs;
    struct source_fs fs;
    struct source_mount mounts[CLO_JOINED_MAX];
    uint64_t snapshots;
};

bool clo_joined_has(const struct clo_joined *joined, const char *folder)
{
    for (size_t i = 0; i < joined->count; i++)
        if (strcmp(joined->items[i].folder, folder) == 0)
            return true;
    return false;
}

/* --- As any file system --- */

static void set_node(struct source_inode *out)
{
    const struct clo_btrfs_inode *inode = &out->own.btrfs;

    out->size = inode->size;
    out->links = inode->links;
    out->node = (struct clo_new_root_node){ .mode = inode->mode,
                                            .uid = inode->uid,
                                            .gid = inode->gid,
                                            .mtime = inode->mtime,
                                            .mtime_ns = inode->mtime_ns,
                                            .major = inode->major,
                                            .minor = inode->minor };
}

static bool get_inode(void *context, struct source_id id, struct source_inode *out,
                      struct clo_error *err)
{
    const struct reader *reader = context;
    struct clo_error ignored;

    if (id.number != STAYS_BEHIND) {
        if (!clo_btrfs_inode(reader->btrfs, id.tree, id.number, &out->own.btrfs, err))
            return false;
        set_node(out);
        return true;
    }
    if (clo_btrfs_inode(reader->btrfs, id.tree, CLO_BTRFS_ROOT, &out->own.btrfs, &ignored) &&
        S_ISDIR(out->own.btrfs.mode))
        set_node(out);
    else
        out->node = (struct clo_new_root_node){ .mode = S_IFDIR | 0755 };
    out->is_empty = true;
    return true;
}

static bool is_taken(const struct reader *reader, uint64_t subvolume)
{
    bool is = reader->fs.root.tree == subvolume;

    for (size_t i = 0; i < reader->fs.mount_count; i++)
        is = is || reader->mounts[i].root.tree == subvolume;
    return is;
}

struct listing {
    struct reader *reader;
    uint64_t tree;
    source_each_name *each;
    void *context;
};

/* A subvolume in a folder is part of the tree, as where it is mounted; a snapshot is not. */
static bool take_name(void *context, const struct clo_btrfs_name *name, struct clo_error *err)
{
    const struct listing *listing = context;
    struct source_id id = { name->subvolume, name->inode };
    struct clo_btrfs_subvolume subvolume;

    if (name->is_missing) {
        id.number = STAYS_BEHIND;
    } else if (name->subvolume != listing->tree) {
        if (!clo_btrfs_subvolume(listing->reader->btrfs, name->subvolume, &subvolume, err))
            return false;
        bool is_elsewhere = is_taken(listing->reader, name->subvolume);
        listing->reader->snapshots += subvolume.is_snapshot && !is_elsewhere;
        if (subvolume.is_snapshot || is_elsewhere)
            id.number = STAYS_BEHIND;
    }
    return listing->each(listing->context, name->text, id, err);
}

static bool list(void *context, const struct source_inode *folder, source_each_name *each,
                 void *each_context, struct clo_error *err)
{
    struct reader *reader = context;
    struct listing listing = { reader, folder->id.tree, each, each_context };

    return clo_btrfs_list(reader->btrfs, &folder->own.btrfs, take_name, &listing, err);
}

static bool get_link(void *context, const struct source_inode *link, char out[SOURCE_LINK_MAX + 1],
                     struct clo_error *err)
{
    const struct reader *reader = context;

    return clo_btrfs_link(reader->btrfs, &link->own.btrfs, out, err);
}

static bool count(void *context, const struct source_inode *inode, uint64_t *bytes,
                  struct clo_error *err)
{
    const struct reader *reader = context;

    *bytes = 0;
    return S_ISDIR(inode->node.mode) ||
           clo_btrfs_count(reader->btrfs, &inode->own.btrfs, bytes, err);
}

static bool get_data(void *context, const struct source_inode *inode, source_each_piece *each,
                     void *each_context, struct clo_error *err)
{
    const struct reader *reader = context;

    return clo_btrfs_data(reader->btrfs, &inode->own.btrfs, each, each_context, err);
}

static bool attributes(void *context, const struct source_inode *inode, source_each_attribute *each,
                       void *each_context, struct clo_error *err)
{
    const struct reader *reader = context;

    return clo_btrfs_attributes(reader->btrfs, &inode->own.btrfs, each, each_context, err);
}

static void close_reader(struct reader *reader)
{
    clo_btrfs_freep(&reader->btrfs);
}

static bool open_reader(const struct clo_container *disk, const struct clo_layout_part *part,
                        struct reader *reader, struct clo_error *err)
{
    reader->partition = (struct source_partition){ disk, part };
    if (!clo_btrfs_open(source_partition_read, &reader->partition, part->size, &reader->btrfs, err))
        return false;
    clo_btrfs_limit(reader->btrfs, SEARCH_WORK);
    uint64_t size = clo_btrfs_size(reader->btrfs);
    reader->fs = (struct source_fs){ .name = "btrfs",
                                     .context = reader,
                                     .disk = disk,
                                     .size = size,
                                     .inodes = size / INODE_BYTES,
                                     .names = size / NAME_BYTES,
                                     .root = { CLO_BTRFS_TOP, CLO_BTRFS_ROOT },
                                     .mounts = reader->mounts,
                                     .inode = get_inode,
                                     .list = list,
                                     .link = get_link,
                                     .count = count,
                                     .data = get_data,
                                     .attributes = attributes };
    return true;
}

/* --- Which subvolume --- */

static const char *without_slashes(const char *path)
{
    return path + strspn(path, "/");
}

/* As mount takes it: by path, by number, or the default. */
static bool find_mounted(struct reader *reader, const struct clo_fstab_line *line, uint64_t *id,
                         struct clo_error *err)
{
    char value[CLO_FSTAB_TEXT];
    char *end;

    if (clo_fstab_option(line, "subvol", value))
        return clo_btrfs_subvolume_find(reader->btrfs, value, id, err);
    if (!clo_fstab_option(line, "subvolid", value))
        return clo_btrfs_default(reader->btrfs, id, err);
    errno = 0;
    *id = strtoull(value, &end, 10);
    if (errno != 0 || *value == '\0' || *end != '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "btrfs: subvolid=%.100s is not a number", value);
    *id = *id == 0 ? CLO_BTRFS_TOP : *id;
    return true;
}

struct candidates {
    uint64_t ids[CANDIDATES_MAX];
    bool is_own[CANDIDATES_MAX]; /* its own fstab mounts it as the root */
    bool is_snapshot[CANDIDATES_MAX];
    size_t count;
};

static bool names_itself(struct reader *reader, uint64_t id)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char value[CLO_FSTAB_TEXT], path[CLO_BTRFS_PATH_MAX];
    struct clo_fstab_line line;
    struct clo_error ignored;
    uint64_t named;

    if (!source_fs_text(&reader->fs, "etc/fstab", FSTAB_LIMIT, &text, &ignored))
        return false;
    struct clo_bytes rest = clo_buffer_bytes(&text);
    while (clo_fstab_next(&rest, &line))
        if (strcmp(line.folder, "/") == 0)
            return clo_fstab_option(&line, "subvol", value)
                           ? clo_btrfs_subvolume_path(reader->btrfs, id, path, &ignored) &&
                                     strcmp(without_slashes(path), without_slashes(value)) == 0
                           : find_mounted(reader, &line, &named, &ignored) && named == id;
    return false;
}

static bool find_candidates(struct reader *reader, const char *const *paths, struct candidates *out,
                            struct clo_error *err)
{
    struct clo_btrfs_subvolume subvolume;
    enum clo_next next;
    uint64_t id = 0;
    bool has;

    *out = (struct candidates){ .count = 0 };
    while ((next = clo_btrfs_subvolume_next(reader->btrfs, &id, err)) == CLO_NEXT_ITEM) {
        reader->fs.root.tree = id;
        if (!source_fs_has(&reader->fs, paths, &has, err) ||
            !clo_btrfs_subvolume(reader->btrfs, id, &subvolume, err))
            return false;
        if (!has || out->count == CANDIDATES_MAX)
            continue;
        out->ids[out->count] = id;
        out->is_own[out->count] = names_itself(reader, id);
        out->is_snapshot[out->count++] = subvolume.is_snapshot;
    }
    return next == CLO_NEXT_END;
}

static size_t count_true(const bool *list, bool wanted, size_t count, size_t *one)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        if (list[i] == wanted) {
            *one = i;
            found++;
        }
    return found;
}

static bool fail_choice(struct reader *reader, const struct candidates *candidates,
                        struct clo_error *err)
{
    char names[300] = "", path[CLO_BTRFS_PATH_MAX];
    struct clo_error ignored;

    if (candidates->count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "btrfs: no subvolume has an init");
    for (size_t i = 0; i < candidates->count; i++) {
        size_t used = strlen(names);
        if (!clo_btrfs_subvolume_path(reader->btrfs, candidates->ids[i], path, &ignored))
            continue;
        snprintf(names + used, sizeof names - used, "%s%.100s", used == 0 ? "" : ", ", path);
    }
    return clo_fail(err, CLO_ERR_USAGE,
                    "btrfs: more than one subvolume is a root (%s): --root-subvolume says which",
                    names);
}

/* The default one, if it has an init; else the one whose own fstab says so; else the only one that is not a snapshot. */
static bool choose_root(struct reader *reader, const char *wanted, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct candidates *candidates = malloc(sizeof *candidates);
    uint64_t id;
    size_t one = 0;

    if (candidates == NULL)
        return clo_out_of_memory(err);
    if (wanted != NULL) {
        if (!clo_btrfs_subvolume_find(reader->btrfs, wanted, &id, err))
            return false;
        reader->fs.root.tree = id;
        return true;
    }
    if (!clo_btrfs_default(reader->btrfs, &id, err) ||
        !find_candidates(reader, clo_root_inits, candidates, err))
        return false;
    for (one = 0; one < candidates->count && candidates->ids[one] != id;)
        one++;
    if (one == candidates->count &&
        count_true(candidates->is_own, true, candidates->count, &one) != 1 &&
        count_true(candidates->is_snapshot, false, candidates->count, &one) != 1)
        return fail_choice(reader, candidates, err);
    reader->fs.root.tree = candidates->ids[one];
    return true;
}

/* --- What fstab joins --- */

static bool is_dropped(const struct clo_source_btrfs_spec *spec, const char *folder)
{
    for (size_t i = 0; spec->dropped != NULL && i < spec->dropped->count; i++)
        if (strcmp(spec->dropped->items[i], folder) == 0)
            return true;
    return false;
}

static bool is_joined(const struct clo_source_btrfs_spec *spec, const struct clo_fstab_line *line)
{
    return line->folder[0] == '/' && line->folder[1] != '\0' &&
           !clo_fstab_has_option(line, "noauto") && !is_dropped(spec, line->folder) &&
           clo_layout_find(spec->layout, line->device) == spec->part &&
           strcmp(line->type, "swap") != 0;
}

/* "/home/" is "/home"; what is not a plain path is refused. */
static bool set_folder(const char *folder, char out[CLO_FSTAB_TEXT], struct clo_error *err)
{
    size_t size = strlen(folder);

    while (size > 1 && folder[size - 1] == '/')
        size--;
    snprintf(out, CLO_FSTAB_TEXT, "%.*s", (int)size, folder);
    return (strstr(out, "//") == NULL && strstr(out, "/.") == NULL) ||
           strcmp(out, "/.snapshots") == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "/etc/fstab: %.100s is not a plain path", folder);
}

static bool join(struct reader *reader, const struct clo_fstab_line *line,
                 struct clo_joined *joined, struct clo_error *err)
{
    char path[CLO_BTRFS_PATH_MAX];
    uint64_t id;

    if (joined->count == CLO_JOINED_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "/etc/fstab: more than %d subvolumes",
                        CLO_JOINED_MAX);
    struct source_mount *mount = &reader->mounts[joined->count];
    if (!find_mounted(reader, line, &id, err) ||
        !clo_btrfs_subvolume_path(reader->btrfs, id, path, err) ||
        !set_folder(line->folder, mount->folder, err))
        return clo_wrap(err, "/etc/fstab: %.100s", line->folder);
    if (is_taken(reader, id))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "/etc/fstab: %.100s: subvolume %.100s is mounted elsewhere too: leave it "
                        "behind by --drop %.100s",
                        line->folder, path, line->folder);
    mount->root = (struct source_id){ id, CLO_BTRFS_ROOT };
    snprintf(joined->items[joined->count].folder, CLO_FSTAB_TEXT, "%s", mount->folder);
    snprintf(joined->items[joined->count++].subvolume, CLO_FSTAB_TEXT, "%.250s", path);
    reader->fs.mount_count = joined->count;
    return true;
}

static bool join_all(struct reader *reader, const struct clo_source_btrfs_spec *spec,
                     struct clo_joined *joined, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_fstab_line line;

    if (!source_fs_text(&reader->fs, "etc/fstab", FSTAB_LIMIT, &text, err))
        return false;
    struct clo_bytes rest = clo_buffer_bytes(&text);
    while (clo_fstab_next(&rest, &line))
        if (is_joined(spec, &line) && !join(reader, &line, joined, err))
            return false;
    return true;
}

bool clo_source_btrfs(const struct clo_source_btrfs_spec *spec, struct clo_source *source,
                      const char *output, struct clo_joined *joined, struct clo_error *err)
{
    CLO_CLEANUP(close_reader) struct reader reader = { .btrfs = NULL };
    char path[CLO_BTRFS_PATH_MAX];

    *joined = (struct clo_joined){ .count = 0 };
    if (!open_reader(spec->disk, spec->part, &reader, err) ||
        !choose_root(&reader, spec->subvolume, err) ||
        !clo_btrfs_subvolume_path(reader.btrfs, reader.fs.root.tree, path, err) ||
        !join_all(&reader, spec, joined, err))
        return false;
    snprintf(joined->root, sizeof joined->root, "%.250s", path);
    reader.snapshots = 0;
    clo_btrfs_limit(reader.btrfs, UINT64_MAX);
    if (!source_fs_make(&reader.fs, source, output, err))
        return false;
    /* Each was met twice: when its files were counted, and when they were copied. */
    joined->snapshots = reader.snapshots / 2;
    return true;
}

bool clo_source_btrfs_plain(const struct clo_container *disk, const struct clo_layout_part *part,
                            const struct clo_fstab_line *line, struct clo_source *source,
                            const char *output, struct clo_error *err)
{
    CLO_CLEANUP(close_reader) struct reader reader = { .btrfs = NULL };
    uint64_t id;

    if (!open_reader(disk, part, &reader, err) || !find_mounted(&reader, line, &id, err))
        return false;
    reader.fs.root.tree = id;
    clo_btrfs_limit(reader.btrfs, UINT64_MAX);
    return source_fs_make(&reader.fs, source, output, err);
}

bool clo_source_btrfs_has(const struct clo_container *disk, const struct clo_layout_part *part,
                          const char *const *paths, bool *has, struct clo_error *err)
{
    CLO_CLEANUP(close_reader) struct reader reader = { .btrfs = NULL };
    CLO_CLEANUP(clo_freep) struct candidates *candidates = malloc(sizeof *candidates);

    *has = false;
    if (candidates == NULL)
        return clo_out_of_memory(err);
    if (!open_reader(disk, part, &reader, err) || !find_candidates(&reader, paths, candidates, err))
        return false;
    *has = candidates->count > 0;
    return true;
}
