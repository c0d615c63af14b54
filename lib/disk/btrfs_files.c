#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/disk/btrfs_internal.h"

#define TREE_SUMS      7U
#define SUMS_OBJECT    (UINT64_MAX - 9)
#define TREE_DEFAULT   6U /* the folder whose "default" names a subvolume */
#define FIRST_FREE     256U
#define LAST_FREE      (UINT64_MAX - 255)
#define ROOT_ITEM_OLD  239U
#define ROOT_READ_ONLY 1U
#define NO_SUMS        1U /* of an inode's flags */
#define INODE_SIZE     160U
#define DEPTH_MAX      128
#define BATCH          256
#define ATTRIBUTES_MAX 1024U
#define ATTRIBUTE_SIZE ((size_t)1 << 20) /* of one file, together: ext4 has room for 4 KiB */

/* --- Subvolumes --- */

struct root_item {
    struct clo_btrfs_subvolume *out;
    uint64_t id;
    bool is_found, is_deleted;
};

static bool take_root(void *context, const struct btrfs_key *key, struct clo_bytes item,
                      bool *stops, struct clo_error *err)
{
    struct root_item *root = context;
    struct clo_btrfs_subvolume *out = root->out;
    struct clo_reader r = clo_reader(item), more = clo_reader(clo_bytes_slice(item, 263, 16));

    clo_read_skip(&r, INODE_SIZE);
    uint64_t generation = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    uint64_t at = clo_read_le64(&r);
    clo_read_skip(&r, 24);
    uint64_t flags = clo_read_le64(&r);
    uint32_t references = clo_read_le32(&r);
    clo_read_skip(&r, 18);
    unsigned level = clo_read_u8(&r);
    if (item.size < ROOT_ITEM_OLD)
        return btrfs_corrupt(err, "tree %" PRIu64 ": cut short", key->objectid);
    *out = (struct clo_btrfs_subvolume){ .id = key->objectid,
                                         .at = at,
                                         .generation = generation,
                                         .level = level,
                                         .is_read_only = (flags & ROOT_READ_ONLY) != 0 };
    struct clo_bytes parent = clo_read_bytes(&more, 16);
    out->is_snapshot = parent.size == 16 && !clo_bytes_all(parent, 0);
    root->is_found = *stops = true;
    root->is_deleted = references == 0;
    return true;
}

static bool find_root(struct clo_btrfs *btrfs, uint64_t first, uint64_t last,
                      struct root_item *root, struct clo_error *err)
{
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_ROOTS,
                                     .tree = &btrfs->root_tree,
                                     .from = { first, BTRFS_ROOT_ITEM, 0 },
                                     .to = { last, BTRFS_ROOT_ITEM, UINT64_MAX },
                                     .each = take_root,
                                     .context = root };

    return btrfs_walk(btrfs, &walk, err);
}

bool clo_btrfs_subvolume(struct clo_btrfs *btrfs, uint64_t id, struct clo_btrfs_subvolume *out,
                         struct clo_error *err)
{
    struct root_item root = { .out = &btrfs->last };

    if (btrfs->last.id != id || id == 0) {
        btrfs->last.id = 0;
        if (!find_root(btrfs, id, id, &root, err))
            return false;
        if (!root.is_found || root.is_deleted) {
            btrfs->last.id = 0;
            return btrfs_corrupt(err, "no subvolume %" PRIu64, id);
        }
    }
    *out = btrfs->last;
    return true;
}

/* Types of items lie between those of two trees: others are stepped over. */
struct next_root {
    uint64_t id;
};

static bool take_next(void *context, const struct btrfs_key *key, struct clo_bytes item,
                      bool *stops, struct clo_error *err)
{
    struct next_root *next = context;
    struct clo_btrfs_subvolume subvolume;
    struct root_item root = { .out = &subvolume };

    if (key->type != BTRFS_ROOT_ITEM)
        return true;
    if (!take_root(&root, key, item, stops, err))
        return false;
    *stops = !root.is_deleted;
    if (*stops)
        next->id = key->objectid;
    return true;
}

enum clo_next clo_btrfs_subvolume_next(struct clo_btrfs *btrfs, uint64_t *id, struct clo_error *err)
{
    struct next_root next = { 0 };
    struct btrfs_walk walk = { .cursor = BTRFS_OF_ROOTS,
                               .tree = &btrfs->root_tree,
                               .to = { LAST_FREE, BTRFS_ROOT_ITEM, UINT64_MAX },
                               .each = take_next,
                               .context = &next };

