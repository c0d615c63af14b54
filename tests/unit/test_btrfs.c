/* What a hostile btrfs could lead its reader to, and numbers that no file system has; copies that stand in for what is damaged.
 * What one holds that is as it should be, tests/cli/convert_btrfs.sh reads. */
#include "lib/disk/btrfs.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/disk/crc32c.h"
#include "test.h"

#define BLOCK     4096U
#define SUPER     0x10000U
#define MIRROR_AT (64U << 20)
#define DISK      (MIRROR_AT + BLOCK)
#define LOGICAL   0x1000000U /* where the one chunk begins, for its users */
#define CHUNK     0x40000U
#define COPY_A    0x40000U /* and on the disk, twice */
#define COPY_B    0x80000U
#define READS_MAX 100000U

enum {
    CHUNKS,
    ROOTS,
    FILES,
    SUMS,
    SPARE,
    DATA = 16
};

struct disk {
    uint8_t bytes[0xc0000];
    uint8_t mirror[BLOCK];
    unsigned reads;
};

static void put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static bool read_disk(void *context, uint64_t at, void *out, size_t size, struct clo_error *err)
{
    struct disk *disk = context;

    if (++disk->reads > READS_MAX || at > DISK || size > DISK - at)
        return clo_fail(err, CLO_ERR_FORMAT, "read without an end");
    memset(out, 0, size);
    if (at >= MIRROR_AT)
        memcpy(out, disk->mirror + (at - MIRROR_AT), size);
    else if (at < sizeof disk->bytes)
        memcpy(out, disk->bytes + at, size);
    return true;
}

static void seal(uint8_t *block)
{
    put(block, 4, clo_crc32c(0, clo_bytes(block + 32, BLOCK - 32)));
}

static uint8_t *block_at(struct disk *disk, unsigned number)
{
    return disk->bytes + COPY_A + number * BLOCK;
}

/* --- A small one --- */

static uint8_t *start_block(struct disk *disk, unsigned number, unsigned level)
{
    uint8_t *block = block_at(disk, number);

    memset(block, 0, BLOCK);
    memset(block + 32, 0xab, 16);
    put(block + 48, 8, LOGICAL + number * BLOCK);
    put(block + 80, 8, 1);
    block[100] = (uint8_t)level;
    return block;
}

/* The next item, with room for `size` bytes. */
static uint8_t *add_item(uint8_t *block, uint64_t object, uint8_t type, uint64_t offset,
                         size_t size)
{
    unsigned count = block[96];
    uint8_t *item = block + 101 + count * 25;
    size_t end = BLOCK - 101;

    if (count > 0)
        end = (size_t)(item - 25)[17] | (size_t)(item - 25)[18] << 8;
    put(item, 8, object);
    item[8] = type;
    put(item + 9, 8, offset);
    put(item + 17, 4, end - size);
    put(item + 21, 4, size);
    block[96] = (uint8_t)(count + 1);
    return block + 101 + end - size;
}

static void add_pointer(uint8_t *block, uint64_t object, uint8_t type, uint64_t offset,
                        unsigned number)
{
    uint8_t *item = block + 101 + block[96]++ * 33;

    put(item, 8, object);
    item[8] = type;
    put(item + 9, 8, offset);
    put(item + 17, 8, LOGICAL + number * BLOCK);
    put(item + 25, 8, 1);
}

static void put_chunk(uint8_t *at)
{
    put(at, 8, CHUNK);
    put(at + 24, 8, 0x27); /* of everything, DUP */
    put(at + 44, 2, 2);
    for (unsigned i = 0; i < 2; i++) {
        put(at + 48 + i * 32, 8, 1);
        put(at + 56 + i * 32, 8, i == 0 ? COPY_A : COPY_B);
    }
}

static void add_root(uint8_t *block, uint64_t id, unsigned number)
{
    uint8_t *item = add_item(block, id, 132, 0, 439);

    put(item + 160, 8, 1);
    put(item + 168, 8, 256);
    put(item + 176, 8, LOGICAL + number * BLOCK);
    put(item + 216, 4, 1);
}

