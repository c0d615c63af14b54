#include "lib/disk/xfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR      512U
#define SB_SIZE     264U
#define FORK_AT     176U /* of an inode of version 3 */
#define LEVELS_MAX  9
#define RUN_RECORD  16U
#define LONG_HEADER 72U /* of a B+tree block with long pointers */
#define LOG_PIECE   ((size_t)1 << 20)
#define LOG_MAX     ((uint64_t)4 << 30)

enum format {
    FORMAT_DEVICE,
    FORMAT_LOCAL,
    FORMAT_EXTENTS,
    FORMAT_TREE,
};

/* sb_features_incompat: file types in folders, sparse inodes, a UUID of its own, large times, many extents, exchanged
 * ranges. Waiting for a repair (0x10) is not among them. */
#define FEATURES 0x6fU
#define BIG_TIME 8U /* di_flags2 */
#define BIG_RUNS 16U

#define NANOSECONDS 1000000000ULL

static bool corrupt(const struct clo_xfs_inode *inode, const char *what, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT, "XFS: inode %" PRIu64 ": %s", inode->number, what);
}

/* --- The superblock --- */

static bool check_numbers(const struct clo_xfs *xfs, uint64_t blocks, uint64_t size,
                          struct clo_error *err)
{
    uint32_t block = xfs->block_size;

    if (block < 512 || block > 65536 || (block & (block - 1)) != 0 || xfs->inode_size < 512 ||
        xfs->inode_size > CLO_XFS_INODE_MAX || (xfs->inode_size & (xfs->inode_size - 1)) != 0 ||
        xfs->inode_size > block)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: blocks of %u and inodes of %u bytes", block,
                        xfs->inode_size);
    if (xfs->group_bits > 31 || xfs->inodes_bits > 7 || xfs->group_blocks == 0 ||
        xfs->group_blocks > (uint32_t)1 << xfs->group_bits || xfs->group_count == 0 ||
        block >> xfs->inodes_bits != xfs->inode_size)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: groups of %u blocks", xfs->group_blocks);
    if (blocks > size / block || xfs->folder_block > 65536 ||
        (uint64_t)xfs->group_blocks * (xfs->group_count - 1) >= blocks)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: larger than its partition");
    if (xfs->inodes > blocks << xfs->inodes_bits)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: more inodes than there is room for");
    return true;
}

static bool place_of(const struct clo_xfs *xfs, uint64_t block, uint64_t count, uint64_t *at)
{
    uint64_t group = block >> xfs->group_bits;
    uint64_t inside = block & (((uint64_t)1 << xfs->group_bits) - 1);

    if (group >= xfs->group_count || inside >= xfs->group_blocks ||
        count > xfs->group_blocks - inside)
        return false;
    *at = (group * xfs->group_blocks + inside) * xfs->block_size;
    return *at <= xfs->size && count <= (xfs->size - *at) / xfs->block_size;
}

static bool read_super(struct clo_bytes in, struct clo_xfs *xfs, uint64_t size,
                       struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint64_t log_start;

    if (!clo_bytes_equal(clo_read_bytes(&r, 4), clo_bytes("XFSB", 4)))
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: \"XFSB\" is missing");
    xfs->block_size = clo_read_be32(&r);
    uint64_t blocks = clo_read_be64(&r);
    uint64_t realtime = clo_read_be64(&r);
    clo_read_skip(&r, 24);
    log_start = clo_read_be64(&r);
    xfs->root = clo_read_be64(&r);
    clo_read_skip(&r, 20);
    xfs->group_blocks = clo_read_be32(&r);
    xfs->group_count = clo_read_be32(&r);
    clo_read_skip(&r, 4);
    uint32_t log_blocks = clo_read_be32(&r);
    uint16_t version = clo_read_be16(&r);
    clo_read_skip(&r, 2);
    xfs->inode_size = clo_read_be16(&r);
    clo_read_skip(&r, 17);
    xfs->inodes_bits = clo_read_u8(&r);
    xfs->group_bits = clo_read_u8(&r);
    clo_read_skip(&r, 3);
    xfs->inodes = clo_read_be64(&r);
    clo_read_skip(&r, 56);
    unsigned folder_bits = clo_read_u8(&r);
    clo_read_skip(&r, 23);
    uint32_t features = clo_read_be32(&r);
    if ((version & 15) != 5)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "XFS: version %u: 5 is read (RHEL 8 and later)",
                        version & 15U);
    if ((features & ~FEATURES) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "XFS: %s",
                        (features & 0x10) != 0 ? "waits for a repair: 'xfs_repair' on it"
                                               : "has features that are not known");
    if (realtime != 0 || log_start == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "XFS: has a second device");
    xfs->folder_block = folder_bits > 7 ? UINT32_MAX : xfs->block_size << folder_bits;
    if (!check_numbers(xfs, blocks, size, err))
        return false;
    xfs->size = blocks * xfs->block_size;
    if (!place_of(xfs, log_start, log_blocks, &xfs->log_at))
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: its log is beyond its end");
    xfs->log_size = (uint64_t)log_blocks * xfs->block_size;
    return true;
}