    if (*id == 0) {
        *id = CLO_BTRFS_TOP;
        return CLO_NEXT_ITEM;
    }
    walk.from.objectid = *id < FIRST_FREE ? FIRST_FREE : *id + 1;
    if (!btrfs_walk(btrfs, &walk, err))
        return CLO_NEXT_FAILED;
    *id = next.id;
    return next.id != 0 ? CLO_NEXT_ITEM : CLO_NEXT_END;
}

/* --- Entries of folders --- */

struct entry {
    struct btrfs_key to;
    struct clo_bytes name, data;
};

static bool read_entry(struct clo_reader *r, struct entry *out)
{
    out->to = btrfs_read_key(r);
    clo_read_skip(r, 8);
    unsigned data = clo_read_le16(r), name = clo_read_le16(r);
    clo_read_skip(r, 1);
    out->name = clo_read_bytes(r, name);
    out->data = clo_read_bytes(r, data);
    return clo_reader_ok(r) && name > 0 && memchr(out->name.data, '\0', name) == NULL;
}

static bool take_default(void *context, const struct btrfs_key *key, struct clo_bytes item,
                         bool *stops, struct clo_error *err)
{
    uint64_t *id = context;
    struct clo_reader r = clo_reader(item);
    struct entry entry;

    (void)key;
    if (!read_entry(&r, &entry))
        return btrfs_corrupt(err, "a default subvolume that is cut short");
    *stops = clo_bytes_equal(entry.name, clo_bytes("default", 7));
    if (*stops)
        *id = entry.to.objectid;
    return true;
}

bool clo_btrfs_default(struct clo_btrfs *btrfs, uint64_t *id, struct clo_error *err)
{
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_ROOTS,
                                     .tree = &btrfs->root_tree,
                                     .from = { TREE_DEFAULT, BTRFS_DIR_ITEM, 0 },
                                     .to = { TREE_DEFAULT, BTRFS_DIR_ITEM, UINT64_MAX },
                                     .each = take_default,
                                     .context = id };

    *id = CLO_BTRFS_TOP;
    return btrfs_walk(btrfs, &walk, err);
}

bool btrfs_read_roots(struct clo_btrfs *btrfs, struct clo_error *err)
{
    struct clo_btrfs_subvolume sums, top;
    struct root_item root = { .out = &sums };

    if (!find_root(btrfs, TREE_SUMS, TREE_SUMS, &root, err) ||
        !clo_btrfs_subvolume(btrfs, CLO_BTRFS_TOP, &top, err))
        return false;
    btrfs->has_sums = root.is_found;
    if (root.is_found)
        btrfs->sum_tree = (struct btrfs_tree){ sums.at, sums.generation, sums.level };
    return true;
}

static bool walk_file(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode, uint8_t type,
                      uint64_t from, btrfs_each_item *each, void *context, struct clo_error *err)
{
    const struct btrfs_tree tree = { inode->in.at, inode->in.generation, inode->in.level };
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_FILES,
                                     .tree = &tree,
                                     .from = { inode->number, type, from },
                                     .to = { inode->number, type, UINT64_MAX },
                                     .each = each,
                                     .context = context };

    return btrfs_walk(btrfs, &walk, err);
}

/* --- Where a subvolume lies --- */

struct place {
    uint64_t parent, folder; /* in which subvolume, and which of its folders */
    char name[CLO_BTRFS_NAME_MAX + 1];
    bool is_found;
};

static bool set_name(struct place *place, struct clo_bytes name)
{
    if (name.size == 0 || name.size > CLO_BTRFS_NAME_MAX ||
        memchr(name.data, '\0', name.size) != NULL || memchr(name.data, '/', name.size) != NULL)
        return false;
    memcpy(place->name, name.data, name.size);
    place->name[name.size] = '\0';
    return true;
}

static bool take_back(void *context, const struct btrfs_key *key, struct clo_bytes item,
                      bool *stops, struct clo_error *err)
{
    struct place *place = context;
    struct clo_reader r = clo_reader(item);

    place->parent = key->offset;
    place->folder = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    unsigned size = clo_read_le16(&r);
    place->is_found = *stops = true;
    return set_name(place, clo_read_bytes(&r, size)) ||
           btrfs_corrupt(err, "subvolume %" PRIu64 " has no name", key->objectid);
}

