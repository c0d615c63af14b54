/* What a hostile XFS could keep its reader busy with, and numbers that no file system has. What one holds that is as it
 * should be, tests/cli/convert_xfs.sh reads. */
#include "lib/disk/xfs.h"

#include <string.h>
#include <sys/stat.h>

#include "test.h"

#define BLOCK     512U
#define BLOCKS    2048U
#define LOG       8U
#define ROOT      16U
#define FILLED    64U /* the first of many blocks that are alike */
#define READS_MAX 10000U

struct disk {
    uint8_t bytes[BLOCKS * BLOCK];
    unsigned reads;
};

static void put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static bool read_disk(void *context, uint64_t at, void *out, size_t size, struct clo_error *err)
{
    struct disk *disk = context;

    if (at > sizeof disk->bytes || size > sizeof disk->bytes - at)
        return clo_fail(err, CLO_ERR_FORMAT, "beyond the disk");
    if (++disk->reads > READS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "read without an end");
    memcpy(out, disk->bytes + at, size);
    return true;
}

/* One group, a log that says "unmounted", and a root folder without names. */
static void make(struct disk *disk)
{
    uint8_t *super = disk->bytes, *log = super + LOG * BLOCK, *root = super + ROOT * BLOCK;

    memset(disk, 0, sizeof *disk);
    memcpy(super, "XFSB", 4);
    put(super + 4, 4, BLOCK);
    put(super + 8, 8, BLOCKS);
    put(super + 48, 8, LOG);
    put(super + 56, 8, ROOT);
    put(super + 84, 4, BLOCKS);
    put(super + 88, 4, 1);
    put(super + 96, 4, 8);
    put(super + 100, 2, 0xb4a5);
    put(super + 104, 2, 512);
    super[124] = 11;
    put(super + 128, 8, 64);
    put(super + 216, 4, 1);
    put(log, 4, 0xfeedbabe);
    put(log + 16, 8, 1);
    put(log + 40, 4, 1);
    log[BLOCK + 9] = 0x20;
    memcpy(root, "IN", 2);
    put(root + 2, 2, S_IFDIR | 0755);
    root[4] = 3;
    root[5] = 2;
    put(root + 152, 8, ROOT);
}

