#include "lib/disk/btrfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "lib/disk/crc32c.h"

#define SECTOR    512U
#define RECORD    (4 + SECTOR)
#define DISK      ((uint64_t)112 << 20)
#define SUPER     ((uint64_t)64 << 10)
#define FILES_MAX 400
#define TREES_MAX 20

/* A disk of zeros but for some sectors: each record is a sector's number and its bytes. Blocks of trees get the checksum that
 * they should have, so that a change gets further than to it. */
struct disk {
    const uint8_t *sectors[DISK / SECTOR];
    uint8_t uuid[16];
};

struct walk {
    struct clo_btrfs *btrfs;
    unsigned files, depth;
};

static void sum(uint8_t *block, size_t size)
{
    uint32_t crc = clo_crc32c(0, clo_bytes(block + 32, size - 32));

    for (int i = 0; i < 4; i++)
        block[i] = (uint8_t)(crc >> 8 * i);
}

static bool read_disk(void *context, uint64_t at, void *out, size_t size, struct clo_error *err)
{
    const struct disk *disk = context;
    uint8_t *to = out;
    uint64_t from = at;

    (void)err;
    MUST(at <= DISK && size <= DISK - at);
    for (size_t left = size; left > 0;) {
        size_t skip = (size_t)(at % SECTOR), now = SECTOR - skip < left ? SECTOR - skip : left;
        const uint8_t *sector = disk->sectors[at / SECTOR];
        if (sector == NULL)
            memset(to, 0, now);
        else
            memcpy(to, sector + skip, now);
        at += now;
        to += now;
        left -= now;
    }
    if (from == SUPER || memcmp((uint8_t *)out + 32, disk->uuid, sizeof disk->uuid) == 0)
        sum(out, size);
    return true;
}

static bool see_piece(void *context, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    uint64_t *next = context;

    (void)err;
    MUST(bytes.size > 0 && at >= *next);
    *next = at + bytes.size;
    return true;
}

static bool see_attribute(void *context, const char *name, struct clo_bytes value,
                          struct clo_error *err)
{
    (void)context;
    (void)err;
    MUST(name[0] != '\0' && strlen(name) <= CLO_BTRFS_NAME_MAX && value.size <= 65536);
    return true;
}

static void see_data(struct walk *walk, struct clo_btrfs_inode *inode)
{
    struct clo_error why;
    uint64_t bytes, next = 0;

    /* Mutated bytes get no further than to their checksums: half of them go without. */
    inode->has_sums = inode->has_sums && inode->number % 2 == 0;
    if (clo_btrfs_data(walk->btrfs, inode, see_piece, &next, &why)) {
        MUST(next <= inode->size);
        MUST(clo_btrfs_count(walk->btrfs, inode, &bytes, &why));
        MUST(bytes > 0 || next == 0);
    }
}

static bool see_name(void *context, const struct clo_btrfs_name *name, struct clo_error *err)
{
    struct walk *walk = context;
    struct clo_btrfs_inode inode;
    struct clo_error why;
    char target[CLO_BTRFS_LINK_MAX + 1];

    MUST(strchr(name->text, '/') == NULL);
    if (++walk->files < FILES_MAX && walk->depth < 8 && !name->is_missing &&
        clo_btrfs_inode(walk->btrfs, name->subvolume, name->inode, &inode, err)) {
        (void)!clo_btrfs_attributes(walk->btrfs, &inode, see_attribute, walk, &why);
        if (S_ISREG(inode.mode))
            see_data(walk, &inode);
        if (S_ISLNK(inode.mode) && clo_btrfs_link(walk->btrfs, &inode, target, &why))
            MUST(strlen(target) == inode.size);
        walk->depth++;
        if (S_ISDIR(inode.mode))
            (void)!clo_btrfs_list(walk->btrfs, &inode, see_name, walk, &why);
        walk->depth--;
    }
    return walk->files < FILES_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    CLO_CLEANUP(clo_btrfs_freep) struct clo_btrfs *btrfs = NULL;
    struct clo_error err;
    char path[CLO_BTRFS_PATH_MAX];
    uint64_t id = 0;

    memset(&disk, 0, sizeof disk);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        struct clo_reader r = clo_reader(clo_bytes(data, 4));
        uint32_t sector = clo_read_le32(&r);
        if (sector < DISK / SECTOR)
            disk.sectors[sector] = data + 4;
    }
    if (disk.sectors[SUPER / SECTOR] != NULL)
        memcpy(disk.uuid, disk.sectors[SUPER / SECTOR] + 32, sizeof disk.uuid);
    if (!clo_btrfs_open(read_disk, &disk, DISK, &btrfs, &err))
        return 0;
    struct walk walk = { .btrfs = btrfs };
    for (unsigned trees = 0; trees < TREES_MAX; trees++) {
        struct clo_btrfs_name root = { .inode = CLO_BTRFS_ROOT };
        if (clo_btrfs_subvolume_next(btrfs, &id, &err) != CLO_NEXT_ITEM)
            break;
        root.subvolume = id;
        if (clo_btrfs_subvolume_path(btrfs, id, path, &err))
            MUST(strlen(path) > 0 && strlen(path) < sizeof path);
        (void)!see_name(&walk, &root, &err);
    }
    (void)!clo_btrfs_default(btrfs, &id, &err);
    return 0;
}
