#include "device/container.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "device/file.h"

#define PIECE ((size_t)1 << 20)

const char *clo_container_name(enum clo_container_kind kind)
{
    static const char *const names[] = {
        [CLO_CONTAINER_RAW] = "raw",
        [CLO_CONTAINER_QCOW2] = "qcow2",
        [CLO_CONTAINER_VHD] = "fixed VHD",
        [CLO_CONTAINER_VHD_DYNAMIC] = "dynamic VHD",
        [CLO_CONTAINER_VHDX] = "VHDX",
        [CLO_CONTAINER_VMDK] = "VMDK",
        [CLO_CONTAINER_VMDK_FLAT] = "flat VMDK",
    };

    return names[kind];
}

bool container_expands(const struct clo_container *container, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT, "%s: unpacks to more than %u times the file's size",
                    clo_container_name(container->kind), CONTAINER_EXPANSION_MAX);
}

bool clo_container_may_give(const struct clo_container *container, uint64_t count, uint64_t size,
                            struct clo_error *err)
{
    struct stat status;

    if (container->kind == CLO_CONTAINER_RAW || container->kind == CLO_CONTAINER_VMDK_FLAT)
        return true;
    if (fstat(container->fd, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    uint64_t most = (uint64_t)status.st_size * CONTAINER_EXPANSION_MAX + CONTAINER_EXPANSION_ROOM;
    return count <= most / size || container_expands(container, err);
}

bool container_fd_read(int fd, uint64_t at, void *out, size_t size, struct clo_error *err)
{
    uint8_t *to = out;

    while (size > 0) {
        ssize_t got = pread(fd, to, size, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": %s", at, strerror(errno));
        if (got == 0)
            break;
        to += got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    if (size > 0)
        memset(to, 0, size);
    return true;
}

/* --- Which it is --- */

static bool refuse_others(struct clo_bytes head, struct clo_error *err)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t size;
        const char *name;
    } others[] = {
        { 0, "COWD", 4, "VMDK (COWD)" },
        { 0x40, "\x7f\x10\xda\xbe", 4, "VDI" },
        { 0, "QED\0", 4, "QED" },
        { 0, "WithoutFreeSpace", 16, "Parallels" },
        { 0, "WithouFreSpacExt", 16, "Parallels" },
        { 0, "Bochs Virtual HD Image", 22, "Bochs" },
    };

    for (size_t i = 0; i < CLO_COUNT(others); i++)
        if (clo_bytes_equal(clo_bytes_slice(head, others[i].at, others[i].size),
                            clo_bytes(others[i].magic, others[i].size)))
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "is a %s container: 'qemu-img convert -O qcow2' gives one that is read",
                            others[i].name);
    return true;
}

static bool open_vhd(struct clo_container *container, struct clo_bytes footer,
                     struct clo_error *err)
{
    struct clo_vhd *vhd = &container->vhd;
    uint8_t header[CLO_VHD_HEADER_SIZE];

