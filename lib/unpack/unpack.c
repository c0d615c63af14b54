#include "lib/unpack/unpack.h"

#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK       ((size_t)256 << 10)
#define LZMA_MEMORY ((uint64_t)512 << 20) /* a dictionary as large as kernels are packed with */
#define LZ4_MAGIC   0x184c2102U
#define LZ4_BLOCK   ((size_t)8 << 20) /* the format's own block size */
#define ZSTD_WINDOW 29                /* log2: `zstd --ultra --long` at most */

static const struct {
    enum clo_compression compression;
    const char *name;
    size_t size;
    uint8_t magic[6];
} kinds[] = {
    { CLO_COMPRESSION_GZIP, "gzip", 3, { 0x1f, 0x8b, 8 } },
    { CLO_COMPRESSION_XZ, "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
    { CLO_COMPRESSION_LZMA, "lzma", 3, { 0x5d, 0, 0 } },
    { CLO_COMPRESSION_ZSTD, "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd } },
    { CLO_COMPRESSION_LZ4, "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 } },
    { CLO_COMPRESSION_BZIP2, "bzip2", 3, { 'B', 'Z', 'h' } },
    { CLO_COMPRESSION_LZO, "lzo", 5, { 0x89, 'L', 'Z', 'O', 0 } },
};

enum clo_compression clo_compression_of(struct clo_bytes in)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (in.size >= kinds[i].size && memcmp(in.data, kinds[i].magic, kinds[i].size) == 0)
            return kinds[i].compression;
    return CLO_COMPRESSION_NONE;
}

const char *clo_compression_name(enum clo_compression compression)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (kinds[i].compression == compression)
            return kinds[i].name;
    return "not compressed";
}

static bool too_large(const struct clo_buffer *out, struct clo_error *err)
{
    if (out->limit != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "unpacks to more than %zu MiB", out->limit >> 20);
    return clo_out_of_memory(err);
}

static bool damaged(const char *name, size_t at, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT, "%s: damaged or cut short at byte %zu", name, at);
}

/* Zlib counts in 32 bits. */
static unsigned at_most(size_t size)
{
    return size > (1U << 30) ? 1U << 30 : (unsigned)size;
}

static bool unpack_gzip(struct clo_bytes in, uint8_t *chunk, struct clo_buffer *out, size_t *used,
                        struct clo_error *err)
{
    z_stream stream = { 0 };
    size_t at = 0;
    int result = Z_OK;

    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        return clo_out_of_memory(err);
    while (result == Z_OK && clo_buffer_ok(out)) {
        unsigned given = at_most(in.size - at);
        stream.next_in = (z_const Bytef *)(uintptr_t)(in.data + at);
        stream.avail_in = given;
        stream.next_out = chunk;
        stream.avail_out = CHUNK;
        result = inflate(&stream, Z_NO_FLUSH);
        at += given - stream.avail_in;
        clo_buffer_append(out, clo_bytes(chunk, CHUNK - stream.avail_out));
    }
    inflateEnd(&stream);
    *used = at;
    if (!clo_buffer_ok(out))
        return too_large(out, err);
    return result == Z_STREAM_END || damaged("gzip", at, err);
}

static bool unpack_lzma(struct clo_bytes in, bool is_xz, uint8_t *chunk, struct clo_buffer *out,
                        size_t *used, struct clo_error *err)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_ret result = is_xz ? lzma_stream_decoder(&stream, LZMA_MEMORY, 0)
                            : lzma_alone_decoder(&stream, LZMA_MEMORY);

    if (result != LZMA_OK)
        return clo_out_of_memory(err);
    stream.next_in = in.data;
    stream.avail_in = in.size;
    while (result == LZMA_OK && clo_buffer_ok(out)) {
        stream.next_out = chunk;
        stream.avail_out = CHUNK;
        result = lzma_code(&stream, LZMA_RUN);
        clo_buffer_append(out, clo_bytes(chunk, CHUNK - stream.avail_out));
    }
    *used = in.size - stream.avail_in;
    lzma_end(&stream);
    if (!clo_buffer_ok(out))
        return too_large(out, err);
    if (result == LZMA_MEMLIMIT_ERROR)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "xz: wants more than %u MiB to unpack",
                        (unsigned)(LZMA_MEMORY >> 20));
    return result == LZMA_STREAM_END || damaged(is_xz ? "xz" : "lzma", *used, err);
}

