/* Short texts, packed with gzip, for tests. */
#ifndef CLOISTER_GZIP_MAKER_H
#define CLOISTER_GZIP_MAKER_H

#include <zlib.h>

#include "test.h"

static inline void gzip_pack(const char *text, struct clo_buffer *out)
{
    z_stream stream = { 0 };
    uint8_t packed[4096];

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)text;
    stream.avail_in = (unsigned)strlen(text);
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    clo_buffer_append(out, clo_bytes(packed, sizeof packed - stream.avail_out));
    deflateEnd(&stream);
}

#endif