    if (!clo_vhd_parse(footer, container->size, vhd, err))
        return false;
    container->kind = vhd->is_dynamic ? CLO_CONTAINER_VHD_DYNAMIC : CLO_CONTAINER_VHD;
    container->size = vhd->size;
    if (!vhd->is_dynamic)
        return true;
    if (!container_fd_read(container->fd, vhd->header_at, header, sizeof header, err) ||
        !clo_vhd_parse_header(clo_bytes(header, sizeof header), vhd, err))
        return false;
    container->table = malloc((size_t)vhd->table_count * 4);
    if (container->table == NULL)
        return clo_out_of_memory(err);
    if (!container_fd_read(container->fd, vhd->table_at, container->table,
                           (size_t)vhd->table_count * 4, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(container->table, (size_t)vhd->table_count * 4));
    for (uint32_t i = 0; i < vhd->table_count; i++)
        container->table[i] = clo_read_be32(&r);
    return true;
}

/* A fixed VHD is told by its last sector alone; a raw disk that happens to end so has a wrong sum. */
static bool recognise(struct clo_container *container, const char *path, struct clo_error *err)
{
    uint8_t head[CLO_QCOW2_HEAD_SIZE] = { 0 }, footer[CLO_VHD_FOOTER_SIZE];
    size_t size = container->size < sizeof head ? (size_t)container->size : sizeof head;
    struct clo_bytes beginning = clo_bytes(head, size), end = clo_bytes(footer, sizeof footer);
    struct clo_vhd vhd;
    struct clo_error ignored;

    if (!container_fd_read(container->fd, 0, head, sizeof head, err) ||
        !refuse_others(beginning, err))
        return false;
    if (clo_qcow2_guess(beginning)) {
        container->kind = CLO_CONTAINER_QCOW2;
        return clo_qcow2_parse(beginning, container->size, &container->qcow2, err) &&
               container_qcow2_open(container, err);
    }
    if (clo_vhdx_guess(beginning))
        return container_vhdx_open(container, err);
    if (clo_vmdk_guess(beginning))
        return container_vmdk_open(container, err);
    if (clo_vmdk_guess_text(beginning))
        return container_vmdk_open_text(container, path, err);
    if (clo_vhd_guess(beginning))
        return open_vhd(container, beginning, err);
    if (container->size >= 2 * (uint64_t)sizeof footer) {
        if (!container_fd_read(container->fd, container->size - sizeof footer, footer,
                               sizeof footer, err))
            return false;
        if (clo_vhd_guess(end) && clo_vhd_parse(end, container->size, &vhd, &ignored))
            return open_vhd(container, end, err);
    }
    return true;
}

static bool size_of(int fd, uint64_t *size, struct clo_error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    *size = (uint64_t)status.st_size;
    if (S_ISREG(status.st_mode) || (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, size) == 0))
        return true;
    return clo_fail(err, CLO_ERR_FORMAT, "neither a file nor a disk");
}

bool clo_container_open(const char *path, struct clo_container *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };

    /* A pipe is not waited for. */
    container.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (container.fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    if (!size_of(container.fd, &container.size, err) || !recognise(&container, path, err))
        return false;
    *out = container;
    container = (struct clo_container){ .fd = -1 };
    return true;
}

void clo_container_close(struct clo_container *container)
{
    clo_fd_close(&container->fd);
    free(container->l1);
    free(container->table);
    free(container->inflated);
    free(container->runs);
    *container = (struct clo_container){ .fd = -1 };
}

/* --- Reading --- */

/* Within one block. */
static bool read_vhd_block(const struct clo_container *container, uint64_t at, uint8_t *out,
                           size_t size, struct clo_error *err)
{
    const struct clo_vhd *vhd = &container->vhd;
    uint32_t entry = container->table[at / vhd->block_size];
    uint64_t place;

    if (entry == CLO_VHD_UNUSED) {
        memset(out, 0, size);
        return true;
    }
    return clo_vhd_block(vhd, entry, &place, err) &&
           container_fd_read(container->fd, place + at % vhd->block_size, out, size, err);
}

static bool read_vhd(const struct clo_container *container, uint64_t at, uint8_t *out, size_t size,
                     struct clo_error *err)
{
    while (size > 0) {
        uint64_t left = container->vhd.block_size - at % container->vhd.block_size;
        size_t now = left < size ? (size_t)left : size;
        if (!read_vhd_block(container, at, out, now, err))
            return false;
        at += now;
        out += now;
        size -= now;
    }
    return true;
}

/* --- Logical volumes --- */

uint64_t clo_container_end(const struct clo_container *container)
{
    const struct clo_container_run *runs = container->runs;
    size_t count = container->run_count;

    return count == 0 ? container->size : runs[count - 1].at + runs[count - 1].size;
}

