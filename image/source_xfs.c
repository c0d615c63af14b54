#include "image/source_xfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/source_fs.h"

#define PIECE ((size_t)1 << 20)

struct reader {
    struct source_partition partition;
    struct clo_xfs xfs;
    uint8_t *piece;
};

static bool get_inode(void *context, struct source_id id, struct source_inode *out,
                      struct clo_error *err)
{
    const struct reader *reader = context;
    struct clo_xfs_inode *inode = &out->own.xfs;

    if (!clo_xfs_inode(&reader->xfs, id.number, inode, err))
        return false;
    out->size = inode->size;
    out->links = inode->links;
    out->node = (struct clo_new_root_node){ .mode = inode->mode,
                                            .uid = inode->uid,
                                            .gid = inode->gid,
                                            .mtime = inode->mtime,
                                            .mtime_ns = inode->mtime_ns,
                                            .major = inode->major,
                                            .minor = inode->minor };
    return true;
}

struct listing {
    source_each_name *each;
    void *context;
};

static bool take_name(void *context, const char *name, uint64_t number, struct clo_error *err)
{
    const struct listing *listing = context;

    return listing->each(listing->context, name, (struct source_id){ 0, number }, err);
}

static bool list(void *context, const struct source_inode *folder, source_each_name *each,
                 void *each_context, struct clo_error *err)
{
    const struct reader *reader = context;
    struct listing listing = { each, each_context };

    return clo_xfs_list(&reader->xfs, &folder->own.xfs, take_name, &listing, err);
}

static bool get_link(void *context, const struct source_inode *link, char out[SOURCE_LINK_MAX + 1],
                     struct clo_error *err)
{
    const struct reader *reader = context;

    return clo_xfs_link(&reader->xfs, &link->own.xfs, out, err);
}

static bool count_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    uint64_t *bytes = context;

    (void)err;
    if (!run->is_unwritten && __builtin_add_overflow(*bytes, run->size, bytes))
        *bytes = UINT64_MAX;
    return true;
}

static bool count(void *context, const struct source_inode *inode, uint64_t *bytes,
                  struct clo_error *err)
{
    const struct reader *reader = context;

    *bytes = 0;
    if (S_ISDIR(inode->node.mode) && inode->own.xfs.extents == 0)
        return true;
    return clo_xfs_runs(&reader->xfs, &inode->own.xfs, count_run, bytes, err);
}

struct data {
    const struct reader *reader;
    source_each_piece *each;
    void *context;
};

static bool take_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    const struct data *data = context;
    const struct clo_xfs *xfs = &data->reader->xfs;
    uint8_t *piece = data->reader->piece;

    for (uint64_t done = 0; done < run->size && !run->is_unwritten; done += PIECE) {
        size_t now = run->size - done < PIECE ? (size_t)(run->size - done) : PIECE;
        if (!xfs->read(xfs->context, run->place + done, piece, now, err) ||
            !data->each(data->context, run->at + done, clo_bytes(piece, now), err))
            return false;
    }
    return true;
}

static bool get_data(void *context, const struct source_inode *inode, source_each_piece *each,
                     void *each_context, struct clo_error *err)
{
    struct data data = { context, each, each_context };

    return clo_xfs_runs(&data.reader->xfs, &inode->own.xfs, take_run, &data, err);
}

static bool attributes(void *context, const struct source_inode *inode, source_each_attribute *each,
                       void *each_context, struct clo_error *err)
{
    const struct reader *reader = context;

    return clo_xfs_attributes(&reader->xfs, &inode->own.xfs, each, each_context, err);
}

static void close_reader(struct reader *reader)
{
    free(reader->piece);
}

static bool open_reader(const struct clo_container *disk, const struct clo_layout_part *part,
                        struct reader *reader, struct source_fs *fs, struct clo_error *err)
{
    reader->partition = (struct source_partition){ disk, part };
    reader->piece = malloc(PIECE);
    if (reader->piece == NULL)
        return clo_out_of_memory(err);
    if (!clo_xfs_open(source_partition_read, &reader->partition, part->size, &reader->xfs, err))
        return false;
    *fs = (struct source_fs){ .name = "XFS",
                              .context = reader,
                              .disk = disk,
                              .size = reader->xfs.size,
                              .inodes = reader->xfs.inodes,
                              .names = reader->xfs.size / 8,
                              .root = { 0, reader->xfs.root },
                              .inode = get_inode,
                              .list = list,
                              .link = get_link,
                              .count = count,
                              .data = get_data,
                              .attributes = attributes };
    return true;
}

bool clo_source_xfs(const struct clo_container *disk, const struct clo_layout_part *part,
                    struct clo_source *source, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(close_reader) struct reader reader = { .piece = NULL };
    struct source_fs fs;

    return open_reader(disk, part, &reader, &fs, err) && source_fs_make(&fs, source, output, err);
}

bool clo_source_xfs_has(const struct clo_container *disk, const struct clo_layout_part *part,
                        const char *const *paths, bool *has, struct clo_error *err)
{
    CLO_CLEANUP(close_reader) struct reader reader = { .piece = NULL };
    struct source_fs fs;

    *has = false;
    return open_reader(disk, part, &reader, &fs, err) && source_fs_has(&fs, paths, has, err);
}