static bool take_name_of_folder(void *context, const struct btrfs_key *key, struct clo_bytes item,
                                bool *stops, struct clo_error *err)
{
    struct place *place = context;
    struct clo_reader r = clo_reader(item);

    clo_read_skip(&r, 8);
    unsigned size = clo_read_le16(&r);
    place->folder = key->offset;
    place->is_found = *stops = true;
    return set_name(place, clo_read_bytes(&r, size)) ||
           btrfs_corrupt(err, "inode %" PRIu64 " has no name", key->objectid);
}

/* "name" and "a/b" give "name/a/b". */
static bool prepend(const char *name, char path[CLO_BTRFS_PATH_MAX], struct clo_error *err)
{
    size_t size = strlen(name), used = strlen(path);

    if (size + used + 2 > CLO_BTRFS_PATH_MAX)
        return btrfs_corrupt(err, "a path without an end");
    memmove(path + size + (used > 0), path, used + 1);
    memcpy(path, name, size);
    if (used > 0)
        path[size] = '/';
    return true;
}

static bool prepend_folders(struct clo_btrfs *btrfs, const struct place *from,
                            char path[CLO_BTRFS_PATH_MAX], unsigned *depth, struct clo_error *err)
{
    struct clo_btrfs_inode inode = { .number = from->folder };

    if (!clo_btrfs_subvolume(btrfs, from->parent, &inode.in, err))
        return false;
    while (inode.number != CLO_BTRFS_ROOT) {
        struct place place = { 0 };
        if (++*depth > DEPTH_MAX ||
            !walk_file(btrfs, &inode, BTRFS_INODE_REF, 0, take_name_of_folder, &place, err))
            return *depth <= DEPTH_MAX ? false : btrfs_corrupt(err, "a path without an end");
        if (!place.is_found)
            return btrfs_corrupt(err, "inode %" PRIu64 " lies in no folder", inode.number);
        if (!prepend(place.name, path, err))
            return false;
        inode.number = place.folder;
    }
    return true;
}

static bool find_place(struct clo_btrfs *btrfs, uint64_t id, struct place *out,
                       struct clo_error *err)
{
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_ROOTS,
                                     .tree = &btrfs->root_tree,
                                     .from = { id, BTRFS_ROOT_BACKREF, 0 },
                                     .to = { id, BTRFS_ROOT_BACKREF, UINT64_MAX },
                                     .each = take_back,
                                     .context = out };

    *out = (struct place){ 0 };
    return btrfs_walk(btrfs, &walk, err);
}

bool clo_btrfs_subvolume_path(struct clo_btrfs *btrfs, uint64_t id, char out[CLO_BTRFS_PATH_MAX],
                              struct clo_error *err)
{
    unsigned depth = 0;

    out[0] = '\0';
    while (id != CLO_BTRFS_TOP) {
        struct place place;
        if (++depth > DEPTH_MAX)
            return btrfs_corrupt(err, "a path without an end");
        if (!find_place(btrfs, id, &place, err))
            return false;
        if (!place.is_found)
            return btrfs_corrupt(err, "subvolume %" PRIu64 " lies nowhere", id);
        if (!prepend(place.name, out, err) || !prepend_folders(btrfs, &place, out, &depth, err))
            return false;
        id = place.parent;
    }
    if (out[0] == '\0')
        strcpy(out, "/");
    return true;
}

/* --- Inodes --- */

static bool take_inode(void *context, const struct btrfs_key *key, struct clo_bytes item,
                       bool *stops, struct clo_error *err)
{
    struct clo_btrfs_inode *inode = context;
    struct clo_reader r = clo_reader(item);

    clo_read_skip(&r, 16);
    inode->size = clo_read_le64(&r);
    clo_read_skip(&r, 16);
    inode->links = clo_read_le32(&r);
    inode->uid = clo_read_le32(&r);
    inode->gid = clo_read_le32(&r);
    inode->mode = clo_read_le32(&r);
    uint64_t device = clo_read_le64(&r);
    inode->has_sums = (clo_read_le64(&r) & NO_SUMS) == 0;
    clo_read_skip(&r, 64);
    inode->mtime = (int64_t)clo_read_le64(&r);
    inode->mtime_ns = clo_read_le32(&r) % 1000000000;
    inode->major = (uint32_t)(device >> 20 & 0xfff);
    inode->minor = (uint32_t)(device & 0xfffff);
    *stops = true;
    return (item.size >= INODE_SIZE && inode->mode != 0 && inode->mode <= UINT16_MAX &&
            inode->size >> 62 == 0) ||
           btrfs_corrupt(err, "inode %" PRIu64 ": is not one", key->objectid);
}

