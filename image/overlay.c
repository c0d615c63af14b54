#include "image/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "device/file.h"

#define BLOCK    CLO_OVERLAY_BLOCK
#define NO_BLOCK UINT64_MAX

/* Where a changed block lies in the file: an open hash, at most half full. */
struct entry {
    uint64_t block; /* NO_BLOCK: free */
    uint64_t slot;
};

struct clo_overlay {
    const struct clo_container *container;
    uint64_t first;
    uint64_t size;
    int fd;
    struct entry *entries;
    size_t capacity; /* a power of two */
    size_t count;
    struct clo_error why; /* of the last read or write that libext2fs asked for and that failed */
};

bool clo_overlay_new(const struct clo_container *container, uint64_t first, uint64_t size,
                     const char *folder, struct clo_overlay **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = calloc(1, sizeof *overlay);

    if (overlay == NULL)
        return clo_out_of_memory(err);
    *overlay = (struct clo_overlay){ .container = container, .first = first, .size = size };
    overlay->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (overlay->fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    uint64_t end = clo_container_end(container);
    if (first > end || size > end - first)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "a partition that ends at byte %" PRIu64 " of a disk of %" PRIu64,
                        first + size, end);
    *out = CLO_TAKE(overlay);
    return true;
}

void clo_overlay_free(struct clo_overlay *overlay)
{
    if (overlay == NULL)
        return;
    clo_fd_close(&overlay->fd);
    free(overlay->entries);
    free(overlay);
}

void clo_overlay_freep(struct clo_overlay **overlay)
{
    clo_overlay_free(*overlay);
    *overlay = NULL;
}

uint64_t clo_overlay_size(const struct clo_overlay *overlay)
{
    return overlay->size;
}

/* --- Which blocks were changed --- */

static struct entry *place(struct entry *entries, size_t capacity, uint64_t block)
{
    size_t at = (size_t)(block * 0x9e3779b97f4a7c15ULL >> 20) & (capacity - 1);

    while (entries[at].block != NO_BLOCK && entries[at].block != block)
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

static const struct entry *find(const struct clo_overlay *overlay, uint64_t block)
{
    if (overlay->count == 0)
        return NULL;
    const struct entry *entry = place(overlay->entries, overlay->capacity, block);
    return entry->block == NO_BLOCK ? NULL : entry;
}

bool clo_overlay_is_changed(const struct clo_overlay *overlay, uint64_t block)
{
    return find(overlay, block) != NULL;
}

static bool grow(struct clo_overlay *overlay, struct clo_error *err)
{
    size_t capacity = overlay->capacity == 0 ? 1024 : overlay->capacity * 2;
    struct entry *entries = malloc(capacity * sizeof *entries);

    if (entries == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < capacity; i++)
        entries[i].block = NO_BLOCK;
    for (size_t i = 0; i < overlay->capacity; i++)
        if (overlay->entries[i].block != NO_BLOCK)
            *place(entries, capacity, overlay->entries[i].block) = overlay->entries[i];
    free(overlay->entries);
    overlay->entries = entries;
    overlay->capacity = capacity;
    return true;
}

/* --- Reading and writing --- */

static bool read_block(const struct clo_overlay *overlay, uint64_t block, size_t skip, uint8_t *out,
                       size_t size, struct clo_error *err)
{
    const struct entry *entry = find(overlay, block);

    if (entry != NULL)
        return container_fd_read(overlay->fd, entry->slot * BLOCK + skip, out, size, err);
    return clo_container_read(overlay->container, overlay->first + block * BLOCK + skip, out, size,
                              err);
}

/* Runs of unchanged blocks are read at once. */
bool clo_overlay_read(const struct clo_overlay *overlay, uint64_t at, void *out, size_t size,
                      struct clo_error *err)
{
    uint8_t *to = out;

    if (at > overlay->size || size > overlay->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the partition's end", at);
    while (size > 0) {
        uint64_t block = at / BLOCK;
        size_t now = BLOCK - (size_t)(at % BLOCK);
        bool is_changed = find(overlay, block) != NULL;
        while (!is_changed && now < size && find(overlay, ++block) == NULL)
            now += BLOCK;
        now = now < size ? now : size;
        if (!read_block(overlay, at / BLOCK, (size_t)(at % BLOCK), to, now, err))
            return false;
        at += now;
        to += now;
        size -= now;
    }
    return true;
}

static bool put_slot(struct clo_overlay *overlay, uint64_t slot, const uint8_t *block,
                     struct clo_error *err)
{
    if (lseek(overlay->fd, (off_t)(slot * BLOCK), SEEK_SET) < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return clo_write_all(overlay->fd, clo_bytes(block, BLOCK), err);
}

static bool write_block(struct clo_overlay *overlay, uint64_t block, size_t skip, const uint8_t *in,
                        size_t size, struct clo_error *err)
{
    uint8_t whole[BLOCK];
    uint64_t start = block * BLOCK;
    size_t there = overlay->size - start < BLOCK ? (size_t)(overlay->size - start) : BLOCK;

    if ((overlay->count + 1) * 2 > overlay->capacity && !grow(overlay, err))
        return false;
    memset(whole, 0, sizeof whole);
    if (size < there && !clo_overlay_read(overlay, start, whole, there, err))
        return false;
    memcpy(whole + skip, in, size);
    struct entry *entry = place(overlay->entries, overlay->capacity, block);
    if (entry->block == NO_BLOCK)
        *entry = (struct entry){ block, overlay->count++ };
    return put_slot(overlay, entry->slot, whole, err);
}

bool clo_overlay_write(struct clo_overlay *overlay, uint64_t at, const void *in, size_t size,
                       struct clo_error *err)
{
    const uint8_t *from = in;