/* --- The log --- */

struct log {
    uint64_t newest; /* the sequence number of the record that was written last */
    uint64_t at;     /* in the log */
    uint32_t operations, headers;
};

/* No other block begins so: the first word of each is the log's own. */
static void look_at_sector(struct log *log, const uint8_t *sector, uint64_t at)
{
    struct clo_reader r = clo_reader(clo_bytes(sector, SECTOR));

    if (clo_read_be32(&r) != 0xfeedbabe)
        return;
    clo_read_skip(&r, 12);
    uint64_t sequence = clo_read_be64(&r);
    clo_read_skip(&r, 16);
    uint32_t operations = clo_read_be32(&r);
    clo_read_skip(&r, 276);
    uint32_t record = clo_read_be32(&r);
    if (sequence < log->newest)
        return;
    *log = (struct log){ sequence, at, operations, record > 32768 ? (record + 32767) / 32768 : 1 };
}

/* Clean is a log whose last record is the one word "unmounted". What waits in it would be lost here. */
static bool check_log(const struct clo_xfs *xfs, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(LOG_PIECE);
    struct log log = { 0 };
    uint8_t operation[12];

    if (piece == NULL)
        return clo_out_of_memory(err);
    if (xfs->log_size > LOG_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: a log of %" PRIu64 " bytes", xfs->log_size);
    for (uint64_t at = 0; at < xfs->log_size; at += LOG_PIECE) {
        size_t size = xfs->log_size - at < LOG_PIECE ? (size_t)(xfs->log_size - at) : LOG_PIECE;
        if (!xfs->read(xfs->context, xfs->log_at + at, piece, size, err))
            return false;
        for (size_t i = 0; i + SECTOR <= size; i += SECTOR)
            look_at_sector(&log, piece + i, at + i);
    }
    uint64_t body = log.at + (uint64_t)log.headers * SECTOR;
    if (log.operations == 1 && xfs->log_size >= sizeof operation) {
        body %= xfs->log_size;
        if (body > xfs->log_size - sizeof operation ||
            !xfs->read(xfs->context, xfs->log_at + body, operation, sizeof operation, err))
            return clo_fail(err, CLO_ERR_FORMAT, "XFS: its log cannot be read");
        if ((operation[9] & 0x20) != 0)
            return true;
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "XFS: was not unmounted cleanly: mount it once, or boot it and shut it down");
}

bool clo_xfs_open(clo_xfs_read *read, void *context, uint64_t size, struct clo_xfs *out,
                  struct clo_error *err)
{
    struct clo_xfs xfs = { .read = read, .context = context };
    uint8_t super[SB_SIZE] = { 0 };

    if (size < sizeof super)
        return clo_fail(err, CLO_ERR_FORMAT, "XFS: cut short");
    if (!read(context, 0, super, sizeof super, err) ||
        !read_super(clo_bytes(super, sizeof super), &xfs, size, err) || !check_log(&xfs, err))
        return false;
    *out = xfs;
    return true;
}

/* --- Inodes --- */

static void read_time(struct clo_xfs_inode *inode, uint64_t raw, bool is_big)
{
    if (is_big) {
        inode->mtime = (int64_t)(raw / NANOSECONDS) - ((int64_t)1 << 31);
        inode->mtime_ns = (uint32_t)(raw % NANOSECONDS);
    } else {
        inode->mtime = (int32_t)(raw >> 32);
        inode->mtime_ns = (uint32_t)raw % NANOSECONDS;
    }
}

static void read_fields(struct clo_xfs_inode *inode, size_t size)
{
    struct clo_bytes in = clo_bytes(inode->bytes, size);
    struct clo_reader r = clo_reader(in);
    struct clo_reader flags = clo_reader(clo_bytes_slice(in, 120, 8));
    uint64_t flags2 = clo_read_be64(&flags);

    clo_read_skip(&r, 2);
    inode->mode = clo_read_be16(&r);
    clo_read_skip(&r, 1);
    inode->format = clo_read_u8(&r);
    clo_read_skip(&r, 2);
    inode->uid = clo_read_be32(&r);
    inode->gid = clo_read_be32(&r);
    inode->links = clo_read_be32(&r);
    clo_read_skip(&r, 4);
    uint64_t big_extents = clo_read_be64(&r);
    clo_read_skip(&r, 8);
    read_time(inode, clo_read_be64(&r), (flags2 & BIG_TIME) != 0);
    clo_read_skip(&r, 8);
    inode->size = clo_read_be64(&r);
    clo_read_skip(&r, 12);
    inode->extents = clo_read_be32(&r);
    inode->attribute_extents = clo_read_be16(&r);
    if ((flags2 & BIG_RUNS) != 0) {
        inode->attribute_extents = inode->extents;
        inode->extents = big_extents;
    }
    size_t fork = (size_t)clo_read_u8(&r) * 8;
    inode->attribute_format = clo_read_u8(&r);
    inode->fork_size = fork == 0 ? size - FORK_AT : fork;
    inode->attribute_at = fork == 0 ? 0 : FORK_AT + fork;
}

bool clo_xfs_inode(const struct clo_xfs *xfs, uint64_t number, struct clo_xfs_inode *out,
                   struct clo_error *err)
{
    struct clo_xfs_inode *inode = out;
    uint64_t at;

    *inode = (struct clo_xfs_inode){ .number = number };
    if (!place_of(xfs, number >> xfs->inodes_bits, 1, &at))
        return corrupt(inode, "beyond the file system's end", err);
    at += (number & (((uint64_t)1 << xfs->inodes_bits) - 1)) * xfs->inode_size;
    if (!xfs->read(xfs->context, at, inode->bytes, xfs->inode_size, err))
        return false;
    struct clo_reader own = clo_reader(clo_bytes(inode->bytes + 152, 8));
    if (memcmp(inode->bytes, "IN", 2) != 0 || inode->bytes[4] != 3 || clo_read_be64(&own) != number)
        return corrupt(inode, "is not an inode", err);
    read_fields(inode, xfs->inode_size);
    if (inode->mode == 0 || inode->fork_size > xfs->inode_size - FORK_AT || inode->size >> 62 != 0)
        return corrupt(inode, "is not in use", err);
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
        struct clo_reader device = clo_reader(clo_bytes(inode->bytes + FORK_AT, 4));
        uint32_t value = clo_read_be32(&device);
        inode->major = value >> 18 & 0x3fff;
        inode->minor = value & 0x3ffff;
    }
    return true;
}

