#include "device/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void clo_fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Gives what is read to `put`, a piece at a time, so that a secret never passes through a buffer
 * that is not wiped. */
static bool read_all(int fd, const char *name, size_t limit, bool (*put)(void *, struct clo_bytes),
                     void *context, struct clo_error *err)
{
    uint8_t piece[65536];
    size_t total = 0;
    bool ok = false;

    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            clo_fail(err, CLO_ERR_FORMAT, "%s: %s", name, strerror(errno));
            break;
        }
        if (got == 0) {
            ok = true;
            break;
        }
        total += (size_t)got;
        if (total > limit) {
            clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", name, limit);
            break;
        }
        if (!put(context, clo_bytes(piece, (size_t)got))) {
            clo_fail(err, CLO_ERR_SYSTEM, "%s: out of memory", name);
            break;
        }
    }
    clo_wipe(piece, sizeof piece);
    return ok;
}

static bool put_buffer(void *context, struct clo_bytes bytes)
{
    struct clo_buffer *buffer = context;

    clo_buffer_append(buffer, bytes);
    return clo_buffer_ok(buffer);
}

struct secret_put {
    struct clo_secret *secret;
    size_t size;
};

static bool put_secret(void *context, struct clo_bytes bytes)
{
    struct secret_put *to = context;

    if (bytes.size > clo_secret_size(to->secret) - to->size)
        return false;
    memcpy(clo_secret_data(to->secret) + to->size, bytes.data, bytes.size);
    to->size += bytes.size;
    return true;
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

    return open_for_reading(folder, name, &fd, err) &&
           read_all(fd, name, limit, put_buffer, out, err);
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

    if (!open_for_reading(AT_FDCWD, path, &fd, err) || !clo_secret_new(limit, &room, err))
        return false;
    struct secret_put to = { .secret = room };
    if (!read_all(fd, path, limit, put_secret, &to, err))
        return false;
    return clo_secret_copy(clo_bytes(clo_secret_data(room), to.size), out, err);
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
