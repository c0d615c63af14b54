#include "lib/disk/btrfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "lib/disk/btrfs_internal.h"
#include "lib/disk/crc32c.h"

#define SUPER_SIZE    4096U
#define SUPER_SYSTEM  0x32bU
#define SYSTEM_MAX    2048U
#define SUM_ROOM      32U
#define NODE_HEADER   101U
#define NODE_POINTER  33U
#define LEAF_ITEM     25U
#define CHUNK_ITEM    48U
#define CHUNK_STRIPE  32U
#define BLOCK_WORK    64U /* what reading and checking one takes, in items that are looked at */
#define CHUNKS_MAX    ((size_t)1 << 17)
#define CHUNK_OBJECT  256U
#define FLAG_METADUMP ((uint64_t)3 << 33)

/* incompat_flags: mixed back references, a default subvolume, mixed groups, LZO, zstd, large nodes, long references, skinny
 * metadata, no holes, a UUID of the metadata's own, simple quotas. */
#define FEATURES ((uint64_t)0x1077f)

bool btrfs_corrupt(struct clo_error *err, const char *format, ...)
{
    char text[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return clo_fail(err, CLO_ERR_FORMAT, "btrfs: %s", text);
}

uint64_t clo_btrfs_size(const struct clo_btrfs *btrfs)
{
    return btrfs->size;
}

void btrfs_sum(const struct clo_btrfs *btrfs, struct clo_bytes in, uint8_t *sum)
{
    struct clo_digest digest;

    if (btrfs->sum == BTRFS_SHA256) {
        clo_hash(CLO_HASH_SHA256, in, &digest);
        memcpy(sum, clo_digest_bytes(&digest).data, btrfs->sum_size);
        return;
    }
    uint32_t crc = clo_crc32c(0, in);
    for (size_t i = 0; i < btrfs->sum_size; i++)
        sum[i] = (uint8_t)(crc >> 8 * i);
}

static bool is_summed(const struct clo_btrfs *btrfs, struct clo_bytes block)
{
    uint8_t sum[SUM_ROOM];

    btrfs_sum(btrfs, clo_bytes_slice(block, SUM_ROOM, SIZE_MAX), sum);
    return memcmp(sum, block.data, btrfs->sum_size) == 0;
}

/* --- The superblock --- */

static bool check_features(uint64_t features, uint64_t flags, uint64_t devices, uint64_t log,
                           struct clo_error *err)
{
    if (devices != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "btrfs: has %" PRIu64
                        " devices: 'btrfs device remove' on it until one is left",
                        devices);
    if (log != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "btrfs: was not unmounted cleanly: mount it once, or boot it and shut it "
                        "down");
    if ((flags & FLAG_METADUMP) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "btrfs: is a dump of metadata, without its data");
    if ((features & ~FEATURES) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "btrfs: has features that are not known (0x%" PRIx64
                        "; RAID 5 and 6 are 0x80, zones 0x1000)",
                        features & ~FEATURES);
    return true;
}

static bool is_power(uint32_t value, uint32_t least)
{
    return value >= least && value <= 65536 && (value & (value - 1)) == 0;
}

static bool check_sum_type(struct clo_btrfs *btrfs, unsigned type, struct clo_error *err)
{
    static const char *const others[] = { [1] = "xxhash64", [3] = "BLAKE2b" };

    if (type != BTRFS_CRC32C && type != BTRFS_SHA256)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "btrfs: checksums by %s: CRC-32C and SHA-256 are read",
                        type < CLO_COUNT(others) ? others[type] : "what is not known");
    btrfs->sum = (enum btrfs_sum)type;
    btrfs->sum_size = type == BTRFS_SHA256 ? 32 : 4;
    return true;
}