/* --- Runs --- */

struct walk {
    const struct clo_xfs *xfs;
    const struct clo_xfs_inode *inode;
    uint64_t left; /* runs that the inode still has */
    uint64_t next; /* where the next run may begin, in blocks */
    clo_xfs_each_run *each;
    void *context;
};

static bool take_run(struct walk *walk, struct clo_reader *r, struct clo_error *err)
{
    uint64_t high = clo_read_be64(r), low = clo_read_be64(r);
    uint64_t first = (high & INT64_MAX) >> 9, count = low & 0x1fffff;
    uint64_t block = (high & 0x1ff) << 43 | low >> 21, size = walk->xfs->block_size;
    struct clo_xfs_run run = { .at = first * size,
                               .size = count * size,
                               .is_unwritten = high >> 63 };

    if (walk->left-- == 0 || count == 0 || first < walk->next || first > INT64_MAX / size - count)
        return corrupt(walk->inode, "its runs are not in order", err);
    walk->next = first + count;
    if (!place_of(walk->xfs, block, count, &run.place))
        return corrupt(walk->inode, "a run beyond the file system's end", err);
    return walk->each(walk->context, &run, err);
}

static bool take_runs(struct walk *walk, struct clo_bytes in, uint64_t count, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    if (count > in.size / RUN_RECORD)
        return corrupt(walk->inode, "more runs than it has room for", err);
    for (uint64_t i = 0; i < count; i++)
        if (!take_run(walk, &r, err))
            return false;
    return true;
}