bool clo_btrfs_inode(struct clo_btrfs *btrfs, uint64_t subvolume, uint64_t number,
                     struct clo_btrfs_inode *out, struct clo_error *err)
{
    *out = (struct clo_btrfs_inode){ .number = number };
    if (!clo_btrfs_subvolume(btrfs, subvolume, &out->in, err) ||
        !walk_file(btrfs, out, BTRFS_INODE, 0, take_inode, out, err))
        return false;
    return out->mode != 0 || btrfs_corrupt(err, "inode %" PRIu64 ": is not there", number);
}

/* --- Folders --- */

/* Some names at a time: who gets them reads on by the same cursor. */
struct batch {
    const struct clo_btrfs_inode *folder;
    struct clo_btrfs_name *names;
    size_t count;
    uint64_t next; /* index */
    bool is_full;
};

static bool take_name(void *context, const struct btrfs_key *key, struct clo_bytes item,
                      bool *stops, struct clo_error *err)
{
    struct batch *batch = context;
    struct clo_reader r = clo_reader(item);
    struct entry entry;

    if (batch->count == BATCH) {
        batch->next = key->offset;
        batch->is_full = *stops = true;
        return true;
    }
    struct clo_btrfs_name *name = &batch->names[batch->count++];
    bool ok = read_entry(&r, &entry) && entry.name.size <= CLO_BTRFS_NAME_MAX &&
              memchr(entry.name.data, '/', entry.name.size) == NULL &&
              (entry.to.type == BTRFS_INODE || entry.to.type == BTRFS_ROOT_ITEM);
    if (!ok)
        return btrfs_corrupt(err, "inode %" PRIu64 ": a name that is not one", key->objectid);
    memcpy(name->text, entry.name.data, entry.name.size);
    name->text[entry.name.size] = '\0';
    bool is_subvolume = entry.to.type == BTRFS_ROOT_ITEM;
    name->subvolume = is_subvolume ? entry.to.objectid : batch->folder->in.id;
    name->inode = is_subvolume ? CLO_BTRFS_ROOT : entry.to.objectid;
    name->is_missing = false;
    return (strcmp(name->text, ".") != 0 && strcmp(name->text, "..") != 0) ||
           btrfs_corrupt(err, "inode %" PRIu64 ": a name that is not one", key->objectid);
}

/* Both sides have to say that it lies here. */
static bool place_subvolume(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *folder,
                            struct clo_btrfs_name *name, struct clo_error *err)
{
    struct place place;

    if (name->subvolume == folder->in.id)
        return true;
    if (!find_place(btrfs, name->subvolume, &place, err))
        return false;
    name->is_missing = !place.is_found || place.parent != folder->in.id ||
                       place.folder != folder->number || strcmp(place.name, name->text) != 0;
    return true;
}

bool clo_btrfs_list(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *folder,
                    clo_btrfs_each_name *each, void *context, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_btrfs_name *names = malloc(BATCH * sizeof *names);
    struct batch batch = { .folder = folder, .names = names, .is_full = true };

    if (names == NULL)
        return clo_out_of_memory(err);
    if (!S_ISDIR(folder->mode))
        return btrfs_corrupt(err, "inode %" PRIu64 ": is not a folder", folder->number);
    while (batch.is_full) {
        batch.count = 0;
        batch.is_full = false;
        if (!walk_file(btrfs, folder, BTRFS_DIR_INDEX, batch.next, take_name, &batch, err))
            return false;
        for (size_t i = 0; i < batch.count; i++)
            if (!place_subvolume(btrfs, folder, &names[i], err) || !each(context, &names[i], err))
                return false;
    }
    return true;
}

/* --- Attributes --- */