static bool read_numbers(struct clo_btrfs *btrfs, struct clo_bytes super, uint32_t *system_size,
                         struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(super, 0x38, SIZE_MAX));
    uint64_t size = btrfs->size;

    uint64_t flags = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    btrfs->generation = clo_read_le64(&r);
    btrfs->root_tree.at = clo_read_le64(&r);
    btrfs->chunk_tree.at = clo_read_le64(&r);
    uint64_t log = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    btrfs->size = clo_read_le64(&r);
    clo_read_skip(&r, 16);
    uint64_t devices = clo_read_le64(&r);
    btrfs->sector_size = clo_read_le32(&r);
    btrfs->node_size = clo_read_le32(&r);
    clo_read_skip(&r, 8);
    *system_size = clo_read_le32(&r);
    btrfs->chunk_tree.generation = clo_read_le64(&r);
    clo_read_skip(&r, 16);
    uint64_t features = clo_read_le64(&r);
    clo_read_skip(&r, 2);
    btrfs->root_tree.level = clo_read_u8(&r);
    btrfs->chunk_tree.level = clo_read_u8(&r);
    clo_read_skip(&r, 1);
    btrfs->device = clo_read_le64(&r);
    btrfs->root_tree.generation = btrfs->generation;
    memcpy(btrfs->uuid, super.data + ((features & 0x400) != 0 ? 0x23b : 0x20), sizeof btrfs->uuid);
    if (!check_features(features, flags, devices, log, err))
        return false;
    if (!is_power(btrfs->sector_size, 4096) || !is_power(btrfs->node_size, btrfs->sector_size) ||
        *system_size > SYSTEM_MAX)
        return btrfs_corrupt(err, "sectors of %u and nodes of %u bytes", btrfs->sector_size,
                             btrfs->node_size);
    return btrfs->size <= size || btrfs_corrupt(err, "larger than its partition");
}

/* The first that is whole: there are copies where the disk is large enough for them. */
static bool find_super(struct clo_btrfs *btrfs, uint8_t super[SUPER_SIZE], struct clo_error *err)
{
    static const uint64_t places[] = { 64 << 10, 64 << 20, (uint64_t)256 << 30 };

    for (size_t i = 0; i < CLO_COUNT(places); i++) {
        struct clo_error why;
        if (btrfs->size < SUPER_SIZE || places[i] > btrfs->size - SUPER_SIZE ||
            !btrfs->read(btrfs->context, places[i], super, SUPER_SIZE, &why) ||
            memcmp(super + 0x40, "_BHRfS_M", 8) != 0)
            continue;
        struct clo_reader r = clo_reader(clo_bytes(super + 0x30, 8));
        struct clo_reader type = clo_reader(clo_bytes(super + 0xc4, 2));
        if (!check_sum_type(btrfs, clo_read_le16(&type), err))
            return false;
        if (clo_read_le64(&r) == places[i] && is_summed(btrfs, clo_bytes(super, SUPER_SIZE)))
            return true;
    }
    return btrfs_corrupt(err, "no superblock that is whole");
}

/* --- Chunks: where logical bytes lie --- */

static const char *profile_name(uint64_t type)
{
    static const char *const names[] = { "RAID0", "RAID1", NULL,      "RAID10",
                                         "RAID5", "RAID6", "RAID1C3", "RAID1C4" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (names[i] != NULL && (type >> (3 + i) & 1) != 0)
            return names[i];
    return NULL;
}

static bool take_chunk(struct clo_btrfs *btrfs, uint64_t logical, struct clo_reader *r,
                       struct clo_error *err)
{
    struct btrfs_chunk chunk = { .logical = logical, .size = clo_read_le64(r) };

    clo_read_skip(r, 16);
    uint64_t type = clo_read_le64(r);
    clo_read_skip(r, 12);
    unsigned stripes = clo_read_le16(r);
    clo_read_skip(r, 2);
    if (profile_name(type) != NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "btrfs: %s: 'btrfs balance start -dconvert=single -mconvert=dup' on it",
                        profile_name(type));
    if (stripes == 0 || stripes > CLO_COUNT(chunk.places) || chunk.size == 0 ||
        chunk.size > UINT64_MAX - logical || chunk.size > btrfs->size)
        return btrfs_corrupt(err, "a chunk of %" PRIu64 " bytes, %u times", chunk.size, stripes);
    for (; chunk.copies < stripes; chunk.copies++) {
        uint64_t device = clo_read_le64(r);
        chunk.places[chunk.copies] = clo_read_le64(r);
        clo_read_skip(r, 16);
        if (!clo_reader_ok(r))
            break;
        if (device != btrfs->device)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "btrfs: a chunk on another device");
        if (chunk.places[chunk.copies] > btrfs->size - chunk.size)
            return btrfs_corrupt(err, "a chunk beyond the file system's end");
    }
    if (!clo_reader_ok(r))
        return btrfs_corrupt(err, "a chunk that is cut short");
    if (btrfs->chunk_count == CHUNKS_MAX)
        return btrfs_corrupt(err, "more than %zu chunks", CHUNKS_MAX);
    if (btrfs->chunk_count == btrfs->chunk_room) {
        size_t room = btrfs->chunk_room * 2 + 16;
        struct btrfs_chunk *more = realloc(btrfs->chunks, room * sizeof *more);
        if (more == NULL)
            return clo_out_of_memory(err);
        btrfs->chunks = more;
        btrfs->chunk_room = room;
    }
    btrfs->chunks[btrfs->chunk_count++] = chunk;
    return true;
}