static bool take_block(struct walk *walk, uint64_t block, unsigned level, struct clo_error *err);

/* Keys, and after the room for all of them the pointers. */
static bool take_pointers(struct walk *walk, struct clo_bytes in, unsigned count, unsigned level,
                          struct clo_error *err)
{
    size_t room = in.size / 16;

    if (count > room || count == 0)
        return corrupt(walk->inode, "a tree with more than it has room for", err);
    struct clo_reader r = clo_reader(clo_bytes_slice(in, room * 8, room * 8));
    for (unsigned i = 0; i < count; i++)
        if (!take_block(walk, clo_read_be64(&r), level - 1, err))
            return false;
    return true;
}

static bool take_block(struct walk *walk, uint64_t block, unsigned level, struct clo_error *err)
{
    const struct clo_xfs *xfs = walk->xfs;
    CLO_CLEANUP(clo_freep) uint8_t *bytes = malloc(xfs->block_size);
    uint64_t at;

    if (bytes == NULL)
        return clo_out_of_memory(err);
    if (!place_of(xfs, block, 1, &at))
        return corrupt(walk->inode, "a tree's block beyond the file system's end", err);
    if (!xfs->read(xfs->context, at, bytes, xfs->block_size, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(bytes, xfs->block_size));
    struct clo_bytes magic = clo_read_bytes(&r, 4);
    unsigned its_level = clo_read_be16(&r), count = clo_read_be16(&r);
    /* One without runs could be named again and again; the runs of all others are in order. */
    if (!clo_bytes_equal(magic, clo_bytes("BMA3", 4)) || its_level != level || count == 0)
        return corrupt(walk->inode, "a tree's block that is not one", err);
    struct clo_bytes rest = clo_bytes(bytes + LONG_HEADER, xfs->block_size - LONG_HEADER);
    return level == 0 ? take_runs(walk, rest, count, err)
                      : take_pointers(walk, rest, count, level, err);
}

static bool walk_fork(struct walk *walk, struct clo_bytes fork, enum format format,
                      struct clo_error *err)
{
    struct clo_reader r = clo_reader(fork);

    if (format == FORMAT_EXTENTS)
        return take_runs(walk, fork, walk->left, err);
    if (format != FORMAT_TREE)
        return corrupt(walk->inode, "has no runs", err);
    unsigned level = clo_read_be16(&r), count = clo_read_be16(&r);
    if (level == 0 || level > LEVELS_MAX)
        return corrupt(walk->inode, "a tree without an end", err);
    return take_pointers(walk, clo_bytes_slice(fork, 4, SIZE_MAX), count, level, err);
}

static struct clo_bytes data_fork(const struct clo_xfs_inode *inode)
{
    return clo_bytes(inode->bytes + FORK_AT, inode->fork_size);
}

bool clo_xfs_runs(const struct clo_xfs *xfs, const struct clo_xfs_inode *inode,
                  clo_xfs_each_run *each, void *context, struct clo_error *err)
{
    struct walk walk = { xfs, inode, inode->extents, 0, each, context };

    return walk_fork(&walk, data_fork(inode), (enum format)inode->format, err);
}

/* --- Folders --- */

#define DATA_HEADER 64U
#define LEAVES_AT   ((uint64_t)32 << 30) /* what is not names lies from here on */

struct listing {
    const struct clo_xfs *xfs;
    const struct clo_xfs_inode *folder;
    clo_xfs_each_name *each;
    void *context;
    uint64_t left; /* bytes: runs may name one block more than once */
};

static bool take_name(const struct listing *listing, struct clo_bytes name, uint64_t inode,
                      struct clo_error *err)
{
    char text[CLO_XFS_NAME_MAX + 1];

    if (name.size == 0 || name.size > CLO_XFS_NAME_MAX ||
        memchr(name.data, '/', name.size) != NULL || memchr(name.data, '\0', name.size) != NULL)
        return corrupt(listing->folder, "a name that is not one", err);
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return true;
    return listing->each(listing->context, text, inode, err);
}

static bool list_local(const struct listing *listing, struct clo_bytes fork, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(fork, 0, (size_t)listing->folder->size));
    unsigned count = clo_read_u8(&r);
    bool is_long = clo_read_u8(&r) != 0;

    clo_read_skip(&r, is_long ? 8 : 4);
    for (unsigned i = 0; i < count; i++) {
        unsigned size = clo_read_u8(&r);
        clo_read_skip(&r, 2);
        struct clo_bytes name = clo_read_bytes(&r, size);
        clo_read_skip(&r, 1);
        uint64_t inode = is_long ? clo_read_be64(&r) : clo_read_be32(&r);
        if (!clo_reader_ok(&r))
            return corrupt(listing->folder, "a folder that is cut short", err);
        if (!take_name(listing, name, inode, err))
            return false;
    }
    return true;
}