struct attributes {
    const struct clo_btrfs_inode *inode;
    clo_btrfs_each_attribute *each;
    void *context;
    size_t count, size;
};

static bool take_attributes(void *context, const struct btrfs_key *key, struct clo_bytes item,
                            bool *stops, struct clo_error *err)
{
    struct attributes *attributes = context;
    struct clo_reader r = clo_reader(item);
    char name[CLO_BTRFS_NAME_MAX + 1];

    (void)stops;
    while (clo_reader_left(&r) > 0) {
        struct entry entry;
        if (!read_entry(&r, &entry) || entry.name.size > CLO_BTRFS_NAME_MAX)
            return btrfs_corrupt(err, "inode %" PRIu64 ": an attribute that is cut short",
                                 key->objectid);
        attributes->size += entry.data.size;
        if (++attributes->count > ATTRIBUTES_MAX || attributes->size > ATTRIBUTE_SIZE)
            return btrfs_corrupt(err, "inode %" PRIu64 ": more attributes than any file has",
                                 key->objectid);
        memcpy(name, entry.name.data, entry.name.size);
        name[entry.name.size] = '\0';
        if (strncmp(name, "btrfs.", 6) != 0 &&
            !attributes->each(attributes->context, name, entry.data, err))
            return false;
    }
    return true;
}

bool clo_btrfs_attributes(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode,
                          clo_btrfs_each_attribute *each, void *context, struct clo_error *err)
{
    struct attributes attributes = { inode, each, context, 0, 0 };

    return walk_file(btrfs, inode, BTRFS_XATTR, 0, take_attributes, &attributes, err);
}

/* --- Data --- */

enum {
    INLINE,
    REGULAR,
    RESERVED
};

struct extent {
    uint64_t at, size; /* in the file */
    uint64_t plain;    /* bytes that it unpacks to, all of it */
    uint64_t place, stored, skipped;
    unsigned compression, kind;
    struct clo_bytes inside; /* of an inline one */
};

struct data {
    struct clo_btrfs *btrfs;
    const struct clo_btrfs_inode *inode;
    uint64_t next, bytes;
    clo_btrfs_each_piece *each; /* NULL: counted alone */
    void *context;
};

/* What may be asked of it later: sizes that the kernel writes, inside of what they are cut from. */
static bool is_sound(const struct clo_btrfs *btrfs, const struct extent *extent)
{
    uint64_t sector = btrfs->sector_size;

    if (extent->compression > 3 || (extent->compression != 0 && extent->plain > BTRFS_COMPRESSED))
        return false;
    if (extent->kind == INLINE)
        return extent->at == 0 && extent->size <= btrfs->node_size &&
               (extent->compression != 0 || extent->inside.size == extent->size);
    if (extent->kind > RESERVED || extent->size == 0 || extent->at % sector != 0 ||
        extent->size % sector != 0 || extent->at > INT64_MAX - extent->size)
        return false;
    if (extent->place == 0)
        return true;
    uint64_t whole = extent->compression != 0 ? extent->plain : extent->stored;
    return extent->place % sector == 0 && extent->stored % sector == 0 &&
           extent->skipped % sector == 0 && extent->skipped <= whole &&
           extent->size <= whole - extent->skipped &&
           (extent->compression == 0 || extent->stored <= BTRFS_COMPRESSED);
}

static bool read_extent(const struct data *data, const struct btrfs_key *key, struct clo_bytes item,
                        struct extent *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(item);

    *out = (struct extent){ .at = key->offset };
    clo_read_skip(&r, 8);
    out->plain = clo_read_le64(&r);
    out->compression = clo_read_u8(&r);
    bool is_other = clo_read_u8(&r) != 0;
    is_other = clo_read_le16(&r) != 0 || is_other;
    out->kind = clo_read_u8(&r);
    if (out->kind == INLINE) {
        out->size = out->plain;
        out->inside = clo_read_bytes(&r, clo_reader_left(&r));
    } else {
        out->place = clo_read_le64(&r);
        out->stored = clo_read_le64(&r);
        out->skipped = clo_read_le64(&r);
        out->size = clo_read_le64(&r);
    }
    if (is_other)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "btrfs: inode %" PRIu64 ": is encrypted",
                        key->objectid);
    return (clo_reader_ok(&r) && out->at >= data->next && is_sound(data->btrfs, out)) ||
           btrfs_corrupt(err, "inode %" PRIu64 ": its extents are not in order", key->objectid);
}