static int by_logical(const void *a, const void *b)
{
    const struct btrfs_chunk *x = a, *y = b;

    return x->logical < y->logical ? -1 : x->logical > y->logical;
}

static bool sort_chunks(struct clo_btrfs *btrfs, struct clo_error *err)
{
    struct btrfs_chunk *chunks = btrfs->chunks;

    if (btrfs->chunk_count == 0)
        return btrfs_corrupt(err, "has no chunks");
    qsort(chunks, btrfs->chunk_count, sizeof *chunks, by_logical);
    for (size_t i = 1; i < btrfs->chunk_count; i++)
        if (chunks[i].logical - chunks[i - 1].logical < chunks[i - 1].size)
            return btrfs_corrupt(err, "chunks that overlap");
    return true;
}

const struct btrfs_chunk *btrfs_find_chunk(const struct clo_btrfs *btrfs, uint64_t logical,
                                           uint64_t *left)
{
    size_t low = 0, high = btrfs->chunk_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct btrfs_chunk *chunk = &btrfs->chunks[middle];
        if (logical < chunk->logical)
            high = middle;
        else if (logical - chunk->logical >= chunk->size)
            low = middle + 1;
        else {
            *left = chunk->size - (logical - chunk->logical);
            return chunk;
        }
    }
    return NULL;
}

static bool take_chunk_item(void *context, const struct btrfs_key *key, struct clo_bytes item,
                            bool *stops, struct clo_error *err)
{
    struct clo_reader r = clo_reader(item);

    (void)stops;
    return take_chunk(context, key->offset, &r, err);
}

/* Those of the superblock lead to the tree that has them all. */
bool btrfs_read_chunks(struct clo_btrfs *btrfs, struct clo_bytes bootstrap, struct clo_error *err)
{
    struct clo_reader r = clo_reader(bootstrap);
    const struct btrfs_walk walk = { .cursor = BTRFS_OF_ROOTS,
                                     .tree = &btrfs->chunk_tree,
                                     .from = { CHUNK_OBJECT, BTRFS_CHUNK, 0 },
                                     .to = { CHUNK_OBJECT, BTRFS_CHUNK, UINT64_MAX },
                                     .each = take_chunk_item };

    while (clo_reader_left(&r) > 0) {
        struct btrfs_key key = btrfs_read_key(&r);
        if (!take_chunk(btrfs, key.offset, &r, err))
            return false;
    }
    if (!sort_chunks(btrfs, err))
        return false;
    /* While the tree is read, its own blocks are found by the first ones. */
    struct clo_btrfs full = *btrfs;
    full.chunks = NULL;
    full.chunk_count = full.chunk_room = 0;
    struct btrfs_walk all = walk;
    all.context = &full;
    bool ok = btrfs_walk(btrfs, &all, err) && sort_chunks(&full, err);
    if (!ok) {
        free(full.chunks);
        return false;
    }
    free(btrfs->chunks);
    btrfs->chunks = full.chunks;
    btrfs->chunk_count = full.chunk_count;
    btrfs->chunk_room = full.chunk_room;
    return true;
}

