/* The blocks and trees of a btrfs, for what reads files out of them. */
#ifndef CLOISTER_LIB_BTRFS_INTERNAL_H
#define CLOISTER_LIB_BTRFS_INTERNAL_H

#include "lib/disk/btrfs.h"

#define BTRFS_LEVELS     8
#define BTRFS_PIECE      ((size_t)1 << 20) /* of data that is read at once */
#define BTRFS_COMPRESSED 131072U           /* neither side of a compressed extent is larger */

enum btrfs_item {
    BTRFS_INODE = 1,
    BTRFS_INODE_REF = 12,
    BTRFS_XATTR = 24,
    BTRFS_DIR_ITEM = 84,
    BTRFS_DIR_INDEX = 96,
    BTRFS_EXTENT_DATA = 108,
    BTRFS_EXTENT_CSUM = 128,
    BTRFS_ROOT_ITEM = 132,
    BTRFS_ROOT_BACKREF = 144,
    BTRFS_ROOT_REF = 156,
    BTRFS_CHUNK = 228,
};

struct btrfs_key {
    uint64_t objectid;
    uint8_t type;
    uint64_t offset;
};

struct btrfs_tree {
    uint64_t at, generation;
    unsigned level;
};

/* The blocks that were on the way to the last leaf. A walk's callback may walk by another cursor, never by the same. */
struct btrfs_cursor {
    uint8_t *blocks[BTRFS_LEVELS];
    uint64_t at[BTRFS_LEVELS]; /* 0: nothing */
};

enum btrfs_cursors {
    BTRFS_OF_ROOTS,
    BTRFS_OF_FILES,
    BTRFS_OF_SUMS,
    BTRFS_CURSORS
};

struct btrfs_chunk {
    uint64_t logical, size;
    uint64_t places[2]; /* on the disk */
    unsigned copies;
};

enum btrfs_sum {
    BTRFS_CRC32C = 0,
    BTRFS_SHA256 = 2
};

struct clo_btrfs {
    clo_btrfs_read *read;
    void *context;
    uint64_t size;
    uint32_t sector_size, node_size;
    enum btrfs_sum sum;
    size_t sum_size;
    uint8_t uuid[16]; /* that blocks carry */
    uint64_t device;
    struct btrfs_tree chunk_tree, root_tree, sum_tree;
    bool has_sums;
    uint64_t generation; /* no block is newer */
    struct btrfs_chunk *chunks;
    size_t chunk_count, chunk_room;
    struct btrfs_cursor cursors[BTRFS_CURSORS];
    uint64_t items_left;             /* that are looked at before its trees count as endless */
    uint64_t work_left;              /* clo_btrfs_limit() */
    struct clo_btrfs_subvolume last; /* that was looked up */
    uint8_t *raw, *plain, *sums;
};

/* `*stops` may be set: the walk ends there. */
typedef bool btrfs_each_item(void *context, const struct btrfs_key *key, struct clo_bytes item,
                             bool *stops, struct clo_error *err);
struct btrfs_walk {
    enum btrfs_cursors cursor;
    const struct btrfs_tree *tree;
    struct btrfs_key from, to; /* both included */
    bool from_before;          /* begins with the last item up to `from` */
    btrfs_each_item *each;
    void *context;
};
CLO_MUST_USE bool btrfs_walk(struct clo_btrfs *btrfs, const struct btrfs_walk *walk,
                             struct clo_error *err);
struct btrfs_key btrfs_read_key(struct clo_reader *r);

/* Logical bytes inside one chunk: how many of `size` from there on, and which; NULL: none. */
const struct btrfs_chunk *btrfs_find_chunk(const struct clo_btrfs *btrfs, uint64_t logical,
                                           uint64_t *left);
CLO_MUST_USE bool btrfs_read_chunks(struct clo_btrfs *btrfs, struct clo_bytes bootstrap,
                                    struct clo_error *err);
/* `sum`: room for sum_size bytes. */
void btrfs_sum(const struct clo_btrfs *btrfs, struct clo_bytes in, uint8_t *sum);
CLO_MUST_USE bool btrfs_read_roots(struct clo_btrfs *btrfs, struct clo_error *err);

/* btrfs_unpack.c: `out` is filled to `size`, with zeros where the stream gives less. */
CLO_MUST_USE bool btrfs_unpack(unsigned compression, struct clo_bytes in, uint32_t sector_size,
                               uint8_t *out, size_t size, struct clo_error *err);

bool btrfs_corrupt(struct clo_error *err, const char *format, ...) CLO_PRINTF(2, 3);

#endif
