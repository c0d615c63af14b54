#include "device/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool clo_fd_lock(int fd, unsigned seconds, struct clo_error *err)
{
    const struct timespec pause = { .tv_nsec = 100000000 };

    for (unsigned left = seconds * 10;; left--) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return clo_fail(err, CLO_ERR_SYSTEM, "lock: %s", strerror(errno));
        if (left == 0)
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "is locked by another run for %u s now",
                            seconds);
        nanosleep(&pause, NULL);
    }
}

void clo_fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool read_some(int fd, const char *name, uint8_t *out, size_t size, size_t *got,
                      struct clo_error *err)
{
    ssize_t result;

    do
        result = read(fd, out, size);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", name, strerror(errno));
    *got = (size_t)result;
    return true;
}

static bool too_large(const char *name, size_t limit, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", name, limit);
}

/* A large file goes into large pages, where the system has them to give: to fill small ones takes longer than to read it.
 * Otherwise the buffer stays empty. */
static void reserve_large_pages(struct clo_buffer *out, size_t size)
{
    enum {
        PAGE = 2 << 20
    };
    size_t room = (size + PAGE - 1) / PAGE * PAGE;

    if (out->data != NULL || out->limit != 0 || size < (size_t)2 * PAGE)
        return;
    out->data = aligned_alloc(PAGE, room);
    if (out->data == NULL)
        return;
    out->capacity = room;
    (void)madvise(out->data, room, MADV_HUGEPAGE); /* a hint, and may fail */
}

/* Straight into the buffer, which is made as large as the file says at once. */
static bool read_all(int fd, const char *name, size_t limit, struct clo_buffer *out,
                     struct clo_error *err)
{
    enum {
        PIECE = 65536
    };
    struct stat status;
    size_t total = 0;
    size_t got;

    if (fstat(fd, &status) == 0 && status.st_size > 0 && (uint64_t)status.st_size <= limit) {
        reserve_large_pages(out, (size_t)status.st_size + 2);
        clo_buffer_reserve(out, (size_t)status.st_size + 1);
    }
    do {
        if (out->capacity - out->size < 2)
            clo_buffer_reserve(out, out->size < PIECE ? PIECE : out->size);
        if (!clo_buffer_ok(out))
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: out of memory", name);
        size_t room = out->capacity - out->size - 1; /* the last byte is for a NUL */
        if (!read_some(fd, name, out->data + out->size, room, &got, err))
            return false;
        out->size += got;
        total += got;
        if (total > limit)
            return too_large(name, limit, err);
    } while (got > 0);
    return true;
}

/* A secret passes through no memory that is not wiped. */
static bool read_all_secret(int fd, const char *name, struct clo_secret *out, size_t *used,
                            struct clo_error *err)
{
    size_t limit = clo_secret_size(out);
    uint8_t more;
    size_t got;

    *used = 0;
    do {
        bool is_full = *used == limit;
        if (!read_some(fd, name, is_full ? &more : clo_secret_data(out) + *used,
                       is_full ? 1 : limit - *used, &got, err))
            return false;
        *used += got;
    } while (got > 0 && *used <= limit);
    clo_wipe(&more, sizeof more);
    return *used <= limit || too_large(name, limit, err);
}

static bool open_for_reading(int folder, const char *name, int *out, struct clo_error *err)
{
    struct stat status;
    int fd = strcmp(name, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", name, strerror(errno));
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is a folder", name);
    }
    *out = fd;
    return true;
}

bool clo_file_read_at(int folder, const char *name, size_t limit, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;

    return open_for_reading(folder, name, &fd, err) && read_all(fd, name, limit, out, err);
}

bool clo_file_read(const char *path, size_t limit, struct clo_buffer *out, struct clo_error *err)
{
    return clo_file_read_at(AT_FDCWD, path, limit, out, err);
}

bool clo_file_read_secret(const char *path, size_t limit, struct clo_secret **out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *room = NULL;
    size_t used;

    if (!open_for_reading(AT_FDCWD, path, &fd, err) || !clo_secret_new(limit, &room, err))
        return false;
    if (!read_all_secret(fd, path, room, &used, err))
        return false;
    return clo_secret_copy(clo_bytes(clo_secret_data(room), used), out, err);
}

/* Where data begins at or after `at`, so that holes are not read; `at` itself where the system cannot say. */
static uint64_t next_data(int fd, uint64_t at, uint64_t end)
{
    off_t found = lseek(fd, (off_t)at, SEEK_DATA);
    struct stat meta;

    if (found >= 0)
        return (uint64_t)found < end ? (uint64_t)found : end;
    /* Nothing but a hole up to the end of the file, which must be at or after `end`. */
    return errno == ENXIO && fstat(fd, &meta) == 0 && (uint64_t)meta.st_size >= end ? end : at;
}

bool clo_fd_read(int fd, uint64_t at, size_t size, struct clo_buffer *out, struct clo_error *err)
{
    enum {
        LARGE = 1 << 20 /* from here on it is worth asking for holes */
    };
    size_t start = out->size, have = 0;

    clo_buffer_zero(out, size);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    while (have < size) {
        size_t skipped = size < LARGE ? 0 : next_data(fd, at + have, at + size) - (at + have);
        have += skipped;
        size_t piece = size - have < LARGE ? size - have : LARGE;
        ssize_t got = pread(fd, out->data + start + have, piece, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (got == 0 && piece != 0))
            return clo_fail(err, CLO_ERR_FORMAT, "cut short at byte %llu",
                            (unsigned long long)(at + have));
        have += (size_t)got;
    }
    return true;
}

bool clo_fd_write(int fd, uint64_t at, struct clo_bytes bytes, struct clo_error *err)
{
    while (bytes.size > 0) {
        ssize_t put = pwrite(fd, bytes.data, bytes.size, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(put < 0 ? errno : EIO));
        bytes = clo_bytes_slice(bytes, (size_t)put, bytes.size);
        at += (uint64_t)put;
    }
    return true;
}

bool clo_write_all(int fd, struct clo_bytes bytes, struct clo_error *err)
{
    while (bytes.size > 0) {
        ssize_t put = write(fd, bytes.data, bytes.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "write: %s", strerror(errno));
        bytes = clo_bytes_slice(bytes, (size_t)put, bytes.size);
    }
    return true;
}
