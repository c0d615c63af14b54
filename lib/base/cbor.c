#include "lib/base/cbor.h"

#include <string.h>

#define INLINE_MAX  23
#define NESTING_MAX 64

void clo_cbor_write(struct clo_buffer *out, enum clo_cbor_type type, uint64_t argument)
{
    uint8_t major = (uint8_t)(type << 5);

    if (argument <= INLINE_MAX) {
        clo_buffer_u8(out, major | (uint8_t)argument);
    } else if (argument <= UINT8_MAX) {
        clo_buffer_u8(out, major | 24);
        clo_buffer_u8(out, (uint8_t)argument);
    } else if (argument <= UINT16_MAX) {
        clo_buffer_u8(out, major | 25);
        clo_buffer_be16(out, (uint16_t)argument);
    } else if (argument <= UINT32_MAX) {
        clo_buffer_u8(out, major | 26);
        clo_buffer_be32(out, (uint32_t)argument);
    } else {
        clo_buffer_u8(out, major | 27);
        clo_buffer_be64(out, argument);
    }
}

void clo_cbor_bytes(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_cbor_write(out, CLO_CBOR_BYTES, bytes.size);
    clo_buffer_append(out, bytes);
}

void clo_cbor_text(struct clo_buffer *out, const char *text)
{
    clo_cbor_write(out, CLO_CBOR_TEXT, strlen(text));
    clo_buffer_text(out, text);
}

/* One head of any type. Simple values are read as they are; what is meant by them is not our concern. */
static uint64_t read_head(struct clo_reader *r, enum clo_cbor_type *type)
{
    uint8_t head = clo_read_u8(r);
    uint8_t small = head & 0x1f;
    uint64_t value = small;
    uint64_t least = 0;

    *type = (enum clo_cbor_type)(head >> 5);
    if (small == 24) {
        value = clo_read_u8(r);
        least = *type == CLO_CBOR_SIMPLE ? 32 : INLINE_MAX + 1;
    } else if (small == 25) {
        value = clo_read_be16(r);
        least = *type == CLO_CBOR_SIMPLE ? 0 : (uint64_t)UINT8_MAX + 1; /* a half float */
    } else if (small == 26) {
        value = clo_read_be32(r);
        least = *type == CLO_CBOR_SIMPLE ? 0 : (uint64_t)UINT16_MAX + 1;
    } else if (small == 27) {
        value = clo_read_be64(r);
        least = *type == CLO_CBOR_SIMPLE ? 0 : (uint64_t)UINT32_MAX + 1;
    }
    /* Reserved values, and indefinite lengths. */
    r->failed = r->failed || small > 27 || value < least;
    return r->failed ? 0 : value;
}

uint64_t clo_cbor_read(struct clo_reader *r, enum clo_cbor_type type)
{
    enum clo_cbor_type found;
    uint64_t value = read_head(r, &found);

    r->failed = r->failed || found != type;
    return r->failed ? 0 : value;
}

struct clo_bytes clo_cbor_read_string(struct clo_reader *r, enum clo_cbor_type type)
{
    uint64_t size = clo_cbor_read(r, type);

    r->failed = r->failed || size > clo_reader_left(r);
    return r->failed ? clo_bytes(NULL, 0) : clo_read_bytes(r, (size_t)size);
}

enum clo_cbor_type clo_cbor_peek(const struct clo_reader *r)
{
    return r->failed || r->at >= r->in.size ? CLO_CBOR_SIMPLE
                                            : (enum clo_cbor_type)(r->in.data[r->at] >> 5);
}

size_t clo_cbor_read_count(struct clo_reader *r, enum clo_cbor_type type, size_t limit)
{
    uint64_t count = clo_cbor_read(r, type);
    size_t each = type == CLO_CBOR_MAP ? 2 : 1;

    r->failed = r->failed || count > limit || count > clo_reader_left(r) / each;
    return r->failed ? 0 : (size_t)count;
}

void clo_cbor_skip(struct clo_reader *r)
{
    uint64_t left[NESTING_MAX] = { 1 }; /* items still to come at each depth */
    size_t depth = 0;

    while (!r->failed) {
        while (left[depth] == 0) {
            if (depth == 0)
                return;
            depth--;
        }
        left[depth]--;
        enum clo_cbor_type type;
        uint64_t value = read_head(r, &type);
        if (type == CLO_CBOR_BYTES || type == CLO_CBOR_TEXT) {
            r->failed = r->failed || value > clo_reader_left(r);
            if (!r->failed)
                clo_read_skip(r, (size_t)value);
        } else if (type == CLO_CBOR_ARRAY || type == CLO_CBOR_MAP || type == CLO_CBOR_TAG) {
            size_t each = type == CLO_CBOR_MAP ? 2 : 1;
            uint64_t items = type == CLO_CBOR_TAG ? 1 : value;
            r->failed = r->failed || depth + 1 == NESTING_MAX || items > clo_reader_left(r) / each;
            if (!r->failed)
                left[++depth] = items * each;
        }
    }
}
