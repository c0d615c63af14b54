#include "cloister/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct clo_bytes clo_bytes(const void *data, size_t size)
{
    return (struct clo_bytes){ .data = data, .size = size };
}

struct clo_bytes clo_bytes_text(const char *text)
{
    return clo_bytes(text, strlen(text));
}

struct clo_bytes clo_bytes_slice(struct clo_bytes in, size_t at, size_t size)
{
    if (at > in.size)
        at = in.size;
    if (size > in.size - at)
        size = in.size - at;
    return clo_bytes(in.data == NULL ? NULL : in.data + at, size);
}

bool clo_bytes_equal(struct clo_bytes a, struct clo_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool clo_bytes_all(struct clo_bytes in, uint8_t value)
{
    for (size_t i = 0; i < in.size; i++)
        if (in.data[i] != value)
            return false;
    return true;
}

bool clo_bytes_equal_secret(struct clo_bytes a, struct clo_bytes b)
{
    volatile uint8_t difference = 0;

    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

bool clo_add(size_t a, size_t b, size_t *out)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool clo_mul(size_t a, size_t b, size_t *out)
{
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

void clo_freep(void *pointer_to_pointer)
{
    void **pointer = pointer_to_pointer;

    free(*pointer);
    *pointer = NULL;
}

/* ISO 3309, reflected: polynomial 0x04c11db7. */
uint32_t clo_crc32(uint32_t before, struct clo_bytes in)
{
    uint32_t crc = ~before;

    for (size_t i = 0; i < in.size; i++) {
        crc ^= in.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1)));
    }
    return ~crc;
}

bool clo_ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t end = strlen(suffix);

    return size >= end && strcasecmp(name + size - end, suffix) == 0;
}
