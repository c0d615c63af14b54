#include "lib/unpack/cpio.h"

#include <stdlib.h>
#include <string.h>

#include "lib/unpack/unpack.h"

#define HEADER_SIZE  110
#define FIELD_COUNT  13
#define SEGMENTS_MAX 64
/* A small initrd may unpack to this, a larger one to so many times its size. */
#define UNPACKED_AT_LEAST ((size_t)64 << 20)
#define UNPACKED_TIMES    16
#define FIELD_MODE        1
#define FIELD_SIZE        6
#define FIELD_NAME        11

static bool read_field(struct clo_reader *r, uint32_t *out)
{
    struct clo_bytes text = clo_read_bytes(r, 8);

    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = text.data[i] == '\0' ? NULL : strchr(digits, text.data[i]);
        if (at == NULL)
            return false;
        *out = *out << 4 | (uint32_t)((at - digits) & 15);
    }
    return text.size == 8;
}

static void align4(struct clo_reader *r)
{
    clo_read_skip(r, (4 - r->at % 4) % 4);
}

/* Relative to the root, as the kernel unpacks it. */
static bool copy_name(struct clo_bytes name, char out[CLO_CPIO_NAME_MAX])
{
    if (name.size == 0 || name.size > CLO_CPIO_NAME_MAX || name.data[name.size - 1] != '\0' ||
        memchr(name.data, '\0', name.size) != name.data + name.size - 1)
        return false;
    const char *text = (const char *)name.data;
    while (text[0] == '/' || (text[0] == '.' && text[1] == '/'))
        text++;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

bool clo_cpio_read(struct clo_reader *r, struct clo_cpio_entry *out, bool *is_end,
                   struct clo_error *err)
{
    size_t start = r->at;
    uint32_t fields[FIELD_COUNT];
    struct clo_bytes magic = clo_read_bytes(r, 6);

    if (magic.size != 6 ||
        (memcmp(magic.data, "070701", 6) != 0 && memcmp(magic.data, "070702", 6) != 0))
        return clo_fail(err, CLO_ERR_FORMAT, "cpio: no entry at byte %zu", start);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!read_field(r, &fields[i]))
            return clo_fail(err, CLO_ERR_FORMAT, "cpio: entry at byte %zu: damaged header", start);
    struct clo_bytes name = clo_read_bytes(r, fields[FIELD_NAME]);
    align4(r);
    out->mode = fields[FIELD_MODE];
    out->data = clo_read_bytes(r, fields[FIELD_SIZE]);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "cpio: entry at byte %zu: cut short", start);
    if (!copy_name(name, out->name))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "cpio: entry at byte %zu: its name is too long or "
                        "no text",
                        start);
    if (clo_reader_left(r) > 0) /* the last entry need not be padded */
        clo_read_skip(r, (4 - r->at % 4) % 4 < clo_reader_left(r) ? (4 - r->at % 4) % 4
                                                                  : clo_reader_left(r));
    *is_end = strcmp(out->name, "TRAILER!!!") == 0;
    return true;
}

/* One archive, from its first entry to its trailer. */
static bool walk_archive(struct clo_reader *r, clo_cpio_visit visit, void *context,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_cpio_entry *entry = malloc(sizeof *entry);
    bool is_end = false;

    if (entry == NULL)
        return clo_out_of_memory(err);
    while (clo_reader_left(r) > 0) {
        if (!clo_cpio_read(r, entry, &is_end, err))
            return false;
        if (is_end)
            return true;
        if (!visit(entry, context, err))
            return false;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "cpio: no trailer");
}

static void skip_zeros(struct clo_reader *r)
{
    while (clo_reader_left(r) > 0 && r->in.data[r->at] == 0)
        r->at++;
}

static bool is_cpio(const struct clo_reader *r)
{
    return clo_reader_left(r) >= 6 && memcmp(r->in.data + r->at, "07070", 5) == 0;
}

static bool walk_archives(struct clo_reader *r, clo_cpio_visit visit, void *context,
                          struct clo_error *err)
{
    for (skip_zeros(r); is_cpio(r); skip_zeros(r))
        if (!walk_archive(r, visit, context, err))
            return false;
    return true;
}

/* Initrds are packed to a half or a fifth; what becomes much larger is made to fill memory. */
static size_t unpacked_at_most(struct clo_bytes initrd, size_t limit)
{
    size_t most;

    if (!clo_mul(initrd.size, UNPACKED_TIMES, &most))
        return limit;
    if (most < UNPACKED_AT_LEAST)
        most = UNPACKED_AT_LEAST;
    return most < limit ? most : limit;
}

bool clo_initrd_walk(struct clo_bytes initrd, size_t limit, clo_cpio_visit visit, void *context,
                     struct clo_error *err)
{
    struct clo_reader r = clo_reader(initrd);
    size_t left = unpacked_at_most(initrd, limit);

    for (size_t segment = 0; segment < SEGMENTS_MAX; segment++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { .limit = left };
        if (!walk_archives(&r, visit, context, err))
            return clo_wrap(err, "initrd");
        if (clo_reader_left(&r) == 0)
            return true;
        struct clo_bytes rest = clo_bytes_slice(initrd, r.at, initrd.size);
        size_t used = 0;
        if (!clo_unpack(rest, &plain, &used, err))
            return clo_wrap(err, "initrd: at byte %zu", r.at);
        struct clo_reader inner = clo_reader(clo_buffer_bytes(&plain));
        if (!walk_archives(&inner, visit, context, err))
            return clo_wrap(err, "initrd: what is packed at byte %zu", r.at);
        if (clo_reader_left(&inner) > 0)
            return clo_fail(err, CLO_ERR_FORMAT, "initrd: what is packed at byte %zu is not a cpio",
                            r.at);
        left -= plain.size;
        if (left == 0)
            break;
        clo_read_skip(&r, used);
    }
    return clo_fail(err, CLO_ERR_FORMAT, "initrd: too many parts, or too large");
}