static void put_run(uint8_t *at, uint64_t first, uint64_t block, uint64_t count)
{
    put(at, 8, first << 9 | block >> 43);
    put(at + 8, 8, block << 21 | count);
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
        { "as it is", 0, 0, 0, NULL },
        { "an inode's bits beyond a word's", 123, 1, 32, "XFS: groups of 2048 blocks" },
        { "more inodes than blocks", 128, 8, BLOCKS + 1,
          "XFS: more inodes than there is room for" },
        { "inodes without an end", 128, 8, UINT64_MAX, "XFS: more inodes than there is room for" },
    };
    static struct disk disk;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_xfs xfs;
        struct clo_error err = { 0 };
        make(&disk);
        put(disk.bytes + cases[i].at, cases[i].size, cases[i].value);
        bool ok = clo_xfs_open(read_disk, &disk, sizeof disk.bytes, &xfs, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* --- Runs --- */

/* Nine levels, each of whose pointers lead to the one block of the next; the last has `runs`. */
static void make_tree(struct disk *disk, unsigned runs)
{
    uint8_t *fork = disk->bytes + ROOT * BLOCK + 176;

    fork[5 - 176] = 3;
    put(fork - 176 + 76, 4, 1000000);
    put(fork, 2, 9);
    put(fork + 2, 2, 20);
    for (size_t i = 0; i < 20; i++)
        put(fork + 4 + 160 + i * 8, 8, FILLED + 8);
    for (size_t level = 0; level < 9; level++) {
        uint8_t *block = disk->bytes + (FILLED + level) * BLOCK;
        memcpy(block, "BMA3", 4);
        put(block + 4, 2, level);
        put(block + 6, 2, level == 0 ? runs : 27);
        for (size_t i = 0; level > 0 && i < 27; i++)
            put(block + 72 + 216 + i * 8, 8, FILLED + level - 1);
        for (size_t i = 0; level == 0 && i < runs; i++)
            put_run(block + 72 + i * 16, i, FILLED, 1);
    }
}

static void make_tree_without_runs(struct disk *disk)
{
    make_tree(disk, 0);
}

static void make_tree_of_one_block(struct disk *disk)
{
    make_tree(disk, 27);
}

/* Twenty runs of the same 200 blocks, each of them a gap. */
static void make_long_folder(struct disk *disk)
{
    uint8_t *inode = disk->bytes + ROOT * BLOCK;

    put(inode + 76, 4, 20);
    for (size_t i = 0; i < 20; i++)
        put_run(inode + 176 + i * 16, i * 200, FILLED, 200);
    for (size_t i = 0; i < 200; i++) {
        uint8_t *block = disk->bytes + (FILLED + i) * BLOCK;
        memcpy(block, "XDD3", 4);
        put(block + 64, 2, 0xffff);
        put(block + 66, 2, 448);
    }
}

/* The same of attributes, whose fork begins after eight bytes. */
static void make_many_attributes(struct disk *disk)
{
    uint8_t *inode = disk->bytes + ROOT * BLOCK;

    inode[82] = 1;
    inode[83] = 2;
    put(inode + 80, 2, 20);
    for (size_t i = 0; i < 20; i++)
        put_run(inode + 184 + i * 16, i * 1500, FILLED, 1500);
}

/* A leaf whose every entry is a value elsewhere: the fork is walked for each. */
static void make_remote_attributes(struct disk *disk)
{
    uint8_t *inode = disk->bytes + ROOT * BLOCK, *leaf = disk->bytes + FILLED * BLOCK;

    inode[82] = 1;
    inode[83] = 2;
    put(inode + 80, 2, 2);
    put_run(inode + 184, 0, FILLED, 1);
    put_run(inode + 200, 1, FILLED + 1, 200);
    put(leaf + 8, 2, 0x3bee);
    put(leaf + 56, 2, 40);
    for (size_t i = 0; i < 40; i++)
        put(leaf + 80 + i * 8 + 4, 2, 480);
    put(leaf + 480, 4, 1);
    put(leaf + 484, 4, 1);
    leaf[488] = 1;
    leaf[489] = 'a';
}

static bool see_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    (void)context;
    (void)run;
    (void)err;
    return true;
}

static bool see_name(void *context, const char *name, uint64_t inode, struct clo_error *err)
{
    (void)context;
    (void)name;
    (void)inode;
    (void)err;
    return true;
}

static bool see_attribute(void *context, const char *name, struct clo_bytes value,
                          struct clo_error *err)
{
    (void)context;
    (void)name;
    (void)value;
    (void)err;
    return true;
}

static void test_bombs(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct disk *disk);
        const char *error;
    } cases[] = {
        { "a tree without runs", make_tree_without_runs,
          "XFS: inode 16: a tree's block that is not one" },
        { "a tree of one block", make_tree_of_one_block,
          "XFS: inode 16: its runs are not in order" },
        { "a folder of blocks that are named twice", make_long_folder,
          "XFS: inode 16: a folder larger than the file system" },
        { "attributes of blocks that are named twice", make_many_attributes,
          "XFS: inode 16: more attributes than any file has" },
        { "values that lie elsewhere", make_remote_attributes,
          "XFS: inode 16: more attributes than any file has" },
    };
    static struct disk disk;
    static struct clo_xfs_inode inode;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_xfs xfs;
        struct clo_error err = { 0 };
        make(&disk);
        cases[i].make(&disk);
        bool ok = clo_xfs_open(read_disk, &disk, sizeof disk.bytes, &xfs, &err) &&
                  clo_xfs_inode(&xfs, ROOT, &inode, &err);
        CHECK(ok, err.text);
        ok = ok && clo_xfs_attributes(&xfs, &inode, see_attribute, NULL, &err) &&
             clo_xfs_runs(&xfs, &inode, see_run, NULL, &err) &&
             clo_xfs_list(&xfs, &inode, see_name, NULL, &err);
        CHECK(!ok, cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