/* Where the names of a block end: one that is a whole folder has an index after them. */
static bool names_end(const struct listing *listing, struct clo_bytes block, size_t *end,
                      struct clo_error *err)
{
    struct clo_reader tail = clo_reader(clo_bytes_slice(block, block.size - 8, 8));

    *end = block.size;
    if (clo_bytes_equal(clo_bytes_slice(block, 0, 4), clo_bytes("XDD3", 4)))
        return true;
    if (!clo_bytes_equal(clo_bytes_slice(block, 0, 4), clo_bytes("XDB3", 4)))
        return corrupt(listing->folder, "a folder's block that is not one", err);
    uint64_t index = (uint64_t)clo_read_be32(&tail) * 8 + 8;
    if (index > block.size - DATA_HEADER)
        return corrupt(listing->folder, "a folder's index is larger than its block", err);
    *end = block.size - (size_t)index;
    return true;
}

static bool list_block(const struct listing *listing, struct clo_bytes block, struct clo_error *err)
{
    size_t end;

    if (!names_end(listing, block, &end, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes_slice(block, 0, end));
    clo_read_skip(&r, DATA_HEADER);
    while (clo_reader_left(&r) >= 16) {
        uint64_t inode = clo_read_be64(&r);
        if (inode >> 48 == 0xffff) {
            size_t size = inode >> 32 & 0xffff;
            if (size < 8 || size % 8 != 0)
                return corrupt(listing->folder, "a gap in a folder of no size", err);
            clo_read_skip(&r, size - 8);
            continue;
        }
        unsigned size = clo_read_u8(&r);
        struct clo_bytes name = clo_read_bytes(&r, size);
        size_t used = 9 + size + 3;
        clo_read_skip(&r, 3 + (8 - used % 8) % 8);
        if (!clo_reader_ok(&r))
            return corrupt(listing->folder, "a folder that is cut short", err);
        if (!take_name(listing, name, inode, err))
            return false;
    }
    return true;
}

static bool list_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct listing *listing = context;
    const struct clo_xfs *xfs = listing->xfs;
    CLO_CLEANUP(clo_freep) uint8_t *block = malloc(xfs->folder_block);

    if (block == NULL)
        return clo_out_of_memory(err);
    if (run->size > listing->left)
        return corrupt(listing->folder, "a folder larger than the file system", err);
    listing->left -= run->size;
    if (run->at >= LEAVES_AT)
        return true;
    if (run->is_unwritten || run->size % xfs->folder_block != 0)
        return corrupt(listing->folder, "a folder's block in pieces", err);
    for (uint64_t done = 0; done < run->size; done += xfs->folder_block)
        if (!xfs->read(xfs->context, run->place + done, block, xfs->folder_block, err) ||
            !list_block(listing, clo_bytes(block, xfs->folder_block), err))
            return false;
    return true;
}

