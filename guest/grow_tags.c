/* Tags for what a partition gained (docs/formats/integrity.md). The kernel counts the new sectors by itself, and has no tags for them:
 * each would read as an error until it was written. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/grow.h"
#include "lib/base/put.h"
#include "lib/disk/integrity.h"

#define TAG_SIZE    CLO_LUKS2_HMAC_TAG_SIZE
#define NUMBER_SIZE 8
#define IV_SIZE     16
#define SECTOR_MAX  4096
/* The old backup of the table lies in what was gained, after at most two MiB. */
#define NOT_ZERO ((uint64_t)4 << 20)

struct growing {
    int fd;
    uint64_t payload; /* where the superblock lies */
    struct clo_bytes key;
    struct clo_integrity was, is;
};

static bool write_at(const struct growing *g, uint64_t at, struct clo_bytes bytes,
                     struct clo_error *err)
{
    return clo_fd_write(g->fd, g->payload + at, bytes, err);
}

static bool write_out(const struct growing *g, struct clo_error *err)
{
    return fdatasync(g->fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
}

static bool write_zeros(const struct growing *g, uint64_t from, uint64_t to, struct clo_error *err)
{
    static const uint8_t zeros[65536];

    for (uint64_t at = from; at < to; at += sizeof zeros) {
        size_t size = to - at < sizeof zeros ? (size_t)(to - at) : sizeof zeros;
        if (!write_at(g, at, clo_bytes(zeros, size), err))
            return false;
    }
    return true;
}

/* Of a sector of zeros: its number, the IV (the number again), and what lies there. */
static void make_tag(const struct growing *g, uint64_t at, uint8_t *out)
{
    uint8_t text[NUMBER_SIZE + IV_SIZE + SECTOR_MAX] = { 0 };
    uint64_t number = at / CLO_INTEGRITY_SECTOR;
    struct clo_digest tag;

    clo_put_le64(text, number);
    clo_put_le64(text + NUMBER_SIZE, number);
    clo_hmac(CLO_HASH_SHA256, g->key, clo_bytes(text, NUMBER_SIZE + IV_SIZE + g->is.block_size),
             &tag);
    memcpy(out, tag.bytes, TAG_SIZE);
}

/* The tags of an area lie together. */
static bool write_tags(const struct growing *g, uint64_t from, uint64_t to, struct clo_error *err)
{
    size_t count = (size_t)((to - from) / g->is.block_size);
    CLO_CLEANUP(clo_freep) uint8_t *tags = malloc(count * TAG_SIZE);

    if (tags == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        make_tag(g, from + i * g->is.block_size, tags + i * TAG_SIZE);
    return write_at(g, clo_integrity_tag_at(&g->is, from), clo_bytes(tags, count * TAG_SIZE), err);
}

static bool write_all_tags(const struct growing *g, struct clo_error *err)
{
    uint64_t next;

    for (uint64_t at = g->was.provided; at < g->is.provided; at = next) {
        next = (at / CLO_INTEGRITY_AREA + 1) * CLO_INTEGRITY_AREA;
        if (next > g->is.provided)
            next = g->is.provided;
        if (!write_tags(g, at, next, err))
            return false;
    }
    return write_out(g, err);
}

/* Last, and in one sector: until then the kernel knows nothing of all this. */
static bool write_superblock(const struct growing *g, struct clo_bytes superblock,
                             struct clo_error *err)
{
    uint8_t sector[CLO_INTEGRITY_SECTOR];

    memcpy(sector, superblock.data, sizeof sector);
    clo_put_le64(sector + CLO_INTEGRITY_PROVIDED, g->is.provided / CLO_INTEGRITY_SECTOR);
    return write_at(g, 0, clo_bytes(sector, sizeof sector), err) && write_out(g, err);
}

/* What the image had has content, and gets no tags of zeros. What it gained had such tags before it had content: a host that says that
 * it gained less learns none that it could not have seen. */
static bool check_from(const struct growing *g, const struct clo_grow_from *from,
                       struct clo_error *err)
{
    return from->provided == 0 ||
           (g->was.provided >= from->provided &&
            g->was.journal_sections == from->journal_sections) ||
           clo_fail(
                   err, CLO_ERR_REFUSED,
                   "the superblock has %llu bytes after %u sections, the image was built with %llu "
                   "after %llu",
                   (unsigned long long)g->was.provided, g->was.journal_sections,
                   (unsigned long long)from->provided, (unsigned long long)from->journal_sections);
}

static bool grow(struct growing *g, const struct clo_luks2_info *luks,
                 const struct clo_grow_from *from, uint64_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    uint64_t end;

    if (!clo_fd_read(g->fd, g->payload, CLO_INTEGRITY_SUPERBLOCK, &superblock, err) ||
        !clo_luks2_check_tags(luks, clo_buffer_bytes(&superblock), g->payload + size, err) ||
        !clo_integrity_parse(clo_buffer_bytes(&superblock), size, &g->was, err) ||
        !check_from(g, from, err) || !clo_integrity_grow(&g->was, size, &g->is, err))
        return false;
    if (g->is.provided == g->was.provided)
        return true;
    if (from->provided == 0) /* an image of an older program: it starts, as large as it is */
        return clo_fail(err, CLO_ERR_REFUSED, "the image does not say from what it grows");
    uint64_t start =
            clo_integrity_data_at(&g->was, g->was.provided - g->was.block_size) + g->was.block_size;
    end = size - start < NOT_ZERO ? size : start + NOT_ZERO;
    return write_zeros(g, start, end, err) && write_all_tags(g, err) &&
           write_superblock(g, clo_buffer_bytes(&superblock), err);
}

bool clo_grow_tags(const struct clo_disk *disk, const struct clo_grow_from *from,
                   const struct clo_secret *volume_key, uint64_t *gained, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct growing g = { .payload = disk->luks.payload_offset };

    *gained = 0;
    if (disk->luks.integrity[0] == '\0')
        return true;
    if (clo_luks2_tag_size(&disk->luks) != TAG_SIZE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: a root of %s cannot grow", disk->device,
                        disk->luks.cipher);
    fd = open(disk->device, O_RDWR | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", disk->device, strerror(errno));
    if ((uint64_t)end < g.payload)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: too small", disk->device);
    g.fd = fd;
    g.key = clo_bytes_slice(clo_secret_bytes(volume_key), CLO_LUKS2_XTS_KEY_SIZE, TAG_SIZE);
    if (g.key.size != TAG_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "tags: a volume key of %zu bytes",
                        clo_secret_size(volume_key));
    if (!grow(&g, &disk->luks, from, (uint64_t)end - g.payload, err))
        return clo_wrap(err, "%s: tags of what was gained", disk->device);
    *gained = g.is.provided - g.was.provided;
    return true;
}
