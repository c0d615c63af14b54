#include "lib/unpack/lzo.h"

#include <string.h>

/* What the last instruction ended with: so many literals, or a run of its own. */
#define AFTER_RUN 4U

struct stream {
    struct clo_reader r;
    uint8_t *out;
    size_t size, room;
    unsigned state;
    bool is_ended;
};

struct match {
    size_t distance, size;
    unsigned literals; /* that follow it */
};

static bool copy_literals(struct stream *stream, size_t count)
{
    struct clo_bytes from = clo_read_bytes(&stream->r, count);

    if (from.size != count || count > stream->room - stream->size)
        return false;
    if (count > 0)
        memcpy(stream->out + stream->size, from.data, count);
    stream->size += count;
    return true;
}

/* Byte by byte: it may reach into what it writes. */
static bool copy_match(struct stream *stream, const struct match *match)
{
    if (match->distance > stream->size || match->size > stream->room - stream->size)
        return false;
    for (size_t i = 0; i < match->size; i++, stream->size++)
        stream->out[stream->size] = stream->out[stream->size - match->distance];
    stream->state = match->literals;
    return copy_literals(stream, match->literals);
}

/* A size that does not fit in its instruction goes on in bytes of 255, and one that is not zero. */
static size_t read_size(struct stream *stream, unsigned inside, unsigned largest)
{
    size_t size = inside;
    unsigned byte;

    if (inside != 0)
        return inside;
    for (size = largest; (byte = clo_read_u8(&stream->r)) == 0 && clo_reader_ok(&stream->r);)
        size += 255;
    return size + byte;
}

static bool take_short(struct stream *stream, unsigned code)
{
    struct match match = { .literals = code & 3 };

    if (stream->state == 0) {
        size_t count = read_size(stream, code, 15) + 3;
        stream->state = AFTER_RUN;
        return copy_literals(stream, count);
    }
    match.distance = 1 + (code >> 2) + ((size_t)clo_read_u8(&stream->r) << 2);
    match.size = 2;
    if (stream->state == AFTER_RUN) {
        match.distance += 0x800;
        match.size = 3;
    }
    return copy_match(stream, &match);
}

static bool take_long(struct stream *stream, unsigned code)
{
    struct match match = { 0 };

    if (code >= 64) {
        match.size = (code >> 5) + 1;
        match.literals = code & 3;
        match.distance = 1 + (code >> 2 & 7) + ((size_t)clo_read_u8(&stream->r) << 3);
        return copy_match(stream, &match);
    }
    bool is_far = code < 32;
    match.size = 2 + (is_far ? read_size(stream, code & 7, 7) : read_size(stream, code & 31, 31));
    unsigned low = clo_read_le16(&stream->r);
    match.literals = low & 3;
    match.distance = (low >> 2) + (is_far ? (size_t)(code & 8) << 11 : 1);
    if (is_far && match.distance == 0) {
        stream->is_ended = true;
        return match.size == 3;
    }
    match.distance += is_far ? 0x4000 : 0;
    return copy_match(stream, &match);
}

/* The first byte may be a run of literals by itself. */
static bool take_first(struct stream *stream)
{
    struct clo_reader ahead = stream->r;
    unsigned code = clo_read_u8(&ahead);

    if (code <= 17)
        return true;
    stream->r = ahead;
    stream->state = code - 17 < 4 ? code - 17 : AFTER_RUN;
    return copy_literals(stream, code - 17);
}

bool clo_lzo_unpack(struct clo_bytes in, uint8_t *out, size_t room, size_t *size,
                    struct clo_error *err)
{
    struct stream stream = { .r = clo_reader(in), .out = out, .room = room };
    bool ok = take_first(&stream);

    while (ok && !stream.is_ended && clo_reader_ok(&stream.r)) {
        unsigned code = clo_read_u8(&stream.r);
        ok = clo_reader_ok(&stream.r) &&
             (code < 16 ? take_short(&stream, code) : take_long(&stream, code));
    }
    if (!ok || !clo_reader_ok(&stream.r) || clo_reader_left(&stream.r) > 0)
        return clo_fail(err, CLO_ERR_FORMAT, "LZO: damaged at byte %zu", stream.r.at);
    *size = stream.size;
    return true;
}