bool clo_xfs_list(const struct clo_xfs *xfs, const struct clo_xfs_inode *folder,
                  clo_xfs_each_name *each, void *context, struct clo_error *err)
{
    struct listing listing = { xfs, folder, each, context, xfs->size };

    if (!S_ISDIR(folder->mode))
        return corrupt(folder, "is not a folder", err);
    return folder->format == FORMAT_LOCAL ? list_local(&listing, data_fork(folder), err)
                                          : clo_xfs_runs(xfs, folder, list_run, &listing, err);
}

/* --- Symbolic links --- */

#define LINK_HEADER 56U
#define LINK_MAX    1024U

struct target {
    const struct clo_xfs *xfs;
    const struct clo_xfs_inode *link;
    char *out;
    size_t used;
};

static bool link_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct target *target = context;
    const struct clo_xfs *xfs = target->xfs;
    size_t whole = xfs->block_size - LINK_HEADER;
    uint8_t magic[4];

    for (uint64_t done = 0; done < run->size; done += xfs->block_size) {
        size_t left = (size_t)target->link->size - target->used;
        size_t now = left < whole ? left : whole;
        if (!xfs->read(xfs->context, run->place + done, magic, sizeof magic, err))
            return false;
        if (memcmp(magic, "XSLM", 4) != 0)
            return corrupt(target->link, "a link's block that is not one", err);
        if (now > 0 && !xfs->read(xfs->context, run->place + done + LINK_HEADER,
                                  target->out + target->used, now, err))
            return false;
        target->used += now;
    }
    return true;
}

bool clo_xfs_link(const struct clo_xfs *xfs, const struct clo_xfs_inode *link, char out[1025],
                  struct clo_error *err)
{
    struct target target = { xfs, link, out, 0 };
    struct clo_bytes fork = data_fork(link);

    if (!S_ISLNK(link->mode) || link->size == 0 || link->size > LINK_MAX)
        return corrupt(link, "is not a link", err);
    if (link->format == FORMAT_LOCAL && link->size <= fork.size) {
        memcpy(out, fork.data, (size_t)link->size);
        target.used = (size_t)link->size;
    } else if (!clo_xfs_runs(xfs, link, link_run, &target, err)) {
        return false;
    }
    out[target.used] = '\0';
    return (target.used == link->size && strlen(out) == target.used) ||
           corrupt(link, "a link that is cut short", err);
}

/* --- Attributes --- */

#define ATTRIBUTE_LOCAL  1U
#define ATTRIBUTE_ROOT   2U
#define ATTRIBUTE_SECURE 4U
#define ATTRIBUTE_HALF   0x88U /* a parent's, or not whole */
#define LEAF_MAGIC       0x3bee
#define LEAF_ENTRIES     80U
#define REMOTE_HEADER    56U
#define VALUE_MAX        65536U
#define ACL_MAX          (4 + 12 * 500U)
#define FORK_MAX         ((uint64_t)1 << 20) /* bytes that are looked at for one inode: ext4 has 4 KiB */
#define COUNT_MAX        1024U

struct attributes {
    const struct clo_xfs *xfs;
    const struct clo_xfs_inode *inode;
    clo_xfs_each_attribute *each;
    void *context;
    uint64_t left;
    unsigned count;
};

/* cnt, then tag, id, permissions and padding, big endian; the kernel hands out another form (linux/posix_acl_xattr.h). */
static bool take_acl(const struct attributes *attributes, const char *name, struct clo_bytes value,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_reader r = clo_reader(value);
    uint32_t count = clo_read_be32(&r);

    if (value.size > ACL_MAX || count > (value.size - (value.size < 4 ? value.size : 4)) / 12)
        return corrupt(attributes->inode, "an ACL that is cut short", err);
    clo_buffer_le32(&out, 2);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = clo_read_be32(&r), id = clo_read_be32(&r);
        uint16_t permissions = clo_read_be16(&r);
        clo_read_skip(&r, 2);
        clo_buffer_le16(&out, (uint16_t)tag);
        clo_buffer_le16(&out, permissions);
        clo_buffer_le32(&out, tag == 2 || tag == 8 ? id : UINT32_MAX);
    }
    if (!clo_buffer_ok(&out))
        return clo_out_of_memory(err);
    return attributes->each(attributes->context, name, clo_buffer_bytes(&out), err);
}