struct sums {
    const struct clo_btrfs *btrfs;
    uint64_t from, count; /* in sectors */
    uint64_t found;
};

static bool take_sums(void *context, const struct btrfs_key *key, struct clo_bytes item,
                      bool *stops, struct clo_error *err)
{
    struct sums *sums = context;
    const struct clo_btrfs *btrfs = sums->btrfs;

    (void)stops;
    (void)err;
    if (key->objectid != SUMS_OBJECT || key->type != BTRFS_EXTENT_CSUM)
        return true;
    uint64_t first = key->offset / btrfs->sector_size, count = item.size / btrfs->sum_size;
    uint64_t wanted = sums->from + sums->found;
    /* In order, and without a gap: what lacks stays lacking. */
    if (first > wanted || wanted - first >= count || sums->found == sums->count)
        return true;
    uint64_t skip = wanted - first, now = count - skip;
    if (now > sums->count - sums->found)
        now = sums->count - sums->found;
    memcpy(btrfs->sums + sums->found * btrfs->sum_size, item.data + skip * btrfs->sum_size,
           (size_t)now * btrfs->sum_size);
    sums->found += now;
    return true;
}

static bool find_sums(struct clo_btrfs *btrfs, uint64_t logical, size_t size, struct clo_error *err)
{
    struct sums sums = { btrfs, logical / btrfs->sector_size, size / btrfs->sector_size, 0 };
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_SUMS,
                                     .tree = &btrfs->sum_tree,
                                     .from = { SUMS_OBJECT, BTRFS_EXTENT_CSUM, logical },
                                     .to = { SUMS_OBJECT, BTRFS_EXTENT_CSUM, logical + size - 1 },
                                     .from_before = true,
                                     .each = take_sums,
                                     .context = &sums };

    if (btrfs->has_sums && !btrfs_walk(btrfs, &walk, err))
        return false;
    return sums.found == sums.count ||
           btrfs_corrupt(err, "its bytes at %" PRIu64 " have no checksums", logical);
}

static bool is_whole(const struct clo_btrfs *btrfs, const uint8_t *bytes, size_t size)
{
    uint8_t sum[32];

    for (size_t at = 0; at < size; at += btrfs->sector_size) {
        btrfs_sum(btrfs, clo_bytes(bytes + at, btrfs->sector_size), sum);
        if (memcmp(sum, btrfs->sums + at / btrfs->sector_size * btrfs->sum_size, btrfs->sum_size) !=
            0)
            return false;
    }
    return true;
}

/* Whole sectors, at most BTRFS_PIECE, into `raw`; of several copies, the first that is whole. */
static bool read_sectors(const struct data *data, uint64_t logical, size_t size, uint8_t *raw,
                         struct clo_error *err)
{
    struct clo_btrfs *btrfs = data->btrfs;

    while (size > 0) {
        uint64_t left;
        const struct btrfs_chunk *chunk = btrfs_find_chunk(btrfs, logical, &left);
        if (chunk == NULL || left < btrfs->sector_size)
            return btrfs_corrupt(err, "bytes at %" PRIu64 ": beyond the file system's end",
                                 logical);
        size_t now = left < size ? (size_t)(left - left % btrfs->sector_size) : size;
        if (data->inode->has_sums && !find_sums(btrfs, logical, now, err))
            return false;
        bool is_read = false;
        for (unsigned i = 0; i < chunk->copies && !is_read; i++) {
            uint64_t place = chunk->places[i] + (logical - chunk->logical);
            if (!btrfs->read(btrfs->context, place, raw, now, err))
                return false;
            is_read = !data->inode->has_sums || is_whole(btrfs, raw, now);
        }
        if (!is_read)
            return btrfs_corrupt(err, "its bytes at %" PRIu64 " have a wrong checksum", logical);
        logical += now;
        raw += now;
        size -= now;
    }
    return true;
}

static bool give(const struct data *data, uint64_t at, struct clo_bytes bytes,
                 struct clo_error *err)
{
    uint64_t left = at < data->inode->size ? data->inode->size - at : 0;