static uint8_t *add_inode(uint8_t *block, uint64_t number, uint32_t mode, uint64_t size)
{
    uint8_t *item = add_item(block, number, 1, 0, 160);

    put(item + 16, 8, size);
    put(item + 40, 4, 1);
    put(item + 52, 4, mode);
    return item;
}

static uint8_t *add_extent(uint8_t *block, uint64_t number, uint64_t at, uint64_t size)
{
    uint8_t *item = add_item(block, number, 108, at, 53);

    put(item + 8, 8, size);
    item[20] = 1;
    put(item + 21, 8, LOGICAL + DATA * BLOCK);
    put(item + 29, 8, size);
    put(item + 45, 8, size);
    return item;
}

static void add_name(uint8_t *block, uint64_t folder, uint64_t index, uint64_t to, const char *name)
{
    uint8_t *item = add_item(block, folder, 96, index, 30 + strlen(name));

    put(item, 8, to);
    item[8] = 1;
    put(item + 27, 2, strlen(name));
    memcpy(item + 30, name, strlen(name));
}

static void make_super(struct disk *disk)
{
    uint8_t *super = disk->bytes + SUPER;

    memset(super + 0x20, 0xab, 16);
    put(super + 0x30, 8, SUPER);
    memcpy(super + 0x40, "_BHRfS_M", 8);
    put(super + 0x48, 8, 1);
    put(super + 0x50, 8, LOGICAL + ROOTS * BLOCK);
    put(super + 0x58, 8, LOGICAL + CHUNKS * BLOCK);
    put(super + 0x70, 8, DISK);
    put(super + 0x88, 8, 1);
    put(super + 0x90, 4, BLOCK);
    put(super + 0x94, 4, BLOCK);
    put(super + 0xa0, 4, 17 + 48 + 64);
    put(super + 0xa4, 8, 1);
    put(super + 0xc9, 8, 1);
    put(super + 0x32b, 8, 256);
    super[0x32b + 8] = 228;
    put(super + 0x32b + 9, 8, LOGICAL);
    put_chunk(super + 0x32b + 17);
}

/* A folder with a file of two sectors, both with checksums. */
static void make(struct disk *disk)
{
    memset(disk, 0, sizeof *disk);
    make_super(disk);
    put_chunk(add_item(start_block(disk, CHUNKS, 0), 256, 228, LOGICAL, 48 + 64));
    uint8_t *roots = start_block(disk, ROOTS, 0);
    add_root(roots, 5, FILES);
    add_root(roots, 7, SUMS);
    uint8_t *files = start_block(disk, FILES, 0);
    add_inode(files, 256, S_IFDIR | 0755, 0);
    add_name(files, 256, 2, 257, "file");
    add_inode(files, 257, S_IFREG | 0644, 2 * BLOCK);
    add_extent(files, 257, 0, 2 * BLOCK);
    memset(block_at(disk, DATA), 'd', 2 * BLOCK);
    uint8_t *sums =
            add_item(start_block(disk, SUMS, 0), UINT64_MAX - 9, 128, LOGICAL + DATA * BLOCK, 8);
    for (unsigned i = 0; i < 2; i++)
        put(sums + 4 * i, 4, clo_crc32c(0, clo_bytes(block_at(disk, DATA + i), BLOCK)));
}

/* Checksums, and second copies. */
static void finish(struct disk *disk)
{
    seal(disk->bytes + SUPER);
    for (unsigned i = 0; i < DATA; i++)
        seal(block_at(disk, i));
    memcpy(disk->bytes + COPY_B, disk->bytes + COPY_A, CHUNK);
    memcpy(disk->mirror, disk->bytes + SUPER, BLOCK);
    put(disk->mirror + 0x30, 8, MIRROR_AT);
    seal(disk->mirror);
}

/* --- Reading all of it --- */

struct reading {
    struct clo_btrfs *btrfs;
    uint64_t bytes;
    unsigned names, attributes;
};

static bool see_piece(void *context, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    struct reading *reading = context;

    (void)at;
    (void)err;
    reading->bytes += bytes.size;
    return true;
}