static bool take_attribute(struct attributes *attributes, unsigned flags, struct clo_bytes name,
                           struct clo_bytes value, struct clo_error *err)
{
    char text[300];
    const char *prefix = (flags & ATTRIBUTE_ROOT) != 0     ? "trusted."
                         : (flags & ATTRIBUTE_SECURE) != 0 ? "security."
                                                           : "user.";

    if (++attributes->count > COUNT_MAX)
        return corrupt(attributes->inode, "more attributes than any file has", err);
    if ((flags & ATTRIBUTE_HALF) != 0)
        return true;
    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL)
        return corrupt(attributes->inode, "an attribute without a name", err);
    snprintf(text, sizeof text, "%s%.*s", prefix, (int)name.size, (const char *)name.data);
    if (strcmp(text, "trusted.SGI_ACL_FILE") == 0)
        return take_acl(attributes, "system.posix_acl_access", value, err);
    if (strcmp(text, "trusted.SGI_ACL_DEFAULT") == 0)
        return take_acl(attributes, "system.posix_acl_default", value, err);
    return attributes->each(attributes->context, text, value, err);
}

static bool list_local_attributes(struct attributes *attributes, struct clo_bytes fork,
                                  struct clo_error *err)
{
    struct clo_reader r = clo_reader(fork);

    clo_read_skip(&r, 2);
    unsigned count = clo_read_u8(&r);
    clo_read_skip(&r, 1);
    for (unsigned i = 0; i < count; i++) {
        unsigned name_size = clo_read_u8(&r), value_size = clo_read_u8(&r);
        unsigned flags = clo_read_u8(&r);
        struct clo_bytes name = clo_read_bytes(&r, name_size);
        struct clo_bytes value = clo_read_bytes(&r, value_size);
        if (!clo_reader_ok(&r))
            return corrupt(attributes->inode, "attributes that are cut short", err);
        if (!take_attribute(attributes, flags, name, value, err))
            return false;
    }
    return true;
}

static bool walk_attributes(struct attributes *attributes, clo_xfs_each_run *each, void *context,
                            struct clo_error *err)
{
    const struct clo_xfs_inode *inode = attributes->inode;
    struct walk walk = { attributes->xfs, inode, inode->attribute_extents, 0, each, context };
    struct clo_bytes fork = clo_bytes(inode->bytes + inode->attribute_at,
                                      attributes->xfs->inode_size - inode->attribute_at);

    return walk_fork(&walk, fork, (enum format)inode->attribute_format, err);
}

/* The fork is walked for each value that lies outside of its leaf, and runs may name one block more than once. */
static bool spend(struct attributes *attributes, uint64_t size, struct clo_error *err)
{
    if (size > attributes->left)
        return corrupt(attributes->inode, "more attributes than any file has", err);
    attributes->left -= size;
    return true;
}

/* A value that lies in blocks of its own, each with a header. */
struct remote {
    struct attributes *attributes;
    uint64_t first; /* block of the fork */
    size_t size, used;
    uint8_t *out;
};

static bool remote_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct remote *remote = context;
    const struct clo_xfs *xfs = remote->attributes->xfs;
    size_t whole = xfs->block_size - REMOTE_HEADER;

    if (!spend(remote->attributes, run->size, err))
        return false;
    for (uint64_t done = 0; done < run->size && remote->used < remote->size;
         done += xfs->block_size) {
        uint64_t block = (run->at + done) / xfs->block_size;
        size_t left = remote->size - remote->used;
        size_t now = left < whole ? left : whole;
        if (block != remote->first + remote->used / whole)
            continue;
        if (!xfs->read(xfs->context, run->place + done + REMOTE_HEADER, remote->out + remote->used,
                       now, err))
            return false;
        remote->used += now;
    }
    return true;
}