/* In one go, without a second copy of what was unpacked, where the caller's room is enough for the first frame. */
static bool unpack_zstd_at_once(struct clo_bytes in, struct clo_buffer *out, size_t *used)
{
    size_t frame = ZSTD_findFrameCompressedSize(in.data, in.size);

    if (out->capacity <= out->size + 1 || ZSTD_isError(frame))
        return false;
    size_t got =
            ZSTD_decompress(out->data + out->size, out->capacity - out->size - 1, in.data, frame);
    if (ZSTD_isError(got))
        return false;
    out->size += got;
    *used = frame;
    return true;
}

static bool unpack_zstd(struct clo_bytes in, uint8_t *chunk, struct clo_buffer *out, size_t *used,
                        struct clo_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer input = { in.data, in.size, 0 };
    size_t left = 1;
    bool is_stuck = false;

    if (context == NULL)
        return clo_out_of_memory(err);
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW);
    while (left != 0 && !ZSTD_isError(left) && !is_stuck && clo_buffer_ok(out)) {
        ZSTD_outBuffer output = { chunk, CHUNK, 0 };
        size_t before = input.pos;
        left = ZSTD_decompressStream(context, &output, &input);
        is_stuck = input.pos == before && output.pos == 0;
        clo_buffer_append(out, clo_bytes(chunk, output.pos));
    }
    ZSTD_freeDCtx(context);
    *used = input.pos;
    if (!clo_buffer_ok(out))
        return too_large(out, err);
    return left == 0 || damaged("zstd", input.pos, err);
}

/* Blocks of a size and bytes, until the bytes end or the next size is none: zero, another frame's
 * magic, or more than a block can have. */
static bool unpack_lz4(struct clo_bytes in, struct clo_buffer *out, size_t *used,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *block = malloc(LZ4_BLOCK);
    struct clo_reader r = clo_reader(in);

    if (block == NULL)
        return clo_out_of_memory(err);
    clo_read_skip(&r, 4);
    for (;;) {
        struct clo_reader ahead = r;
        size_t size = clo_read_le32(&ahead);
        if (!clo_reader_ok(&ahead) || size == 0 || size == LZ4_MAGIC ||
            size > (size_t)LZ4_COMPRESSBOUND(LZ4_BLOCK) || size > clo_reader_left(&ahead))
            break;
        struct clo_bytes packed = clo_read_bytes(&ahead, size);
        int got = LZ4_decompress_safe((const char *)packed.data, block, (int)packed.size,
                                      (int)LZ4_BLOCK);
        if (got < 0)
            return damaged("lz4", r.at, err);
        clo_buffer_append(out, clo_bytes(block, (size_t)got));
        if (!clo_buffer_ok(out))
            return too_large(out, err);
        r = ahead;
    }
    *used = r.at;
    return r.at > 4 || damaged("lz4", r.at, err);
}

bool clo_unpack(struct clo_bytes in, struct clo_buffer *out, size_t *used, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *chunk = malloc(CHUNK);
    enum clo_compression compression = clo_compression_of(in);

    if (chunk == NULL)
        return clo_out_of_memory(err);
    switch (compression) {
    case CLO_COMPRESSION_GZIP:
        return unpack_gzip(in, chunk, out, used, err);
    case CLO_COMPRESSION_XZ:
    case CLO_COMPRESSION_LZMA:
        return unpack_lzma(in, compression == CLO_COMPRESSION_XZ, chunk, out, used, err);
    case CLO_COMPRESSION_ZSTD:
        return unpack_zstd_at_once(in, out, used) || unpack_zstd(in, chunk, out, used, err);
    case CLO_COMPRESSION_LZ4:
        return unpack_lz4(in, out, used, err);
    case CLO_COMPRESSION_BZIP2:
    case CLO_COMPRESSION_LZO:
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "compressed with %s, which is not unpacked here",
                        clo_compression_name(compression));
    case CLO_COMPRESSION_NONE:
        break;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "not compressed in a way that is known");
}