static bool see_attribute(void *context, const char *name, struct clo_bytes value,
                          struct clo_error *err)
{
    struct reading *reading = context;

    (void)name;
    (void)value;
    (void)err;
    reading->attributes++;
    return true;
}

static bool see_name(void *context, const struct clo_btrfs_name *name, struct clo_error *err)
{
    struct reading *reading = context;
    struct clo_btrfs_inode inode;
    char target[CLO_BTRFS_LINK_MAX + 1];

    reading->names++;
    if (!clo_btrfs_inode(reading->btrfs, name->subvolume, name->inode, &inode, err) ||
        !clo_btrfs_attributes(reading->btrfs, &inode, see_attribute, reading, err))
        return false;
    if (S_ISLNK(inode.mode))
        return clo_btrfs_link(reading->btrfs, &inode, target, err);
    return !S_ISREG(inode.mode) || clo_btrfs_data(reading->btrfs, &inode, see_piece, reading, err);
}

static bool read_all(struct disk *disk, struct reading *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = NULL;
    struct clo_btrfs_inode inode;

    *out = (struct reading){ .bytes = 0 };
    if (!clo_btrfs_open(read_disk, disk, DISK, &btrfs, err))
        return false;
    out->btrfs = btrfs;
    return clo_btrfs_inode(btrfs, CLO_BTRFS_TOP, CLO_BTRFS_ROOT, &inode, err) &&
           clo_btrfs_list(btrfs, &inode, see_name, out, err);
}

/* --- The superblock --- */

static void test_numbers(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", 0x300, 1, 0, NULL },
        { "another device", 0x88, 8, 2, "btrfs: has 2 devices: 'btrfs device remove'" },
        { "no device", 0x88, 8, 0, "btrfs: has 0 devices" },
        { "a log that waits", 0x60, 8, LOGICAL, "btrfs: was not unmounted cleanly" },
        { "a dump of metadata", 0x38, 8, (uint64_t)1 << 33, "btrfs: is a dump of metadata" },
        { "RAID 5 and 6", 0xbc, 8, 0x80, "btrfs: has features that are not known (0x80;" },
        { "zones", 0xbc, 8, 0x1000, "btrfs: has features that are not known (0x1000;" },
        { "another UUID of the metadata", 0xbc, 8, 0x400,
          "btrfs: block 16777216 is not the one that it should be" },
        { "checksums by xxhash64", 0xc4, 2, 1, "btrfs: checksums by xxhash64" },
        { "checksums by BLAKE2b", 0xc4, 2, 3, "btrfs: checksums by BLAKE2b" },
        { "checksums by what comes later", 0xc4, 2, 9, "btrfs: checksums by what is not known" },
        { "small sectors", 0x90, 4, 512, "btrfs: sectors of 512 and nodes of 4096 bytes" },
        { "sectors of no power", 0x90, 4, 4097, "btrfs: sectors of 4097 and nodes of 4096 bytes" },
        { "nodes of no size", 0x94, 4, 0, "btrfs: sectors of 4096 and nodes of 0 bytes" },
        { "large nodes", 0x94, 4, 131072, "btrfs: sectors of 4096 and nodes of 131072 bytes" },
        { "larger than its partition", 0x70, 8, DISK + 1, "btrfs: larger than its partition" },
        { "chunks beyond the superblock", 0xa0, 4, 2049, "btrfs: sectors of 4096" },
        { "a chunk that is cut short", 0xa0, 4, 100, "btrfs: a chunk that is cut short" },
        { "no chunks", 0xa0, 4, 0, "btrfs: has no chunks" },
        { "RAID 1", 0x32b + 17 + 24, 8, 0x12, "btrfs: RAID1: 'btrfs balance start" },
        { "a chunk on another device", 0x32b + 17 + 48, 8, 2, "btrfs: a chunk on another device" },
        { "a chunk beyond the end", 0x32b + 17 + 56, 8, DISK - CHUNK + 1,
          "btrfs: a chunk beyond the file system's end" },
        { "a chunk at the end of all", 0x32b + 9, 8, UINT64_MAX - 5, "btrfs: a chunk of 262144" },
        { "a chunk three times", 0x32b + 17 + 44, 2, 3, "btrfs: a chunk of 262144 bytes, 3 times" },
        { "a root beyond all chunks", 0x50, 8, LOGICAL + CHUNK,
          "btrfs: block 17039360: beyond the file system's end" },
        { "a root that is not a block", 0x50, 8, LOGICAL + 512,
          "btrfs: block 16777728: beyond the file system's end" },
        { "a root of another level", 0xc6, 1, 1, "btrfs: block 16781312 is not the one" },
        { "a root of a level without an end", 0xc6, 1, 200, "btrfs: a tree without an end" },
    };
    static struct disk disk;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct reading reading;
        struct clo_error err = { 0 };
        make(&disk);
        put(disk.bytes + SUPER + cases[i].at, cases[i].size, cases[i].value);
        finish(&disk);
        bool ok = read_all(&disk, &reading, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, err.text);
        CHECK(!ok || (reading.bytes == 2 * BLOCK && reading.names == 1), cases[i].name);
    }
}

