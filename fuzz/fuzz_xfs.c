#include "lib/disk/xfs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define SECTOR    512U
#define RECORD    (4 + SECTOR)
#define DISK      ((uint64_t)16 << 20)
#define FILES_MAX 200

/* A disk of zeros but for some sectors: each record is a sector's number and its bytes. */
struct disk {
    struct clo_bytes in;
    const uint8_t *sectors[DISK / SECTOR];
};

struct walk {
    const struct clo_xfs *xfs;
    unsigned files, depth;
};

static bool read_disk(void *context, uint64_t at, void *out, size_t size, struct clo_error *err)
{
    const struct disk *disk = context;
    uint8_t *to = out;

    (void)err;
    MUST(at <= DISK && size <= DISK - at);
    while (size > 0) {
        size_t skip = (size_t)(at % SECTOR), now = SECTOR - skip < size ? SECTOR - skip : size;
        const uint8_t *sector = disk->sectors[at / SECTOR];
        if (sector == NULL)
            memset(to, 0, now);
        else
            memcpy(to, sector + skip, now);
        at += now;
        to += now;
        size -= now;
    }
    return true;
}

static bool see_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    const struct walk *walk = context;

    (void)err;
    MUST(run->size > 0 && run->place <= walk->xfs->size &&
         run->size <= walk->xfs->size - run->place);
    return true;
}

static bool see_attribute(void *context, const char *name, struct clo_bytes value,
                          struct clo_error *err)
{
    (void)context;
    (void)err;
    MUST(strchr(name, '.') != NULL && value.size <= 65536);
    return true;
}

static bool see_inode(void *context, const char *name, uint64_t number, struct clo_error *err)
{
    struct walk *walk = context;
    struct clo_xfs_inode *inode = malloc(sizeof *inode);
    char target[1025];

    MUST(inode != NULL && strchr(name, '/') == NULL);
    if (++walk->files < FILES_MAX && walk->depth < 8 &&
        clo_xfs_inode(walk->xfs, number, inode, err)) {
        struct clo_error why;
        (void)!clo_xfs_attributes(walk->xfs, inode, see_attribute, walk, &why);
        if (S_ISREG(inode->mode))
            (void)!clo_xfs_runs(walk->xfs, inode, see_run, walk, &why);
        if (S_ISLNK(inode->mode) && clo_xfs_link(walk->xfs, inode, target, &why))
            MUST(strlen(target) == inode->size);
        walk->depth++;
        if (S_ISDIR(inode->mode))
            (void)!clo_xfs_list(walk->xfs, inode, see_inode, walk, &why);
        walk->depth--;
    }
    free(inode);
    return walk->files < FILES_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    struct clo_xfs xfs;
    struct walk walk = { .xfs = &xfs };
    struct clo_error err;

    memset(&disk, 0, sizeof disk);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        struct clo_reader r = clo_reader(clo_bytes(data, 4));
        uint32_t sector = clo_read_le32(&r);
        if (sector < DISK / SECTOR)
            disk.sectors[sector] = data + 4;
    }
    if (clo_xfs_open(read_disk, &disk, DISK, &xfs, &err))
        (void)!see_inode(&walk, "", xfs.root, &err);
    return 0;
}