bool clo_container_map(struct clo_container *container, const struct clo_container_run *runs,
                       size_t count, uint64_t *first, struct clo_error *err)
{
    size_t all = container->run_count + count;
    struct clo_container_run *more = realloc(container->runs, all * sizeof *more);

    if (more == NULL)
        return clo_out_of_memory(err);
    container->runs = more;
    *first = clo_container_end(container);
    for (size_t i = 0; i < count; i++) {
        if (runs[i].place > container->size || runs[i].size > container->size - runs[i].place ||
            runs[i].size == 0 || *first > (uint64_t)INT64_MAX - runs[i].at)
            return clo_fail(err, CLO_ERR_FORMAT, "a volume beyond the disk's end");
        more[container->run_count + i] =
                (struct clo_container_run){ *first + runs[i].at, runs[i].size, runs[i].place };
    }
    container->run_count = all;
    return true;
}

static const struct clo_container_run *find_run(const struct clo_container *container, uint64_t at)
{
    size_t low = 0, high = container->run_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct clo_container_run *run = &container->runs[middle];
        if (at < run->at)
            high = middle;
        else if (at - run->at >= run->size)
            low = middle + 1;
        else
            return run;
    }
    return NULL;
}

static bool read_mapped(const struct clo_container *container, uint64_t at, uint8_t *out,
                        size_t size, struct clo_error *err)
{
    while (size > 0) {
        const struct clo_container_run *run = find_run(container, at);
        if (run == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the disk's end", at);
        uint64_t skip = at - run->at, left = run->size - skip;
        size_t now = left < size ? (size_t)left : size;
        if (!clo_container_read(container, run->place + skip, out, now, err))
            return false;
        at += now;
        out += now;
        size -= now;
    }
    return true;
}

static bool mapped_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                          bool *is_hole, struct clo_error *err)
{
    const struct clo_container_run *run = find_run(container, at);

    if (run == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the disk's end", at);
    uint64_t skip = at - run->at;
    if (!clo_container_extent(container, run->place + skip, size, is_hole, err))
        return false;
    if (*size > run->size - skip)
        *size = run->size - skip;
    return true;
}

/* --- All of it --- */

bool clo_container_read(const struct clo_container *container, uint64_t at, void *out, size_t size,
                        struct clo_error *err)
{
    if (container->run_count > 0 && at >= container->size)
        return read_mapped(container, at, out, size, err);
    if (at > container->size || size > container->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the disk's end", at);
    switch (container->kind) {
    case CLO_CONTAINER_QCOW2:
        return container_qcow2_read(container, at, out, size, err);
    case CLO_CONTAINER_VHD_DYNAMIC:
        return read_vhd(container, at, out, size, err);
    case CLO_CONTAINER_VHDX:
        return container_vhdx_read(container, at, out, size, err);
    case CLO_CONTAINER_VMDK:
        return container_vmdk_read(container, at, out, size, err);
    default:
        return container_fd_read(container->fd, container->first + at, out, size, err);
    }
}

/* --- Holes --- */

static void raw_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                       bool *is_hole)
{
    uint64_t end = container->size, first = container->first;
    off_t data = lseek(container->fd, (off_t)(first + at), SEEK_DATA);

    if (data >= 0)
        data -= (off_t)first;
    *is_hole = data < 0 ? errno == ENXIO : (uint64_t)data > at;
    if (*is_hole && data >= 0 && (uint64_t)data < end)
        end = (uint64_t)data;
    if (!*is_hole) {
        off_t hole = lseek(container->fd, (off_t)(first + at), SEEK_HOLE);
        if (hole > (off_t)(first + at) && (uint64_t)hole - first < end)
            end = (uint64_t)hole - first;
    }
    *size = end - at;
}

static void vhd_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                       bool *is_hole)
{
    const struct clo_vhd *vhd = &container->vhd;
    uint64_t block = at / vhd->block_size;

    *is_hole = container->table[block] == CLO_VHD_UNUSED;
    while (block + 1 < vhd->table_count &&
           (container->table[block + 1] == CLO_VHD_UNUSED) == *is_hole)
        block++;
    uint64_t end = (block + 1) * vhd->block_size;
    *size = (end < container->size ? end : container->size) - at;
}