    bytes = clo_bytes_slice(bytes, 0, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
    return bytes.size == 0 || data->each(data->context, at, bytes, err);
}

static bool give_inline(const struct data *data, const struct extent *extent, struct clo_error *err)
{
    struct clo_btrfs *btrfs = data->btrfs;

    if (extent->compression == 0)
        return give(data, 0, extent->inside, err);
    return btrfs_unpack(extent->compression, extent->inside, btrfs->sector_size, btrfs->plain,
                        (size_t)extent->size, err) &&
           give(data, 0, clo_bytes(btrfs->plain, (size_t)extent->size), err);
}

static bool give_compressed(const struct data *data, const struct extent *extent,
                            struct clo_error *err)
{
    struct clo_btrfs *btrfs = data->btrfs;
    size_t stored = (size_t)extent->stored;

    return read_sectors(data, extent->place, stored, btrfs->raw, err) &&
           btrfs_unpack(extent->compression, clo_bytes(btrfs->raw, stored), btrfs->sector_size,
                        btrfs->plain, (size_t)extent->plain, err) &&
           give(data, extent->at, clo_bytes(btrfs->plain + extent->skipped, (size_t)extent->size),
                err);
}

static bool give_plain(const struct data *data, const struct extent *extent, struct clo_error *err)
{
    uint8_t *raw = data->btrfs->raw;

    for (uint64_t done = 0; done < extent->size; done += BTRFS_PIECE) {
        uint64_t left = extent->size - done;
        size_t now = left < BTRFS_PIECE ? (size_t)left : BTRFS_PIECE;
        if (extent->at + done >= data->inode->size)
            return true;
        if (!read_sectors(data, extent->place + extent->skipped + done, now, raw, err) ||
            !give(data, extent->at + done, clo_bytes(raw, now), err))
            return false;
    }
    return true;
}

static bool take_extent(void *context, const struct btrfs_key *key, struct clo_bytes item,
                        bool *stops, struct clo_error *err)
{
    struct data *data = context;
    struct extent extent;

    if (!read_extent(data, key, item, &extent, err))
        return false;
    data->next = extent.at + extent.size;
    *stops = data->next >= data->inode->size;
    bool is_hole = extent.kind == RESERVED || (extent.kind == REGULAR && extent.place == 0);
    if (is_hole || extent.at >= data->inode->size)
        return true;
    data->bytes += extent.size;
    if (data->each == NULL)
        return true;
    bool ok = extent.kind == INLINE     ? give_inline(data, &extent, err)
              : extent.compression != 0 ? give_compressed(data, &extent, err)
                                        : give_plain(data, &extent, err);
    return ok || clo_wrap(err, "inode %" PRIu64, key->objectid);
}

bool clo_btrfs_count(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode, uint64_t *bytes,
                     struct clo_error *err)
{
    struct data data = { .btrfs = btrfs, .inode = inode };

    if (!walk_file(btrfs, inode, BTRFS_EXTENT_DATA, 0, take_extent, &data, err))
        return false;
    *bytes = data.bytes;
    return true;
}

bool clo_btrfs_data(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode,
                    clo_btrfs_each_piece *each, void *context, struct clo_error *err)
{
    struct data data = { .btrfs = btrfs, .inode = inode, .each = each, .context = context };

    return walk_file(btrfs, inode, BTRFS_EXTENT_DATA, 0, take_extent, &data, err);
}

/* --- Symbolic links --- */

struct target {
    char *out;
    size_t size;
};

static bool take_target(void *context, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    struct target *target = context;

    if (at != target->size || bytes.size > CLO_BTRFS_LINK_MAX - target->size)
        return btrfs_corrupt(err, "a link that is not one");
    memcpy(target->out + target->size, bytes.data, bytes.size);
    target->size += bytes.size;
    return true;
}

bool clo_btrfs_link(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *link,
                    char out[CLO_BTRFS_LINK_MAX + 1], struct clo_error *err)
{
    struct target target = { out, 0 };

    if (!S_ISLNK(link->mode) || link->size == 0 || link->size > CLO_BTRFS_LINK_MAX)
        return btrfs_corrupt(err, "inode %" PRIu64 ": is not a link", link->number);
    if (!clo_btrfs_data(btrfs, link, take_target, &target, err))
        return false;
    out[target.size] = '\0';
    return (target.size == link->size && strlen(out) == target.size) ||
           btrfs_corrupt(err, "inode %" PRIu64 ": a link that is cut short", link->number);
}
