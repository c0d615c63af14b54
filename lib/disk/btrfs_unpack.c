/* Compressed extents (kernel, fs/btrfs/{zlib,lzo,zstd}.c): whole streams; what lies after them in their sectors is padding. */
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "lib/disk/btrfs_internal.h"
#include "lib/unpack/lzo.h"

#define LZO_SIZE   4U
#define WINDOW_LOG 17 /* no stream is larger than 128 KiB */

enum {
    ZLIB = 1,
    LZO,
    ZSTD
};

static bool unpack_zlib(struct clo_bytes in, uint8_t *out, size_t room, size_t *size)
{
    z_stream stream = { .avail_in = (uInt)in.size, .next_out = out, .avail_out = (uInt)room };

    stream.next_in = (z_const Bytef *)(uintptr_t)in.data;
    if (inflateInit(&stream) != Z_OK)
        return false;
    int status = inflate(&stream, Z_FINISH);
    *size = room - stream.avail_out;
    inflateEnd(&stream);
    /* One that has more than there is room for is cut, as the kernel cuts it. */
    return status == Z_STREAM_END || (status == Z_BUF_ERROR && *size == room);
}

static bool unpack_zstd(struct clo_bytes in, uint8_t *out, size_t room, size_t *size)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer from = { in.data, in.size, 0 };
    ZSTD_outBuffer to = { out, room, 0 };
    size_t left = 1;

    if (context == NULL)
        return false;
    bool ok = !ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG));
    while (ok && left != 0 && to.pos < room) {
        size_t before = from.pos + to.pos;
        left = ZSTD_decompressStream(context, &to, &from);
        ok = !ZSTD_isError(left) && (left == 0 || from.pos + to.pos > before);
    }
    ZSTD_freeDCtx(context);
    *size = to.pos;
    return ok;
}

/* Pieces of a sector's bytes each, after their sizes; no size lies across the end of a sector. */
static bool unpack_lzo(struct clo_bytes in, uint32_t sector, uint8_t *out, size_t room,
                       size_t *size, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    size_t total = clo_read_le32(&r), got;

    *size = 0;
    if (total > in.size || total < LZO_SIZE)
        return btrfs_corrupt(err, "LZO: cut short");
    r.in.size = total;
    while (clo_reader_left(&r) > 0 && *size < room) {
        size_t left = sector - r.at % sector;
        if (left < LZO_SIZE)
            clo_read_skip(&r, left);
        if (clo_reader_left(&r) == 0)
            break;
        struct clo_bytes piece = clo_read_bytes(&r, clo_read_le32(&r));
        size_t now = room - *size < sector ? room - *size : sector;
        if (!clo_reader_ok(&r) || piece.size == 0)
            return btrfs_corrupt(err, "LZO: cut short");
        if (!clo_lzo_unpack(piece, out + *size, now, &got, err))
            return clo_wrap(err, "btrfs");
        *size += got;
        if (got < sector)
            break;
    }
    return true;
}

bool btrfs_unpack(unsigned compression, struct clo_bytes in, uint32_t sector_size, uint8_t *out,
                  size_t size, struct clo_error *err)
{
    size_t got = 0;

    if (compression == LZO) {
        if (!unpack_lzo(in, sector_size, out, size, &got, err))
            return false;
    } else if (!(compression == ZLIB ? unpack_zlib : unpack_zstd)(in, out, size, &got)) {
        return btrfs_corrupt(err, "%s: is damaged", compression == ZLIB ? "zlib" : "zstd");
    }
    memset(out + got, 0, size - got);
    return true;
}
