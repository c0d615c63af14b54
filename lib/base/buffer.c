#include "cloister/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/put.h"

void clo_buffer_free(struct clo_buffer *buffer)
{
    size_t limit = buffer->limit;

    free(buffer->data);
    *buffer = (struct clo_buffer){ .limit = limit };
}

bool clo_buffer_ok(const struct clo_buffer *buffer)
{
    return !buffer->failed;
}

/* Makes room for `more` bytes and one NUL after them, for clo_buffer_string(). */
static bool reserve_exactly(struct clo_buffer *buffer, size_t more, bool with_growth)
{
    size_t needed;

    if (buffer->failed)
        return false;
    if (!clo_add(buffer->size, more, &needed) || (buffer->limit != 0 && needed > buffer->limit) ||
        !clo_add(needed, 1, &needed)) {
        buffer->failed = true;
        return false;
    }
    if (needed <= buffer->capacity)
        return true;

    size_t capacity = with_growth ? buffer->capacity < 64 ? 64 : buffer->capacity : needed;
    while (capacity < needed)
        if (!clo_mul(capacity, 2, &capacity))
            capacity = needed;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static bool reserve(struct clo_buffer *buffer, size_t more)
{
    return reserve_exactly(buffer, more, true);
}

void clo_buffer_reserve(struct clo_buffer *buffer, size_t more)
{
    (void)reserve_exactly(buffer, more, false);
}

void clo_buffer_append(struct clo_buffer *buffer, struct clo_bytes bytes)
{
    if (bytes.size == 0 || !reserve(buffer, bytes.size))
        return;
    memcpy(buffer->data + buffer->size, bytes.data, bytes.size);
    buffer->size += bytes.size;
}

void clo_buffer_text(struct clo_buffer *buffer, const char *text)
{
    clo_buffer_append(buffer, clo_bytes_text(text));
}

void clo_buffer_printf(struct clo_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    if (size < 0)
        buffer->failed = true;
    else if (reserve(buffer, (size_t)size)) {
        vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, again);
        buffer->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}

static void append_le(struct clo_buffer *buffer, uint64_t value, size_t size)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    clo_buffer_append(buffer, clo_bytes(bytes, size));
}

static void append_be(struct clo_buffer *buffer, uint64_t value, size_t size)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    clo_buffer_append(buffer, clo_bytes(bytes, size));
}

void clo_buffer_u8(struct clo_buffer *buffer, uint8_t value)
{
    append_le(buffer, value, 1);
}

void clo_buffer_le16(struct clo_buffer *buffer, uint16_t value)
{
    append_le(buffer, value, 2);
}

void clo_buffer_le32(struct clo_buffer *buffer, uint32_t value)
{
    append_le(buffer, value, 4);
}

void clo_buffer_le64(struct clo_buffer *buffer, uint64_t value)
{
    append_le(buffer, value, 8);
}

void clo_buffer_be16(struct clo_buffer *buffer, uint16_t value)
{
    append_be(buffer, value, 2);
}

void clo_buffer_be32(struct clo_buffer *buffer, uint32_t value)
{
    append_be(buffer, value, 4);
}

void clo_buffer_be64(struct clo_buffer *buffer, uint64_t value)
{
    append_be(buffer, value, 8);
}

void clo_put_le16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

void clo_put_le32(uint8_t *at, uint32_t value)
{
    clo_put_le16(at, (uint16_t)value);
    clo_put_le16(at + 2, (uint16_t)(value >> 16));
}

void clo_put_le64(uint8_t *at, uint64_t value)
{
    clo_put_le32(at, (uint32_t)value);
    clo_put_le32(at + 4, (uint32_t)(value >> 32));
}

/* A large empty buffer is made of pages that are zero as the system gives them: they take no memory until they are
 * written to. */
static bool start_zeroed(struct clo_buffer *buffer, size_t count)
{
    enum {
        LARGE = 1 << 20
    };

    if (buffer->data != NULL || buffer->failed || count < LARGE || count == SIZE_MAX ||
        (buffer->limit != 0 && count > buffer->limit))
        return false;
    buffer->data = calloc(count + 1, 1);
    if (buffer->data == NULL)
        return false;
    buffer->capacity = count + 1;
    buffer->size = count;
    return true;
}

void clo_buffer_zero(struct clo_buffer *buffer, size_t count)
{
    if (start_zeroed(buffer, count) || count == 0 || !reserve(buffer, count))
        return;
    memset(buffer->data + buffer->size, 0, count);
    buffer->size += count;
}

void clo_buffer_align(struct clo_buffer *buffer, size_t alignment)
{
    size_t over = buffer->size % alignment;

    if (over != 0)
        clo_buffer_zero(buffer, alignment - over);
}

struct clo_bytes clo_buffer_bytes(const struct clo_buffer *buffer)
{
    return clo_bytes(buffer->data, buffer->size);
}

const char *clo_buffer_string(struct clo_buffer *buffer)
{
    if (!reserve(buffer, 0))
        return NULL;
    buffer->data[buffer->size] = '\0';
    return (const char *)buffer->data;
}