bool clo_container_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                          bool *is_hole, struct clo_error *err)
{
    if (container->run_count > 0 && at >= container->size)
        return mapped_extent(container, at, size, is_hole, err);
    if (at >= container->size)
        return clo_fail(err, CLO_ERR_FORMAT, "byte %" PRIu64 ": beyond the disk's end", at);
    if (container->kind == CLO_CONTAINER_QCOW2)
        return container_qcow2_extent(container, at, size, is_hole, err);
    if (container->kind == CLO_CONTAINER_VHDX)
        return container_vhdx_extent(container, at, size, is_hole, err);
    if (container->kind == CLO_CONTAINER_VMDK)
        return container_vmdk_extent(container, at, size, is_hole, err);
    if (container->kind == CLO_CONTAINER_VHD_DYNAMIC)
        vhd_extent(container, at, size, is_hole);
    else
        raw_extent(container, at, size, is_hole);
    return true;
}

/* --- As a plain disk --- */

static bool open_unnamed(uint64_t size, int *fd, struct clo_error *err)
{
    const char *folder = getenv("TMPDIR");

    if (folder == NULL || *folder != '/')
        folder = "/var/tmp";
    *fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd < 0 || ftruncate(*fd, (off_t)size) != 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
        clo_fd_close(fd);
        return false;
    }
    return true;
}

struct copy {
    const struct clo_container *container;
    int fd;
    uint8_t *piece;
    uint64_t
            budget; /* what it may come to, since a container can name one cluster a million times */
};

static bool write_piece(const struct copy *copy, uint64_t at, size_t size, struct clo_error *err)
{
    struct clo_bytes bytes = clo_bytes(copy->piece, size);

    /* A container may say "data" of what is all zeros: it stays a hole. */
    if (clo_bytes_all(bytes, 0))
        return true;
    if (lseek(copy->fd, (off_t)at, SEEK_SET) < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "unpacking: %s", strerror(errno));
    return clo_write_all(copy->fd, bytes, err) || clo_wrap(err, "unpacking");
}

/* Zeros count as well: they cost no space, and all the time. */
static bool spend(struct copy *copy, size_t size, struct clo_error *err)
{
    if (size > copy->budget)
        return container_expands(copy->container, err);
    copy->budget -= size;
    return true;
}

static bool copy_extent(struct copy *copy, uint64_t at, uint64_t size, struct clo_error *err)
{
    while (size > 0) {
        size_t now = size < PIECE ? (size_t)size : PIECE;
        if (!spend(copy, now, err) ||
            !clo_container_read(copy->container, at, copy->piece, now, err) ||
            !write_piece(copy, at, now, err))
            return false;
        at += now;
        size -= now;
    }
    return true;
}

bool clo_container_unpack(const struct clo_container *container, int *fd, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int out = -1;
    CLO_CLEANUP(clo_freep) uint8_t *piece = NULL;
    uint64_t size, file_size;
    bool is_hole;

    if (container->kind == CLO_CONTAINER_RAW) {
        *fd = fcntl(container->fd, F_DUPFD_CLOEXEC, 0);
        return *fd >= 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    }
    piece = malloc(PIECE);
    if (piece == NULL)
        return clo_out_of_memory(err);
    if (!size_of(container->fd, &file_size, err) || !open_unnamed(container->size, &out, err))
        return false;
    struct copy copy = { container, out, piece, file_size * CONTAINER_EXPANSION_MAX };
    for (uint64_t at = 0; at < container->size; at += size)
        if (!clo_container_extent(container, at, &size, &is_hole, err) ||
            (!is_hole && !copy_extent(&copy, at, size, err)))
            return false;
    *fd = out;
    out = -1;
    return true;
}