/* --- Blocks --- */

struct btrfs_key btrfs_read_key(struct clo_reader *r)
{
    struct btrfs_key key;

    key.objectid = clo_read_le64(r);
    key.type = clo_read_u8(r);
    key.offset = clo_read_le64(r);
    return key;
}

static int compare(const struct btrfs_key *a, const struct btrfs_key *b)
{
    if (a->objectid != b->objectid)
        return a->objectid < b->objectid ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* A block that was read, and what its parent says of it. */
struct block {
    const uint8_t *bytes;
    size_t size;
    unsigned level, count;
};

static struct btrfs_key key_at(const struct block *block, unsigned i)
{
    size_t stride = block->level == 0 ? LEAF_ITEM : NODE_POINTER;
    struct clo_reader r = clo_reader(clo_bytes(block->bytes + NODE_HEADER + i * stride, 17));

    return btrfs_read_key(&r);
}

static struct clo_bytes item_at(const struct block *block, unsigned i)
{
    struct clo_reader r = clo_reader(clo_bytes(block->bytes + NODE_HEADER + i * LEAF_ITEM + 17, 8));
    uint32_t at = clo_read_le32(&r), size = clo_read_le32(&r);

    return clo_bytes(block->bytes + NODE_HEADER + at, size);
}

/* Items lie one before the other, from the block's end on: no two share bytes. */
static bool check_items(const struct block *block)
{
    size_t end = block->size - NODE_HEADER;

    for (unsigned i = 0; i < block->count; i++) {
        struct clo_reader r =
                clo_reader(clo_bytes(block->bytes + NODE_HEADER + i * LEAF_ITEM + 17, 8));
        uint32_t at = clo_read_le32(&r), size = clo_read_le32(&r);
        if (at > end || size != end - at)
            return false;
        end = at;
    }
    return end >= (size_t)block->count * LEAF_ITEM;
}

static bool check_header(const struct clo_btrfs *btrfs, const struct btrfs_tree *from,
                         struct block *block, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes(block->bytes, NODE_HEADER));

    clo_read_skip(&r, SUM_ROOM);
    struct clo_bytes uuid = clo_read_bytes(&r, 16);
    uint64_t at = clo_read_le64(&r);
    clo_read_skip(&r, 24);
    uint64_t generation = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    block->count = clo_read_le32(&r);
    block->level = clo_read_u8(&r);
    if (at != from->at || generation != from->generation || block->level != from->level ||
        !clo_bytes_equal(uuid, clo_bytes(btrfs->uuid, sizeof btrfs->uuid)))
        return btrfs_corrupt(err, "block %" PRIu64 " is not the one that it should be", from->at);
    return true;
}

static bool check_block(const struct clo_btrfs *btrfs, const struct btrfs_tree *from,
                        struct block *block, struct clo_error *err)
{
    if (!check_header(btrfs, from, block, err))
        return false;
    size_t stride = block->level == 0 ? LEAF_ITEM : NODE_POINTER;
    if (block->count > (block->size - NODE_HEADER) / stride ||
        (block->level == 0 && !check_items(block)))
        return btrfs_corrupt(err, "block %" PRIu64 ": more items than it has room for", from->at);
    for (unsigned i = 1; i < block->count; i++) {
        struct btrfs_key before = key_at(block, i - 1), key = key_at(block, i);
        if (compare(&before, &key) >= 0)
            return btrfs_corrupt(err, "block %" PRIu64 ": its keys are not in order", from->at);
    }
    return true;
}

/* Of several copies, the first that is whole. */
static bool read_block(const struct clo_btrfs *btrfs, const struct btrfs_tree *from, uint8_t *out,
                       struct clo_error *err)
{
    struct block block = { .bytes = out, .size = btrfs->node_size };
    uint64_t left;
    const struct btrfs_chunk *chunk = btrfs_find_chunk(btrfs, from->at, &left);