/* --- What is damaged --- */

static void test_damage(void **state)
{
    static const struct {
        const char *name;
        size_t places[3]; /* of bytes that change */
        const char *error;
    } cases[] = {
        { "a superblock, and its copy stands in", { SUPER + 0x12b }, NULL },
        { "the first copy of a block", { COPY_A + ROOTS * BLOCK + 200 }, NULL },
        { "both copies of a block",
          { COPY_A + ROOTS * BLOCK + 200, COPY_B + ROOTS * BLOCK + 200 },
          "btrfs: block 16781312: a wrong checksum" },
        { "the first copy of a file's bytes", { COPY_A + DATA * BLOCK + 9 }, NULL },
        { "both copies of a file's bytes",
          { COPY_A + DATA * BLOCK + 9, COPY_B + DATA * BLOCK + 9 },
          "inode 257: btrfs: its bytes at 16842752 have a wrong checksum" },
        { "both copies of the last bytes",
          { COPY_A + (DATA + 1) * BLOCK + 9, COPY_B + (DATA + 1) * BLOCK + 9 },
          "inode 257: btrfs: its bytes at 16842752 have a wrong checksum" },
    };
    static struct disk disk;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct reading reading;
        struct clo_error err = { 0 };
        make(&disk);
        finish(&disk);
        for (size_t k = 0; k < CLO_COUNT(cases[i].places) && cases[i].places[k] != 0; k++)
            disk.bytes[cases[i].places[k]] ^= 1;
        bool ok = read_all(&disk, &reading, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
    make(&disk);
    finish(&disk);
    disk.bytes[SUPER + 0x12b] ^= 1;
    disk.mirror[0x12b] ^= 1;
    struct reading reading;
    struct clo_error err = { 0 };
    CHECK(!read_all(&disk, &reading, &err) &&
                  strcmp(err.text, "btrfs: no superblock that is whole") == 0,
          err.text);
}

/* --- Lies in trees --- */

static void make_keys_out_of_order(struct disk *disk)
{
    uint8_t *files = block_at(disk, FILES);

    put(files + 101, 8, 300);
}

static void make_items_that_overlap(struct disk *disk)
{
    uint8_t *second = block_at(disk, FILES) + 101 + 25;

    put(second + 17, 4, BLOCK - 101 - 160);
}

static void make_items_beyond_the_end(struct disk *disk)
{
    put(block_at(disk, FILES) + 101 + 17, 4, BLOCK);
}

static void make_more_items_than_room(struct disk *disk)
{
    put(block_at(disk, FILES) + 96, 4, 1000);
}

/* Both pointers lead to one leaf. */
static void make_one_leaf_twice(struct disk *disk)
{
    uint8_t *node = start_block(disk, SPARE, 1);

    add_pointer(node, 256, 1, 0, FILES);
    add_pointer(node, 257, 24, 0, FILES);
    uint8_t *root = block_at(disk, ROOTS);
    put(root + BLOCK - 439 + 176, 8, LOGICAL + SPARE * BLOCK);
    root[BLOCK - 439 + 238] = 1;
}

static void make_node_in_itself(struct disk *disk)
{
    make_one_leaf_twice(disk);
    put(block_at(disk, SPARE) + 101 + 17, 8, LOGICAL + SPARE * BLOCK);
}

static void make_empty_leaf(struct disk *disk)
{
    make_one_leaf_twice(disk);
    start_block(disk, FILES, 0);
}

static void make_empty_node(struct disk *disk)
{
    make_one_leaf_twice(disk);
    put(block_at(disk, SPARE) + 96, 4, 0);
}

/* In the last item of the files: the one extent. */
static uint8_t *extent_of(struct disk *disk)
{
    uint8_t *last = block_at(disk, FILES) + 101 + 3 * 25;

    return block_at(disk, FILES) + 101 + (last[17] | last[18] << 8);
}

static void make_long_extent(struct disk *disk)
{
    put(extent_of(disk) + 45, 8, 3 * BLOCK);
}

static void make_extent_beyond_the_end(struct disk *disk)
{
    put(extent_of(disk) + 21, 8, LOGICAL + CHUNK - BLOCK);
}

static void make_extent_without_sums(struct disk *disk)
{
    put(extent_of(disk) + 21, 8, LOGICAL + (DATA + 1) * BLOCK);
}

static void make_large_compressed(struct disk *disk)
{
    put(extent_of(disk) + 8, 8, 1 << 20);
    extent_of(disk)[16] = 1;
}

static void make_unknown_compression(struct disk *disk)
{
    extent_of(disk)[16] = 4;
}

static void make_damaged_zlib(struct disk *disk)
{
    extent_of(disk)[16] = 1;
}

static void make_damaged_lzo(struct disk *disk)
{
    extent_of(disk)[16] = 2;
}

static void make_damaged_zstd(struct disk *disk)
{
    extent_of(disk)[16] = 3;
}

static void make_encrypted(struct disk *disk)
{
    extent_of(disk)[17] = 1;
}

static void make_overlapping_extents(struct disk *disk)
{
    uint8_t *files = block_at(disk, FILES);

    put(files + BLOCK - 160 - 34 - 160 + 16, 8, 3 * BLOCK);
    add_extent(files, 257, BLOCK, 2 * BLOCK);
}

static void make_many_attributes(struct disk *disk)
{
    uint8_t *files = start_block(disk, FILES, 0);

    add_inode(files, 256, S_IFDIR | 0755, 0);
    add_name(files, 256, 2, 257, "file");
    add_inode(files, 257, S_IFREG | 0644, 0);
    for (unsigned k = 0; k < 2; k++) {
        uint8_t *item = add_item(files, 257, 24, k, 50 * 31);
        for (unsigned i = 0; i < 50; i++) {
            put(item + i * 31 + 27, 2, 1);
            item[i * 31 + 30] = 'a';
        }
    }
}

static void make_attribute_cut_short(struct disk *disk)
{
    make_many_attributes(disk);
    put(block_at(disk, FILES) + BLOCK - 160 - 34 - 160 - 50 * 31 + 25, 2, 60000);
}

static void make_name_with_slash(struct disk *disk)
{
    memcpy(block_at(disk, FILES) + BLOCK - 160 - 4, "../x", 4);
}

static void make_dots(struct disk *disk)
{
    uint8_t *files = start_block(disk, FILES, 0);

    add_inode(files, 256, S_IFDIR | 0755, 0);
    add_name(files, 256, 2, 256, "..");
}

static void make_link_cut_short(struct disk *disk)
{
    uint8_t *files = start_block(disk, FILES, 0);

    add_inode(files, 256, S_IFDIR | 0755, 0);
    add_name(files, 256, 2, 257, "link");
    add_inode(files, 257, S_IFLNK | 0777, 40);
    uint8_t *item = add_item(files, 257, 108, 0, 21 + 4);
    put(item + 8, 8, 4);
    memcpy(item + 21, "four", 4);
}

static void make_missing_inode(struct disk *disk)
{
    put(block_at(disk, FILES) + BLOCK - 160 - 34, 8, 999);
}

static void test_lies(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct disk *disk);
        const char *error;
    } cases[] = {
        { "keys out of order", make_keys_out_of_order,
          "btrfs: block 16785408: its keys are not in order" },
        { "items that overlap", make_items_that_overlap,
          "btrfs: block 16785408: more items than it has room for" },
        { "items beyond the block's end", make_items_beyond_the_end,
          "btrfs: block 16785408: more items than it has room for" },
        { "more items than there is room for", make_more_items_than_room,
          "btrfs: block 16785408: more items than it has room for" },
        { "one leaf by two pointers", make_one_leaf_twice,
          "btrfs: block 16785408: keys of another block" },
        { "a node that is in itself", make_node_in_itself,
          "btrfs: block 16793600 is not the one that it should be" },
        { "an empty leaf", make_empty_leaf, "btrfs: block 16785408: keys of another block" },
        { "an empty node", make_empty_node, "btrfs: block 16793600: keys of another block" },
        { "an extent that is longer than it is", make_long_extent,
          "btrfs: inode 257: its extents are not in order" },
        { "an extent beyond the end", make_extent_beyond_the_end,
          "inode 257: btrfs: its bytes at 17035264 have no checksums" },
        { "an extent without checksums", make_extent_without_sums,
          "inode 257: btrfs: its bytes at 16846848 have no checksums" },
        { "a compressed extent of a megabyte", make_large_compressed,
          "btrfs: inode 257: its extents are not in order" },
        { "a compression that is not known", make_unknown_compression,
          "btrfs: inode 257: its extents are not in order" },
        { "zlib that is damaged", make_damaged_zlib, "inode 257: btrfs: zlib: is damaged" },
        { "LZO that is damaged", make_damaged_lzo, "inode 257: btrfs: LZO: cut short" },
        { "zstd that is damaged", make_damaged_zstd, "inode 257: btrfs: zstd: is damaged" },
        { "an encrypted extent", make_encrypted, "btrfs: inode 257: is encrypted" },
        { "extents that overlap", make_overlapping_extents,
          "btrfs: inode 257: its extents are not in order" },
        { "an attribute that is cut short", make_attribute_cut_short,
          "btrfs: inode 257: an attribute that is cut short" },
        { "a name that leads out", make_name_with_slash,
          "btrfs: inode 256: a name that is not one" },
        { "\"..\" as a name", make_dots, "btrfs: inode 256: a name that is not one" },
        { "a link that is cut short", make_link_cut_short,
          "btrfs: inode 257: a link that is cut short" },
        { "a name of nothing", make_missing_inode, "btrfs: inode 999: is not there" },
    };
    static struct disk disk;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct reading reading;
        struct clo_error err = { 0 };
        make(&disk);
        cases[i].make(&disk);
        finish(&disk);
        CHECK(!read_all(&disk, &reading, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* --- Work without an end --- */

/* Every item of a leaf is looked at for each of its own names: a disk's size says how much that may come to. */
static void test_work(void **state)
{
    static struct disk disk;
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = NULL;
    struct clo_btrfs_inode inode;
    struct clo_error err = { 0 };
    bool ok = true;

    (void)state;
    make(&disk);
    put(disk.bytes + SUPER + 0x70, 8, sizeof disk.bytes);
    finish(&disk);
    assert_true(clo_btrfs_open(read_disk, &disk, sizeof disk.bytes, &btrfs, &err));
    for (unsigned i = 0; i < sizeof disk.bytes && ok; i++)
        ok = clo_btrfs_inode(btrfs, CLO_BTRFS_TOP, 257, &inode, &err);
    assert_false(ok);
    assert_string_equal(err.text, "btrfs: more in its trees than it has room for");
}

/* --- A subvolume by its path --- */

enum {
    INNER = 5 /* a block of its own */
};

static void add_back_reference(uint8_t *block, uint64_t id, uint64_t parent, uint64_t folder,
                               const char *name)
{
    uint8_t *item = add_item(block, id, 144, parent, 18 + strlen(name));

    put(item, 8, folder);
    put(item + 16, 2, strlen(name));
    memcpy(item + 18, name, strlen(name));
}

static void add_subvolume_name(uint8_t *block, uint64_t folder, uint64_t index, uint64_t id,
                               const char *name)
{
    add_name(block, folder, index, id, name);
    /* What add_name() wrote last: a root, and not an inode. */
    uint8_t *item = block + 101 + (block[96] - 1U) * 25;
    block[101 + (item[17] | item[18] << 8) + 8] = 132;
}

/* "/folder/inner" is 300, with "deep", 301, in it, which is one tree with 300; "other" is a name without a back reference, "file" a file. */
static void make_subvolumes(struct disk *disk)
{
    make(disk);
    uint8_t *roots = start_block(disk, ROOTS, 0);
    add_root(roots, 5, FILES);
    add_root(roots, 7, SUMS);
    add_root(roots, 300, INNER);
    add_back_reference(roots, 300, 5, 258, "inner");
    add_root(roots, 301, INNER);
    add_back_reference(roots, 301, 300, 256, "deep");
    uint8_t *files = start_block(disk, FILES, 0);
    add_inode(files, 256, S_IFDIR | 0755, 0);
    add_name(files, 256, 2, 257, "file");
    add_name(files, 256, 3, 258, "folder");
    add_inode(files, 257, S_IFREG | 0644, 0);
    add_inode(files, 258, S_IFDIR | 0755, 0);
    add_subvolume_name(files, 258, 2, 300, "inner");
    add_subvolume_name(files, 258, 3, 301, "other");
    uint8_t *inner = start_block(disk, INNER, 0);
    add_inode(inner, 256, S_IFDIR | 0755, 0);
    add_subvolume_name(inner, 256, 2, 301, "deep");
    finish(disk);
}

static void test_find(void **state)
{
    static const struct {
        const char *path;
        uint64_t id; /* 0: none */
    } cases[] = {
        { "", 5 },
        { "/", 5 },
        { "folder/inner", 300 },
        { "/folder//inner/", 300 },
        { "/folder/inner/deep", 301 },
        { "folder", 0 },
        { "file", 0 },
        { "file/inner", 0 },
        { "inner", 0 },
        { "folder/other", 0 },
        { "folder/inne", 0 },
        { "folder/inner/deep/deep", 0 },
    };
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = NULL;
    static struct disk disk;
    struct clo_error err;
    char why[300];

    (void)state;
    make_subvolumes(&disk);
    CHECK(clo_btrfs_open(read_disk, &disk, DISK, &btrfs, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint64_t id = 0;
        bool ok = clo_btrfs_subvolume_find(btrfs, cases[i].path, &id, &err);
        CHECK(ok == (cases[i].id != 0) && id == cases[i].id, cases[i].path);
        snprintf(why, sizeof why, "btrfs: no subvolume %s", cases[i].path);
        CHECK(ok || strcmp(err.text, why) == 0, err.text);
    }
}

/* Many subvolumes can be one tree: what is looked through ends, not when all of them were seen. */
static void test_limit(void **state)
{
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = NULL;
    static struct disk disk;
    struct clo_error err;
    uint64_t id;
    unsigned found = 0;

    (void)state;
    make_subvolumes(&disk);
    CHECK(clo_btrfs_open(read_disk, &disk, DISK, &btrfs, &err), err.text);
    clo_btrfs_limit(btrfs, 5000);
    while (found < 10000 && clo_btrfs_subvolume_find(btrfs, "folder/inner", &id, &err))
        found++;
    CHECK(found > 10 && found < 1000, "a search without an end");
    CHECK(err.status == CLO_ERR_UNSUPPORTED &&
                  strcmp(err.text, "btrfs: more than is looked through for a subvolume") == 0,
          err.text);
    id = CLO_BTRFS_TOP;
    CHECK(clo_btrfs_subvolume_next(btrfs, &id, &err) == CLO_NEXT_FAILED, "then nothing is");
    clo_btrfs_limit(btrfs, UINT64_MAX);
    CHECK(clo_btrfs_subvolume_find(btrfs, "folder/inner", &id, &err) && id == 300, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),   cmocka_unit_test(test_limit), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_lies),  cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
