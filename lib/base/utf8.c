#include "lib/base/utf8.h"

bool clo_utf8_is_scalar(uint32_t value)
{
    return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

uint32_t clo_utf8_next(struct clo_reader *r)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t first = clo_read_u8(r);
    size_t size = first < 0x80             ? 1
                  : (first & 0xe0) == 0xc0 ? 2
                  : (first & 0xf0) == 0xe0 ? 3
                  : (first & 0xf8) == 0xf0 ? 4
                                           : 0;

    if (!clo_reader_ok(r) || size < 2)
        return clo_reader_ok(r) && size == 1 ? first : CLO_UTF8_MALFORMED;
    uint32_t value = first & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        uint8_t next = clo_read_u8(r);
        if (!clo_reader_ok(r) || (next & 0xc0) != 0x80)
            return CLO_UTF8_MALFORMED;
        value = value << 6 | (next & 0x3fU);
    }
    return value < least[size] || !clo_utf8_is_scalar(value) ? CLO_UTF8_MALFORMED : value;
}
