/* Bodies in chunks, RFC 9112 section 7.1. Extensions are passed over, trailers are refused: nobody here would read them. */
#include "verifier/door/http_request.h"

#define LINE_MAX   64 /* of the line with a chunk's size */
#define DIGITS_MAX 8

enum state {
    SIZE,
    EXTENSION,
    SIZE_END,
    DATA,
    DATA_RETURN,
    DATA_END,
    LAST_RETURN,
    LAST_END,
};

static bool fail(unsigned *status, unsigned code, struct clo_error *err, const char *why)
{
    *status = code;
    return clo_fail(err, CLO_ERR_FORMAT, "HTTP: %s", why);
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* In the line with a chunk's size, up to its CR. */
static bool read_size(struct clo_http_chunks *chunks, uint8_t c, unsigned *status,
                      struct clo_error *err)
{
    int value = chunks->state == SIZE ? digit(c) : -1;

    if (++chunks->line_size > LINE_MAX || (value >= 0 && chunks->line_size > DIGITS_MAX))
        return fail(status, 400, err, "a chunk's size is too long");
    if (value >= 0) {
        chunks->left = chunks->left << 4 | (uint64_t)value;
        return true;
    }
    if (chunks->line_size == 1)
        return fail(status, 400, err, "a chunk without a size");
    if (c == '\r')
        chunks->state = SIZE_END;
    else if (chunks->state == EXTENSION ? c >= 0x20 && c != 0x7f : c == ';')
        chunks->state = EXTENSION;
    else
        return fail(status, 400, err, "a chunk's size is not a number");
    return true;
}

/* Everything but sizes and data: CR and LF where they must be. */
static bool read_end(struct clo_http_chunks *chunks, uint8_t c, unsigned *status,
                     struct clo_error *err)
{
    static const struct {
        uint8_t expected;
        enum state next;
    } steps[] = {
        [SIZE_END] = { '\n', DATA },     [DATA_RETURN] = { '\r', DATA_END },
        [DATA_END] = { '\n', SIZE },     [LAST_RETURN] = { '\r', LAST_END },
        [LAST_END] = { '\n', LAST_END },
    };

    if (c != steps[chunks->state].expected)
        return fail(status, 400, err,
                    chunks->state == LAST_RETURN ? "a trailer after the last chunk"
                                                 : "a chunk that does not end with its line");
    chunks->is_whole = chunks->state == LAST_END;
    chunks->state = steps[chunks->state].next;
    if (chunks->state == DATA && chunks->left == 0)
        chunks->state = LAST_RETURN;
    if (chunks->state == SIZE)
        chunks->line_size = 0;
    return true;
}

bool clo_http_chunks_read(struct clo_http_chunks *chunks, struct clo_bytes in, size_t *used,
                          struct clo_buffer *out, unsigned *status, struct clo_error *err)
{
    size_t at = 0;

    while (at < in.size && !chunks->is_whole) {
        if (chunks->state == DATA) {
            size_t size = chunks->left < in.size - at ? (size_t)chunks->left : in.size - at;
            if (out->limit != 0 && size > out->limit - out->size)
                return fail(status, 413, err, "the body is too large");
            clo_buffer_append(out, clo_bytes(in.data + at, size));
            if (!clo_buffer_ok(out)) {
                *status = 500;
                return clo_out_of_memory(err);
            }
            at += size;
            chunks->left -= size;
            if (chunks->left == 0)
                chunks->state = DATA_RETURN;
            continue;
        }
        bool ok = chunks->state == SIZE || chunks->state == EXTENSION
                          ? read_size(chunks, in.data[at], status, err)
                          : read_end(chunks, in.data[at], status, err);
        if (!ok)
            return false;
        at++;
    }
    *used = at;
    return true;
}
