#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/container.h"
#include "device/file.h"

#define FOOTER_FROM_END 1024U
#define ZLIB_WINDOW     15

/* --- Flat: the text, and a raw file next to it --- */

static bool open_neighbour(const char *path, const char *name, int *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(path);

    if (copy == NULL)
        return clo_out_of_memory(err);
    CLO_CLEANUP(clo_fd_close) int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* The description chooses the name: a link could lead to any file of the machine's. */
    int fd = folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: %.200s: %s", name,
                        errno == ELOOP ? "is a link" : strerror(errno));
    *out = fd;
    return true;
}

static bool open_flat(struct clo_container *container, const char *path,
                      const struct clo_vmdk_text *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct stat status;

    if (!open_neighbour(path, text->name, &fd, err))
        return false;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: %.200s: is not a file", text->name);
    uint64_t size = (uint64_t)status.st_size;
    if (text->at > size || text->size > size - text->at)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: %.200s: is shorter than the disk", text->name);
    clo_fd_close(&container->fd);
    container->fd = fd;
    fd = -1;
    container->kind = CLO_CONTAINER_VMDK_FLAT;
    container->size = text->size;
    container->first = text->at;
    return true;
}

static bool read_text(const struct clo_container *container, uint64_t at, uint64_t size,
                      struct clo_vmdk_text *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *text = malloc(CLO_VMDK_DESCRIPTOR_MAX + 1);

    if (text == NULL)
        return clo_out_of_memory(err);
    if (size > CLO_VMDK_DESCRIPTOR_MAX)
        size = CLO_VMDK_DESCRIPTOR_MAX + 1; /* is refused */
    return container_fd_read(container->fd, at, text, (size_t)size, err) &&
           clo_vmdk_parse_text(clo_bytes(text, (size_t)size), out, err);
}

bool container_vmdk_open_text(struct clo_container *container, const char *path,
                              struct clo_error *err)
{
    struct clo_vmdk_text text;

    if (!read_text(container, 0, container->size, &text, err))
        return false;
    return text.is_flat ? open_flat(container, path, &text, err)
                        : clo_fail(err, CLO_ERR_UNSUPPORTED,
                                   "VMDK: describes %.200s: convert that file", text.name);
}

/* --- Sparse --- */

static bool read_header(const struct clo_container *container, struct clo_vmdk *out,
                        struct clo_error *err)
{
    uint8_t header[CLO_VMDK_HEADER_SIZE] = { 0 };
    struct clo_bytes bytes = clo_bytes(header, sizeof header);
    struct clo_vmdk first;

    if (!container_fd_read(container->fd, 0, header, sizeof header, err) ||
        !clo_vmdk_parse(bytes, container->size, &first, err))
        return false;
    *out = first;
    if (!first.is_at_end)
        return true;
    if (container->size < FOOTER_FROM_END + CLO_VMDK_HEADER_SIZE ||
        !container_fd_read(container->fd, container->size - FOOTER_FROM_END, header, sizeof header,
                           err) ||
        !clo_vmdk_parse(bytes, container->size, out, err))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: cut short, its header is to be at its end");
    out->descriptor_at = first.descriptor_at;
    out->descriptor_size = first.descriptor_size;
    return (!out->is_at_end && out->size == first.size && out->grain == first.grain) ||
           clo_fail(err, CLO_ERR_FORMAT, "VMDK: its two headers differ");
}

