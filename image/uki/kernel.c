/* What is given as a kernel, for image/uki/work.h: an EFI image, or one that is compressed; nothing else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/uki/work.h"
#include "lib/unpack/unpack.h"

#define HEAD_SIZE      4096
#define RELEASE_HEAD   ((size_t)66 << 10) /* where a bzImage may name its release */
#define UNPACKED_LIMIT ((size_t)512 << 20)

static bool starts_with(struct clo_bytes head, size_t at, const char *magic, size_t size)
{
    return head.size >= at + size && memcmp(head.data + at, magic, size) == 0;
}

/* By its headers' marks alone: what is inside need not be as strict as what we make. */
static bool is_efi(struct clo_bytes head)
{
    struct clo_reader r = clo_reader(head);

    if (!starts_with(head, 0, "MZ", 2))
        return false;
    clo_read_skip(&r, 0x3c);
    uint32_t at = clo_read_le32(&r);
    return clo_reader_ok(&r) && at < head.size && starts_with(head, at, "PE\0\0", 4);
}

/* A bzImage without an EFI header: systemd's older stubs start it by its own protocol. */
static bool is_bzimage(struct clo_bytes head)
{
    return starts_with(head, 0x202, "HdrS", 4);
}

static bool refuse(const char *path, struct clo_bytes head, struct clo_error *err)
{
    const char *what = starts_with(head, 0,
                                   "\x7f"
                                   "ELF",
                                   4)
                               ? "is an ELF file: of a kernel, the EFI image is wanted "
                                 "(arch/x86/boot/bzImage, arch/arm64/boot/Image)"
                       : starts_with(head, 0, "#!", 2) ? "is a script, not a kernel"
                       : starts_with(head, 0, "!<arch>\n", 8)
                               ? "is a Debian package: unpack it (dpkg-deb -x), the kernel is "
                                 "boot/vmlinuz-… of linux-image-… (or -unsigned, linux-binary-…)"
                       : starts_with(head, 56, "ARM\x64", 4)
                               ? "is a kernel without an EFI stub (CONFIG_EFI): no stub starts it"
                               : "is not an EFI image, which is what the stub starts as kernel";

    return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, what);
}

/* Into a file in memory, which the descriptor keeps. */
static bool unpack(const char *name, const char *path, enum clo_compression compression, int *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer packed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { .limit = UNPACKED_LIMIT };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    size_t used;

    if (!clo_file_read(path, CLO_PE_SIZE_MAX, &packed, err))
        return false;
    if (!clo_unpack(clo_buffer_bytes(&packed), &kernel, &used, err))
        return clo_wrap(err, "%s: %s", name, clo_compression_name(compression));
    struct clo_bytes bytes = clo_buffer_bytes(&kernel);
    if (!is_efi(clo_bytes_slice(bytes, 0, HEAD_SIZE)))
        return refuse(name, bytes, err);
    fd = memfd_create("kernel", MFD_CLOEXEC);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", name, strerror(errno));
    if (!clo_write_all(fd, bytes, err))
        return clo_wrap(err, "%s", name);
    *out = fd;
    fd = -1;
    return true;
}

/* Not regular, it can be read once only, and is asked for several times. */
static void keep(struct uki_kernel *kernel, int fd)
{
    kernel->fd = fd;
    snprintf(kernel->kept, sizeof kernel->kept, "/proc/self/fd/%d", fd);
    kernel->path = kernel->kept;
}

static bool is_regular(const char *path)
{
    struct stat status;

    return strcmp(path, "-") != 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool open_packed(struct uki_kernel *kernel, const char *name, const char *path,
                        enum clo_compression compression, uki_tell *tell, struct clo_error *err)
{
    char line[300];
    int fd;

    if (!unpack(name, path, compression, &fd, err))
        return false;
    clo_fd_close(&kernel->fd);
    keep(kernel, fd);
    snprintf(line, sizeof line, "note: %.200s: is compressed (%s), which no stub starts: unpacked",
             name, clo_compression_name(compression));
    if (tell != NULL)
        tell(line);
    return true;
}

bool uki_kernel_open(struct uki_kernel *kernel, const char *path, uki_tell *tell,
                     struct clo_error *err)
{
    CLO_CLEANUP(uki_file_close) struct uki_file file = { 0 };
    uint8_t bytes[HEAD_SIZE];

    kernel->path = path;
    kernel->fd = -1;
    if (path == NULL)
        return true;
    if (!uki_file_open(path, &file, err))
        return false;
    size_t size = file.size < sizeof bytes ? (size_t)file.size : sizeof bytes;
    if (!uki_file_read(&file, 0, bytes, size, err))
        return false;
    struct clo_bytes head = clo_bytes(bytes, size);
    enum clo_compression compression = clo_compression_of(head);
    if (size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path);
    if (!is_efi(head) && !is_bzimage(head) && compression == CLO_COMPRESSION_NONE)
        return refuse(path, head, err);
    if (!is_regular(path)) {
        keep(kernel, file.fd);
        file.path = NULL;
    }
    return is_efi(head) || is_bzimage(head) ||
           open_packed(kernel, path, kernel->path, compression, tell, err);
}

void uki_kernel_close(struct uki_kernel *kernel)
{
    if (kernel->path == kernel->kept)
        clo_fd_close(&kernel->fd);
    kernel->path = NULL;
}

/* --- Its release --- */

/* "Linux version …" anywhere in the file. */
static bool scan_banner(const struct uki_file *file, char *out, size_t size)
{
    enum {
        PIECE = 128 << 10
    };
    CLO_CLEANUP(clo_freep) uint8_t *room = malloc(PIECE);
    struct clo_error ignored;

    for (uint64_t at = 0; room != NULL && at < file->size; at += PIECE - CLO_KERNEL_BANNER_MAX) {
        size_t left = file->size - at < PIECE ? (size_t)(file->size - at) : PIECE;
        if (!uki_file_read(file, at, room, left, &ignored))
            return false;
        if (clo_kernel_banner(clo_bytes(room, left), out, size))
            return true;
        if (left < PIECE)
            break;
    }
    return false;
}

bool uki_kernel_release(const char *path, char out[UKI_RELEASE_MAX], struct clo_error *err)
{
    CLO_CLEANUP(uki_file_close) struct uki_file file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };

    out[0] = '\0';
    if (!uki_file_open(path, &file, err))
        return false;
    size_t size = file.size < RELEASE_HEAD ? (size_t)file.size : RELEASE_HEAD;
    clo_buffer_zero(&head, size);
    if (!clo_buffer_ok(&head))
        return clo_out_of_memory(err);
    if (size > 0 && !uki_file_read(&file, 0, head.data, size, err))
        return false;
    if (!clo_kernel_release(clo_buffer_bytes(&head), out, UKI_RELEASE_MAX) &&
        !scan_banner(&file, out, UKI_RELEASE_MAX))
        out[0] = '\0';
    return true;
}
