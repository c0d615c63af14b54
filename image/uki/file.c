#include "image/uki/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE         ((size_t)64 << 10)
#define SMALL_SECTION     ((uint64_t)256 << 10)
#define CERTIFICATE_LIMIT ((uint64_t)1 << 20)

/* --- Files --- */

static bool copy_to_memory(int from, const char *path, int *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = memfd_create("input", MFD_CLOEXEC);
    static uint8_t piece[1 << 16];
    uint64_t total = 0;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    for (;;) {
        ssize_t got = read(from, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        total += (uint64_t)got;
        if (total > CLO_PE_SIZE_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", path,
                            CLO_PE_SIZE_MAX);
        if (!clo_write_all(fd, clo_bytes(piece, (size_t)got), err))
            return clo_wrap(err, "%s", path);
    }
    *out = fd;
    fd = -1;
    return true;
}

bool uki_file_open(const char *path, struct uki_file *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is a folder", path);
    if (!S_ISREG(status.st_mode)) {
        int memory = -1;
        if (!copy_to_memory(fd, path, &memory, err))
            return false;
        close(fd);
        fd = memory;
        if (fstat(fd, &status) != 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    }
    if ((uint64_t)status.st_size > CLO_PE_SIZE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", path, CLO_PE_SIZE_MAX);
    *out = (struct uki_file){ .path = path, .fd = fd, .size = (uint64_t)status.st_size };
    fd = -1;
    return true;
}

void uki_file_close(struct uki_file *file)
{
    if (file->path != NULL)
        clo_fd_close(&file->fd);
    file->path = NULL;
}

bool uki_file_read(const struct uki_file *file, uint64_t at, void *out, size_t size,
                   struct clo_error *err)
{
    uint8_t *to = out;

    while (size > 0) {
        ssize_t got = pread(file->fd, to, size, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", file->path, strerror(errno));
        if (got == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: became shorter while it was read",
                            file->path);
        to += got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

/* --- Images --- */

static bool load(struct uki_image *image, uint64_t at, uint64_t size, struct clo_bytes *view,
                 struct clo_error *err)
{
    struct clo_buffer *buffer = &image->loaded[image->loaded_count++];

    clo_buffer_zero(buffer, (size_t)size);
    if (!clo_buffer_ok(buffer))
        return clo_out_of_memory(err);
    if (!uki_file_read(&image->file, at, buffer->data, (size_t)size, err))
        return false;
    *view = clo_buffer_bytes(buffer);
    return true;
}

/* What follows the head and is small. */
static bool load_small(struct uki_image *image, struct clo_error *err)
{
    struct clo_pe *pe = &image->uki.pe;

    for (size_t i = 0; i < pe->section_count; i++) {
        struct clo_pe_section *section = &pe->sections[i];
        uint64_t size = section->virtual_size < section->raw_size ? section->virtual_size
                                                                  : section->raw_size;
        if (size > 0 && size <= SMALL_SECTION && section->data.size == 0 &&
            !load(image, section->raw_offset, size, &section->data, err))
            return false;
    }
    if (pe->certificate_size > CERTIFICATE_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "certificate table: %llu bytes",
                        (unsigned long long)pe->certificate_size);
    return pe->certificate_size == 0 || pe->certificates.size > 0 ||
           load(image, pe->certificate_offset, pe->certificate_size, &pe->certificates, err);
}

static bool read_head(struct uki_image *image, struct clo_error *err)
{
    size_t size = image->file.size < HEAD_SIZE ? (size_t)image->file.size : HEAD_SIZE;

    clo_buffer_zero(&image->head, size);
    if (!clo_buffer_ok(&image->head))
        return clo_out_of_memory(err);
    return (size == 0 || uki_file_read(&image->file, 0, image->head.data, size, err)) &&
           clo_pe_parse_head(clo_buffer_bytes(&image->head), image->file.size, &image->uki.pe,
                             err) &&
           load_small(image, err);
}

bool uki_image_open(const char *path, struct uki_image **out, struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = calloc(1, sizeof *image);

    if (image == NULL)
        return clo_out_of_memory(err);
    if (!uki_file_open(path, &image->file, err))
        return false;
    if (!read_head(image, err))
        return clo_wrap(err, "%s", path);
    image->is_uki = clo_pe_section_find(&image->uki.pe, ".linux") != NULL;
    if (!clo_uki_read(&image->uki, err) && image->is_uki)
        return clo_wrap(err, "%s", path);
    *out = CLO_TAKE(image);
    return true;
}

void uki_image_freep(struct uki_image **image)
{
    if (*image == NULL)
        return;
    for (size_t i = 0; i < (*image)->loaded_count; i++)
        clo_buffer_free(&(*image)->loaded[i]);
    clo_buffer_free(&(*image)->head);
    uki_file_close(&(*image)->file);
    free(*image);
    *image = NULL;
}
