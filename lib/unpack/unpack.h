/* Compressed bytes as kernels and initrds carry them: gzip (RFC 1952), XZ (1.1.0) and the older
 * .lzma, Zstandard (RFC 8878), and LZ4's legacy frames (LZ4 Frame Format 1.6.3), which is what
 * `lz4 -l` writes for kernels.
 *
 * Bounded by the ceiling of the buffer that is written to: a small stream can be a large file. */
#ifndef CLOISTER_LIB_UNPACK_H
#define CLOISTER_LIB_UNPACK_H

#include "cloister/base.h"

enum clo_compression {
    CLO_COMPRESSION_NONE, /* nothing that is known: plain, or something else */
    CLO_COMPRESSION_GZIP,
    CLO_COMPRESSION_XZ,
    CLO_COMPRESSION_LZMA,
    CLO_COMPRESSION_ZSTD,
    CLO_COMPRESSION_LZ4,
    CLO_COMPRESSION_BZIP2, /* known by name, not unpacked */
    CLO_COMPRESSION_LZO,   /* the same */
};

/* By its first bytes. */
enum clo_compression clo_compression_of(struct clo_bytes in);
const char *clo_compression_name(enum clo_compression compression); /* "gzip" */

/* Unpacks the one stream that `in` begins with, appending to `out`; `used` is its compressed size, and
 * what lies beyond it is not looked at. */
CLO_MUST_USE bool clo_unpack(struct clo_bytes in, struct clo_buffer *out, size_t *used,
                             struct clo_error *err);

#endif