static bool take_remote(struct attributes *attributes, unsigned flags, struct clo_reader *r,
                        struct clo_error *err)
{
    struct remote remote = { .attributes = attributes, .first = clo_read_be32(r) };

    remote.size = clo_read_be32(r);
    struct clo_bytes name = clo_read_bytes(r, clo_read_u8(r));
    if (!clo_reader_ok(r) || remote.size > VALUE_MAX)
        return corrupt(attributes->inode, "an attribute that is cut short", err);
    CLO_CLEANUP(clo_freep) uint8_t *value = calloc(1, remote.size + 1);
    if (value == NULL)
        return clo_out_of_memory(err);
    remote.out = value;
    if (!walk_attributes(attributes, remote_run, &remote, err))
        return false;
    if (remote.used != remote.size)
        return corrupt(attributes->inode, "an attribute that is cut short", err);
    return take_attribute(attributes, flags, name, clo_bytes(value, remote.size), err);
}

static bool take_leaf(struct attributes *attributes, struct clo_bytes leaf, struct clo_error *err)
{
    struct clo_reader count_of = clo_reader(clo_bytes_slice(leaf, 56, 2));
    unsigned count = clo_read_be16(&count_of);
    struct clo_reader entries = clo_reader(clo_bytes_slice(leaf, LEAF_ENTRIES, SIZE_MAX));

    for (unsigned i = 0; i < count; i++) {
        clo_read_skip(&entries, 4);
        struct clo_reader r = clo_reader(clo_bytes_slice(leaf, clo_read_be16(&entries), SIZE_MAX));
        unsigned flags = clo_read_u8(&entries);
        clo_read_skip(&entries, 1);
        if (!clo_reader_ok(&entries))
            return corrupt(attributes->inode, "attributes that are cut short", err);
        if ((flags & ATTRIBUTE_LOCAL) == 0) {
            if (!take_remote(attributes, flags, &r, err))
                return false;
            continue;
        }
        unsigned value_size = clo_read_be16(&r), name_size = clo_read_u8(&r);
        struct clo_bytes name = clo_read_bytes(&r, name_size);
        struct clo_bytes value = clo_read_bytes(&r, value_size);
        if (!clo_reader_ok(&r))
            return corrupt(attributes->inode, "an attribute that is cut short", err);
        if (!take_attribute(attributes, flags, name, value, err))
            return false;
    }
    return true;
}

/* Leaves among the fork's blocks are enough: nodes above them say nothing more. */
static bool leaf_run(void *context, const struct clo_xfs_run *run, struct clo_error *err)
{
    struct attributes *attributes = context;
    const struct clo_xfs *xfs = attributes->xfs;
    CLO_CLEANUP(clo_freep) uint8_t *block = malloc(xfs->block_size);

    if (block == NULL)
        return clo_out_of_memory(err);
    if (!spend(attributes, run->size, err))
        return false;
    for (uint64_t done = 0; done < run->size; done += xfs->block_size) {
        struct clo_bytes bytes = clo_bytes(block, xfs->block_size);
        if (!xfs->read(xfs->context, run->place + done, block, xfs->block_size, err))
            return false;
        struct clo_reader r = clo_reader(clo_bytes_slice(bytes, 8, 2));
        if (memcmp(block, "XARM", 4) == 0 || clo_read_be16(&r) != LEAF_MAGIC)
            continue;
        if (!take_leaf(attributes, bytes, err))
            return false;
    }
    return true;
}

bool clo_xfs_attributes(const struct clo_xfs *xfs, const struct clo_xfs_inode *inode,
                        clo_xfs_each_attribute *each, void *context, struct clo_error *err)
{
    struct attributes attributes = { xfs, inode, each, context, FORK_MAX, 0 };

    if (inode->attribute_at == 0 || inode->attribute_at + 4 > xfs->inode_size)
        return true;
    struct clo_bytes fork =
            clo_bytes(inode->bytes + inode->attribute_at, xfs->inode_size - inode->attribute_at);
    if (inode->attribute_format == FORMAT_LOCAL)
        return list_local_attributes(&attributes, fork, err);
    return inode->attribute_extents == 0 ||
           walk_attributes(&attributes, leaf_run, &attributes, err);
}
