/* Runs in a JSON string that stand for themselves: most of what is read and written is long base64. */
#ifndef CLOISTER_LIB_BASE_JSON_PLAIN_H
#define CLOISTER_LIB_BASE_JSON_PLAIN_H

#include <string.h>

#include "cloister/base.h"

#define JSON_EACH_BYTE(value_) (UINT64_C(0x0101010101010101) * (value_))

/* The highest bit of some byte, if any of the eight is below `limit` (at most 128). */
static inline uint64_t json_has_less(uint64_t eight, uint8_t limit)
{
    return (eight - JSON_EACH_BYTE(limit)) & ~eight & JSON_EACH_BYTE(0x80);
}

/* Is there one that ends a run? */
static inline bool json_has_end(uint64_t eight)
{
    return (json_has_less(eight, 0x20) | json_has_less(eight ^ JSON_EACH_BYTE('"'), 1) |
            json_has_less(eight ^ JSON_EACH_BYTE('\\'), 1)) != 0;
}

/* How far neither quote, backslash nor control character comes; `is_ascii` becomes false for a byte that is not. */
static inline size_t json_plain_run(struct clo_bytes text, size_t from, bool *is_ascii)
{
    size_t i = from;
    uint64_t eight, all = 0;

    for (; text.size - i >= sizeof eight; i += sizeof eight) {
        memcpy(&eight, text.data + i, sizeof eight);
        if (json_has_end(eight))
            break;
        all |= eight;
    }
    for (; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        all |= c;
    }
    *is_ascii = *is_ascii && (all & JSON_EACH_BYTE(0x80)) == 0;
    return i - from;
}

#endif
