#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "device/container.h"

#define WINDOW_BITS (-12) /* deflate without a header, as the format says */

bool container_qcow2_open(struct clo_container *container, struct clo_error *err)
{
    const struct clo_qcow2 *image = &container->qcow2;
    size_t size = (size_t)image->l1_count * 8;

    container->l1 = malloc(size == 0 ? 1 : size);
    container->inflated = calloc(1, sizeof *container->inflated);
    container->inflated_max = container->size * CONTAINER_EXPANSION_MAX;
    if (container->l1 == NULL || container->inflated == NULL)
        return clo_out_of_memory(err);
    if (!container_fd_read(container->fd, image->l1_at, container->l1, size, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(container->l1, size));
    uint64_t tables = 0;
    for (uint32_t i = 0; i < image->l1_count; i++) {
        container->l1[i] = clo_read_be64(&r);
        tables += container->l1[i] != 0;
    }
    /* Else a small file could name one table four million times, and keep its reader busy for hours. */
    if (tables > container->size >> image->cluster_bits)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: more tables than fit in the file");
    container->size = image->size;
    return true;
}

/* Where the cluster of this byte lies. Tables are read anew each time: eight bytes of them, which the system keeps. */
static bool find(const struct clo_container *container, uint64_t at, struct clo_qcow2_cluster *out,
                 uint64_t *span, struct clo_error *err)
{
    const struct clo_qcow2 *image = &container->qcow2;
    uint64_t cluster = at >> image->cluster_bits;
    uint8_t bytes[8];
    uint64_t table;

    *span = (uint64_t)1 << image->cluster_bits;
    if (!clo_qcow2_table(image, container->l1[cluster >> image->l2_bits], &table, err))
        return false;
    if (table == 0) {
        *span <<= image->l2_bits;
        *out = (struct clo_qcow2_cluster){ .kind = CLO_QCOW2_HOLE };
        return true;
    }
    uint64_t index = cluster & (((uint64_t)1 << image->l2_bits) - 1);
    if (!container_fd_read(container->fd, table + index * 8, bytes, sizeof bytes, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(bytes, sizeof bytes));
    return clo_qcow2_cluster(image, clo_read_be64(&r), out, err);
}

/* A stream may end before the cluster does, never after it; what is missing is not made up. */
bool container_inflate(struct clo_bytes in, int window, uint8_t *out, size_t size)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)in.data,
                        .avail_in = (uInt)in.size,
                        .next_out = out,
                        .avail_out = (uInt)size };

    if (inflateInit2(&stream, window) != Z_OK)
        return false;
    int result = inflate(&stream, Z_FINISH);
    bool is_whole = stream.avail_out == 0 && (result == Z_STREAM_END || result == Z_BUF_ERROR);
    inflateEnd(&stream);
    return is_whole;
}

/* The frame ends before the last sector does, so that it is streamed. */
static bool unzstd_cluster(struct clo_bytes in, uint8_t *out, size_t size)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer from = { in.data, in.size, 0 };
    ZSTD_outBuffer to = { out, size, 0 };
    size_t result = 1;

    while (context != NULL && to.pos < size && result != 0 && !ZSTD_isError(result)) {
        size_t before = to.pos + from.pos;
        result = ZSTD_decompressStream(context, &to, &from);
        if (to.pos + from.pos == before)
            break;
    }
    ZSTD_freeDCtx(context);
    return to.pos == size && !ZSTD_isError(result);
}

/* The cluster that `at` lies in; `size` bytes of it. */
static bool read_compressed(const struct clo_container *container,
                            const struct clo_qcow2_cluster *cluster, size_t skip, uint8_t *out,
                            size_t size, struct clo_error *err)
{
    size_t whole = (size_t)1 << container->qcow2.cluster_bits;
    CLO_CLEANUP(clo_freep) uint8_t *packed = malloc((size_t)cluster->size);
    CLO_CLEANUP(clo_freep) uint8_t *plain = malloc(whole);

    if (packed == NULL || plain == NULL)
        return clo_out_of_memory(err);
    /* The whole cluster is unpacked, whatever is read of it. */
    if (atomic_fetch_add(container->inflated, whole) + whole > container->inflated_max)
        return container_expands(container, err);
    if (!container_fd_read(container->fd, cluster->at, packed, (size_t)cluster->size, err))
        return false;
    struct clo_bytes in = clo_bytes(packed, (size_t)cluster->size);
    if (!(container->qcow2.is_zstd ? unzstd_cluster(in, plain, whole)
                                   : container_inflate(in, WINDOW_BITS, plain, whole)))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "qcow2: a compressed cluster at byte %" PRIu64 ": cannot be unpacked",
                        cluster->at);
    memcpy(out, plain + skip, size);
    return true;
}

static bool read_plain(const struct clo_container *container,
                       const struct clo_qcow2_cluster *cluster, uint64_t skip, uint8_t *out,
                       size_t size, struct clo_error *err)
{
    uint64_t there = skip < cluster->size ? cluster->size - skip : 0;
    size_t now = there < size ? (size_t)there : size;

    memset(out + now, 0, size - now);
    return container_fd_read(container->fd, cluster->at + skip, out, now, err);
}

bool container_qcow2_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                          size_t size, struct clo_error *err)
{
    struct clo_qcow2_cluster cluster;
    uint64_t span;

    while (size > 0) {
        if (!find(container, at, &cluster, &span, err))
            return false;
        uint64_t skip = at & (span - 1);
        size_t now = span - skip < size ? (size_t)(span - skip) : size;
        bool ok = true;
        if (cluster.kind == CLO_QCOW2_HOLE)
            memset(out, 0, now);
        else if (cluster.kind == CLO_QCOW2_PLAIN)
            ok = read_plain(container, &cluster, skip, out, now, err);
        else
            ok = read_compressed(container, &cluster, (size_t)skip, out, now, err);
        if (!ok)
            return false;
        at += now;
        out += now;
        size -= now;
    }
    return true;
}

bool container_qcow2_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                            bool *is_hole, struct clo_error *err)
{
    struct clo_qcow2_cluster cluster;
    uint64_t span;
    uint64_t end = at;

    for (bool is_first = true; end < container->size; is_first = false) {
        if (!find(container, end, &cluster, &span, err))
            return false;
        if (is_first)
            *is_hole = cluster.kind == CLO_QCOW2_HOLE;
        else if (*is_hole != (cluster.kind == CLO_QCOW2_HOLE))
            break;
        end = (end & ~(span - 1)) + span;
    }
    *size = (end < container->size ? end : container->size) - at;
    return true;
}