    if (at > overlay->size || size > overlay->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the partition's end", at);
    while (size > 0) {
        size_t skip = (size_t)(at % BLOCK);
        size_t now = BLOCK - skip < size ? BLOCK - skip : size;
        if (!write_block(overlay, at / BLOCK, skip, from, now, err))
            return false;
        at += now;
        from += now;
        size -= now;
    }
    return true;
}

static int by_block(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->block < y->block ? -1 : x->block > y->block;
}

bool clo_overlay_digest(const struct clo_overlay *overlay, uint8_t out[32], struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct entry *sorted = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sums = { 0 };
    struct clo_digest digest;
    uint8_t block[BLOCK];
    size_t count = 0;

    sorted = malloc((overlay->count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < overlay->capacity; i++)
        if (overlay->entries[i].block != NO_BLOCK)
            sorted[count++] = overlay->entries[i];
    qsort(sorted, count, sizeof *sorted, by_block);
    for (size_t i = 0; i < count; i++) {
        if (!container_fd_read(overlay->fd, sorted[i].slot * BLOCK, block, sizeof block, err))
            return false;
        clo_hash(CLO_HASH_SHA256, clo_bytes(block, sizeof block), &digest);
        clo_buffer_le64(&sums, sorted[i].block);
        clo_buffer_append(&sums, clo_digest_bytes(&digest));
    }
    if (!clo_buffer_ok(&sums))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&sums), &digest);
    memcpy(out, digest.bytes, 32);
    return true;
}

/* --- As libext2fs sees it --- */

/* What the next open is of: the interface knows names alone. */
static _Thread_local struct clo_overlay *opening;

static errcode_t channel_open(const char *name, int flags, io_channel *out)
{
    io_channel channel = calloc(1, sizeof *channel);

    (void)flags;
    if (channel == NULL || opening == NULL) {
        free(channel);
        return EXT2_ET_NO_MEMORY;
    }
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = clo_overlay_manager();
    channel->name = strdup(name);
    channel->block_size = 1024;
    channel->refcount = 1;
    channel->private_data = opening;
    *out = channel;
    return 0;
}

static errcode_t channel_close(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t channel_block_size(io_channel channel, int size)
{
    channel->block_size = size;
    return 0;
}

/* A negative count is bytes. */
static size_t bytes_of(io_channel channel, int count)
{
    return count < 0 ? (size_t) - (long)count : (size_t)count * (size_t)channel->block_size;
}

static errcode_t channel_read64(io_channel channel, unsigned long long block, int count, void *data)
{
    struct clo_overlay *overlay = channel->private_data;
    uint64_t at;

    if (__builtin_mul_overflow(block, (unsigned)channel->block_size, &at))
        return EXT2_ET_SHORT_READ;
    return clo_overlay_read(overlay, at, data, bytes_of(channel, count), &overlay->why)
                   ? 0
                   : EXT2_ET_SHORT_READ;
}

static errcode_t channel_write64(io_channel channel, unsigned long long block, int count,
                                 const void *data)
{
    struct clo_overlay *overlay = channel->private_data;
    uint64_t at;

    if (__builtin_mul_overflow(block, (unsigned)channel->block_size, &at))
        return EXT2_ET_SHORT_WRITE;
    return clo_overlay_write(overlay, at, data, bytes_of(channel, count), &overlay->why)
                   ? 0
                   : EXT2_ET_SHORT_WRITE;
}

static errcode_t channel_read(io_channel channel, unsigned long block, int count, void *data)
{
    return channel_read64(channel, block, count, data);
}

static errcode_t channel_write(io_channel channel, unsigned long block, int count, const void *data)
{
    return channel_write64(channel, block, count, data);
}

static errcode_t channel_write_byte(io_channel channel, unsigned long at, int count,
                                    const void *data)
{
    struct clo_overlay *overlay = channel->private_data;

    return clo_overlay_write(overlay, at, data, (size_t)count, &overlay->why) ? 0
                                                                              : EXT2_ET_SHORT_WRITE;
}

static errcode_t channel_flush(io_channel channel)
{
    (void)channel;
    return 0;
}

io_manager clo_overlay_manager(void)
{
    static struct struct_io_manager manager = {
        .magic = EXT2_ET_MAGIC_IO_MANAGER,
        .name = "overlay",
        .open = channel_open,
        .close = channel_close,
        .set_blksize = channel_block_size,
        .read_blk = channel_read,
        .write_blk = channel_write,
        .flush = channel_flush,
        .write_byte = channel_write_byte,
        .read_blk64 = channel_read64,
        .write_blk64 = channel_write64,
    };

    return &manager;
}

bool clo_overlay_open_ext(struct clo_overlay *overlay, int flags, ext2_filsys *out,
                          struct clo_error *err)
{
    overlay->why = (struct clo_error){ 0 };
    opening = overlay;
    initialize_ext2_error_table();
    errcode_t failed =
            ext2fs_open("overlay", EXT2_FLAG_64BITS | flags, 0, 0, clo_overlay_manager(), out);
    opening = NULL;
    if (failed == 0)
        return true;
    return clo_fail(err, CLO_ERR_FORMAT, "ext4: %s",
                    overlay->why.text[0] != '\0' ? overlay->why.text : error_message(failed));
}
