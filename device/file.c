#include "device/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
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

/* --- Files that appear whole --- */

#define OPEN_MAX_AT_ONCE 16
static char *volatile temporaries[OPEN_MAX_AT_ONCE]; /* for clo_new_file_abandon_all() */

static void remember(char *temporary)
{
    for (size_t i = 0; i < OPEN_MAX_AT_ONCE; i++) {
        char *empty = NULL;
        if (__atomic_compare_exchange_n(&temporaries[i], &empty, temporary, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return;
    }
}

static void forget(char *temporary)
{
    for (size_t i = 0; i < OPEN_MAX_AT_ONCE; i++) {
        char *this = temporary;
        if (__atomic_compare_exchange_n(&temporaries[i], &this, NULL, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return;
    }
}

void clo_new_file_abandon_all(void)
{
    for (size_t i = 0; i < OPEN_MAX_AT_ONCE; i++)
        if (temporaries[i] != NULL)
            unlink(temporaries[i]);
}

bool clo_new_file_open(const char *path, mode_t mode, struct clo_new_file *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *final = strdup(path);
    CLO_CLEANUP(clo_freep) char *temporary = NULL;

    if (final == NULL || asprintf(&temporary, "%s.XXXXXX.part", path) < 0) {
        temporary = NULL;
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    }
    int fd = mkostemps(temporary, 5, O_CLOEXEC);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    remember(temporary);
    if (fchmod(fd, mode) != 0) {
        unlink(temporary);
        forget(temporary);
        close(fd);
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    }
    *out = (struct clo_new_file){ .fd = fd };
    out->path = CLO_TAKE(final);
    out->temporary = CLO_TAKE(temporary);
    return true;
}

static bool sync_folder_of(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(path);

    if (copy == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    CLO_CLEANUP(clo_fd_close)
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return true;
}

bool clo_new_file_commit(struct clo_new_file *file, struct clo_error *err)
{
    if (fsync(file->fd) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
    if (rename(file->temporary, file->path) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
    forget(file->temporary);
    free(file->temporary);
    file->temporary = NULL;
    return sync_folder_of(file->path, err);
}

void clo_new_file_free(struct clo_new_file *file)
{
    if (file->temporary != NULL) {
        unlink(file->temporary);
        forget(file->temporary);
        close(file->fd);
    } else if (file->path != NULL) {
        close(file->fd);
    }
    free(file->temporary);
    free(file->path);
    *file = (struct clo_new_file){ .fd = -1 };
}

bool clo_file_write(const char *path, struct clo_bytes bytes, mode_t mode, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file file = { .fd = -1 };

    if (!clo_new_file_open(path, mode, &file, err))
        return false;
    if (!clo_write_all(file.fd, bytes, err))
        return clo_wrap(err, "%s", path);
    return clo_new_file_commit(&file, err);
}

/* --- Scratch folders --- */

bool clo_scratch_new(const char *near, struct clo_scratch *out, struct clo_error *err)
{
    struct clo_scratch scratch;
    const char *base = near != NULL ? near : getenv("TMPDIR");

    if (base == NULL || *base == '\0')
        base = "/tmp";
    int size = snprintf(scratch.path, sizeof scratch.path, "%s/.cloister-XXXXXX", base);
    if (size < 0 || (size_t)size >= sizeof scratch.path)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: path too long", base);
    if (mkdtemp(scratch.path) == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", base, strerror(errno));
    *out = scratch;
    return true;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void clo_scratch_free(struct clo_scratch *scratch)
{
    if (scratch->path[0] != '\0')
        (void)nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    scratch->path[0] = '\0';
}