    if (chunk == NULL || left < btrfs->node_size || from->at % btrfs->sector_size != 0)
        return btrfs_corrupt(err, "block %" PRIu64 ": beyond the file system's end", from->at);
    for (unsigned i = 0; i < chunk->copies; i++) {
        uint64_t place = chunk->places[i] + (from->at - chunk->logical);
        if (!btrfs->read(btrfs->context, place, out, btrfs->node_size, err))
            return false;
        if (!is_summed(btrfs, clo_bytes(out, btrfs->node_size)))
            (void)btrfs_corrupt(err, "block %" PRIu64 ": a wrong checksum", from->at);
        else if (check_block(btrfs, from, &block, err))
            return true;
    }
    return false;
}

void clo_btrfs_limit(struct clo_btrfs *btrfs, uint64_t work)
{
    btrfs->work_left = work;
}

static bool spend(struct clo_btrfs *btrfs, uint64_t work, struct clo_error *err)
{
    if (btrfs->work_left == UINT64_MAX)
        return true;
    btrfs->work_left -= work < btrfs->work_left ? work : btrfs->work_left;
    return btrfs->work_left > 0 ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "btrfs: more than is looked through for a subvolume");
}

static bool load(struct clo_btrfs *btrfs, struct btrfs_cursor *cursor,
                 const struct btrfs_tree *from, struct block *out, struct clo_error *err)
{
    unsigned level = from->level;

    if (level >= BTRFS_LEVELS)
        return btrfs_corrupt(err, "a tree without an end");
    if (cursor->blocks[level] == NULL && (cursor->blocks[level] = malloc(btrfs->node_size)) == NULL)
        return clo_out_of_memory(err);
    *out = (struct block){ .bytes = cursor->blocks[level], .size = btrfs->node_size };
    if (cursor->at[level] != from->at) {
        cursor->at[level] = 0;
        if (!spend(btrfs, BLOCK_WORK, err) || !read_block(btrfs, from, cursor->blocks[level], err))
            return false;
        cursor->at[level] = from->at;
    }
    return check_header(btrfs, from, out, err);
}