static bool read_directory(struct clo_container *container, struct clo_error *err)
{
    const struct clo_vmdk *vmdk = &container->vmdk;
    size_t size = (size_t)vmdk->table_count * 4;
    uint64_t tables = 0;

    container->table = malloc(size);
    container->inflated = calloc(1, sizeof *container->inflated);
    container->inflated_max = container->size * CONTAINER_EXPANSION_MAX;
    if (container->table == NULL || container->inflated == NULL)
        return clo_out_of_memory(err);
    if (!container_fd_read(container->fd, vmdk->directory_at, container->table, size, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(container->table, size));
    for (uint32_t i = 0; i < vmdk->table_count; i++) {
        container->table[i] = clo_read_le32(&r);
        tables += container->table[i] != 0;
    }
    /* Else a small file could name one table four million times, and keep its reader busy for hours. */
    return tables <= container->size / (CLO_VMDK_TABLE * 4) ||
           clo_fail(err, CLO_ERR_FORMAT, "VMDK: more tables than fit in the file");
}

bool container_vmdk_open(struct clo_container *container, struct clo_error *err)
{
    struct clo_vmdk *vmdk = &container->vmdk;
    struct clo_vmdk_text text;

    if (!read_header(container, vmdk, err) ||
        (vmdk->descriptor_size > 0 &&
         !read_text(container, vmdk->descriptor_at, vmdk->descriptor_size, &text, err)) ||
        !read_directory(container, err))
        return false;
    if (vmdk->descriptor_size > 0 && (text.is_flat || text.size != vmdk->size))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: its description is of another disk");
    container->kind = CLO_CONTAINER_VMDK;
    container->size = vmdk->size;
    return true;
}

/* Where the grain of this byte lies, 0 for a hole; `span`: what the answer holds for. */
static bool find(const struct clo_container *container, uint64_t at, uint64_t *place,
                 uint64_t *span, struct clo_error *err)
{
    const struct clo_vmdk *vmdk = &container->vmdk;
    uint64_t grain = at / vmdk->grain, table;
    uint8_t entry[4];

    *span = vmdk->grain;
    if (!clo_vmdk_table(vmdk, container->table[grain / CLO_VMDK_TABLE], &table, err))
        return false;
    if (table == 0) {
        *span *= CLO_VMDK_TABLE;
        *place = 0;
        return true;
    }
    if (!container_fd_read(container->fd, table + grain % CLO_VMDK_TABLE * 4, entry, sizeof entry,
                           err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(entry, sizeof entry));
    return clo_vmdk_grain(vmdk, clo_read_le32(&r), place, err);
}

/* A grain is unpacked whole, whatever is read of it. */
static bool read_compressed(const struct clo_container *container, uint64_t at, uint64_t place,
                            uint8_t *out, size_t size, struct clo_error *err)
{
    const struct clo_vmdk *vmdk = &container->vmdk;
    CLO_CLEANUP(clo_freep) uint8_t *packed = NULL;
    CLO_CLEANUP(clo_freep) uint8_t *plain = malloc(vmdk->grain);
    uint8_t marker[CLO_VMDK_MARKER_SIZE];
    size_t packed_size;

    if (!container_fd_read(container->fd, place, marker, sizeof marker, err) ||
        !clo_vmdk_marker(vmdk, clo_bytes(marker, sizeof marker), at / vmdk->grain, place,
                         &packed_size, err))
        return false;
    packed = malloc(packed_size);
    if (packed == NULL || plain == NULL)
        return clo_out_of_memory(err);
    if (atomic_fetch_add(container->inflated, vmdk->grain) + vmdk->grain > container->inflated_max)
        return container_expands(container, err);
    if (!container_fd_read(container->fd, place + sizeof marker, packed, packed_size, err))
        return false;
    if (!container_inflate(clo_bytes(packed, packed_size), ZLIB_WINDOW, plain, vmdk->grain))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: a grain at byte %llu: cannot be unpacked",
                        (unsigned long long)place);
    memcpy(out, plain + at % vmdk->grain, size);
    return true;
}

bool container_vmdk_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                         size_t size, struct clo_error *err)
{
    while (size > 0) {
        uint64_t place, span;
        if (!find(container, at, &place, &span, err))
            return false;
        uint64_t skip = at % span;
        size_t now = span - skip < size ? (size_t)(span - skip) : size;
        bool ok = true;
        if (place == 0)
            memset(out, 0, now);
        else if (container->vmdk.is_compressed)
            ok = read_compressed(container, at, place, out, now, err);
        else
            ok = container_fd_read(container->fd, place + skip, out, now, err);
        if (!ok)
            return false;
        at += now;
        out += now;
        size -= now;
    }
    return true;
}

bool container_vmdk_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                           bool *is_hole, struct clo_error *err)
{
    uint64_t end = at, place, span;

    for (bool is_first = true; end < container->size; is_first = false) {
        if (!find(container, end, &place, &span, err))
            return false;
        if (is_first)
            *is_hole = place == 0;
        else if (*is_hole != (place == 0))
            break;
        end = (end / span + 1) * span;
    }
    *size = (end < container->size ? end : container->size) - at;
    return true;
}
