#include "cloister/base.h"

struct clo_reader clo_reader(struct clo_bytes in)
{
    return (struct clo_reader){ .in = in };
}

bool clo_reader_ok(const struct clo_reader *r)
{
    return !r->failed;
}

size_t clo_reader_left(const struct clo_reader *r)
{
    return r->failed || r->at > r->in.size ? 0 : r->in.size - r->at;
}

/* Here for the functions below: most of what a parser does is to call them. Who sets `at` need not look
 * whether there is so much. */
static inline struct clo_bytes take(struct clo_reader *r, size_t size)
{
    if (r->failed || r->at > r->in.size || size > r->in.size - r->at) {
        r->failed = true;
        return (struct clo_bytes){ 0 };
    }
    struct clo_bytes out = { .data = r->in.data == NULL ? NULL : r->in.data + r->at, .size = size };
    r->at += size;
    return out;
}

struct clo_bytes clo_read_bytes(struct clo_reader *r, size_t size)
{
    return take(r, size);
}

void clo_read_skip(struct clo_reader *r, size_t size)
{
    (void)take(r, size);
}

static inline uint64_t read_le(struct clo_reader *r, size_t size)
{
    const uint8_t *data = take(r, size).data;
    uint64_t value = 0;

    for (size_t i = r->failed ? 0 : size; i > 0; i--)
        value = value << 8 | data[i - 1];
    return value;
}

static inline uint64_t read_be(struct clo_reader *r, size_t size)
{
    struct clo_bytes bytes = take(r, size);
    uint64_t value = 0;

    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

uint8_t clo_read_u8(struct clo_reader *r)
{
    return (uint8_t)read_le(r, 1);
}

uint16_t clo_read_le16(struct clo_reader *r)
{
    return (uint16_t)read_le(r, 2);
}

uint32_t clo_read_le32(struct clo_reader *r)
{
    return (uint32_t)read_le(r, 4);
}

uint64_t clo_read_le64(struct clo_reader *r)
{
    return read_le(r, 8);
}

uint16_t clo_read_be16(struct clo_reader *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t clo_read_be32(struct clo_reader *r)
{
    return (uint32_t)read_be(r, 4);
}

uint64_t clo_read_be64(struct clo_reader *r)
{
    return read_be(r, 8);
}