/* The first whose key is not below. */
static unsigned first_from(const struct block *block, const struct btrfs_key *key)
{
    unsigned low = 0, high = block->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        struct btrfs_key there = key_at(block, middle);
        if (compare(&there, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Keys of a block lie between those of its parent's pointer and the next: no block is reached twice. */
struct bounds {
    bool has_low, has_high;
    struct btrfs_key low, high;
};

static bool check_bounds(const struct block *block, const struct bounds *bounds)
{
    if (block->count == 0)
        return !bounds->has_low && block->level == 0;
    struct btrfs_key first = key_at(block, 0), last = key_at(block, block->count - 1);
    return (!bounds->has_low || compare(&first, &bounds->low) == 0) &&
           (!bounds->has_high || compare(&last, &bounds->high) < 0);
}

/* The pointer whose block would hold `key`; bounds are those of that block. */
static struct btrfs_tree descend(const struct block *block, const struct btrfs_key *key,
                                 struct bounds *bounds)
{
    unsigned i = first_from(block, key);
    struct btrfs_key there = { 0 };

    if (i < block->count)
        there = key_at(block, i);
    if (i == block->count || (i > 0 && compare(&there, key) != 0))
        i--;
    bounds->has_low = true;
    bounds->low = key_at(block, i);
    if (i + 1 < block->count) {
        bounds->has_high = true;
        bounds->high = key_at(block, i + 1);
    }
    struct clo_reader r =
            clo_reader(clo_bytes(block->bytes + NODE_HEADER + (size_t)i * NODE_POINTER + 17, 16));
    struct btrfs_tree below = { .level = block->level - 1 };
    below.at = clo_read_le64(&r);
    below.generation = clo_read_le64(&r);
    return below;
}

static bool seek(struct clo_btrfs *btrfs, const struct btrfs_walk *walk,
                 struct btrfs_cursor *cursor, const struct btrfs_key *key, struct block *leaf,
                 struct bounds *bounds, struct clo_error *err)
{
    struct btrfs_tree at = *walk->tree;

    *bounds = (struct bounds){ 0 };
    if (!spend(btrfs, 1, err))
        return false;
    for (;;) {
        if (!load(btrfs, cursor, &at, leaf, err))
            return false;
        if (!check_bounds(leaf, bounds))
            return btrfs_corrupt(err, "block %" PRIu64 ": keys of another block", at.at);
        if (leaf->level == 0)
            return true;
        at = descend(leaf, key, bounds);
    }
}

static bool walk_leaf(struct clo_btrfs *btrfs, const struct btrfs_walk *walk,
                      const struct block *leaf, unsigned i, bool *stops, struct clo_error *err)
{
    for (; i < leaf->count && !*stops; i++) {
        struct btrfs_key key = key_at(leaf, i);
        if (compare(&key, &walk->to) > 0) {
            *stops = true;
            return true;
        }
        if (btrfs->items_left-- == 0)
            return btrfs_corrupt(err, "more in its trees than it has room for");
        if (!spend(btrfs, 1, err) || !walk->each(walk->context, &key, item_at(leaf, i), stops, err))
            return false;
    }
    return true;
}

bool btrfs_walk(struct clo_btrfs *btrfs, const struct btrfs_walk *walk, struct clo_error *err)
{
    struct btrfs_cursor *cursor = &btrfs->cursors[walk->cursor];
    struct btrfs_key key = walk->from;
    struct bounds bounds;
    struct block leaf;
    bool stops = false;

    for (bool is_first = true; !stops; is_first = false) {
        if (!seek(btrfs, walk, cursor, &key, &leaf, &bounds, err))
            return false;
        unsigned i = first_from(&leaf, &key);
        if (is_first && walk->from_before && i > 0) {
            struct btrfs_key there = { 0 };
            if (i < leaf.count)
                there = key_at(&leaf, i);
            i -= i == leaf.count || compare(&there, &key) != 0;
        }
        if (!walk_leaf(btrfs, walk, &leaf, i, &stops, err))
            return false;
        stops = stops || !bounds.has_high || compare(&bounds.high, &walk->to) > 0;
        key = bounds.high;
    }
    return true;
}

/* --- Open --- */

void clo_btrfs_freep(struct clo_btrfs **btrfs)
{
    if (*btrfs == NULL)
        return;
    for (size_t i = 0; i < BTRFS_CURSORS; i++)
        for (size_t level = 0; level < BTRFS_LEVELS; level++)
            free((*btrfs)->cursors[i].blocks[level]);
    free((*btrfs)->chunks);
    free((*btrfs)->raw);
    free((*btrfs)->plain);
    free((*btrfs)->sums);
    free(*btrfs);
    *btrfs = NULL;
}

bool clo_btrfs_open(clo_btrfs_read *read, void *context, uint64_t size, struct clo_btrfs **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = calloc(1, sizeof *btrfs);
    CLO_CLEANUP(clo_freep) uint8_t *super = malloc(SUPER_SIZE);
    uint32_t system_size;

    if (btrfs == NULL || super == NULL)
        return clo_out_of_memory(err);
    btrfs->read = read;
    btrfs->context = context;
    btrfs->size = size;
    btrfs->raw = malloc(BTRFS_PIECE);
    btrfs->plain = malloc(BTRFS_COMPRESSED);
    btrfs->sums = malloc(BTRFS_PIECE / 4096 * SUM_ROOM);
    if (btrfs->raw == NULL || btrfs->plain == NULL || btrfs->sums == NULL)
        return clo_out_of_memory(err);
    /* An item has 25 bytes at least, and is looked at a few times. */
    btrfs->items_left = size / 4;
    btrfs->work_left = UINT64_MAX;
    if (!find_super(btrfs, super, err) ||
        !read_numbers(btrfs, clo_bytes(super, SUPER_SIZE), &system_size, err) ||
        !btrfs_read_chunks(btrfs, clo_bytes(super + SUPER_SYSTEM, system_size), err) ||
        !btrfs_read_roots(btrfs, err))
        return false;
    *out = CLO_TAKE(btrfs);
    return true;
}
