/* Files that appear whole, folders that vanish, and neither left behind when a signal ends the
 * program. */
#include "device/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- What there is to remove --- */

#define AT_ONCE_MAX 32

/* Held while one is made and noted down, and for good once a signal has ended the program: nothing is
 * made behind the back of what cleans up. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *temporaries[AT_ONCE_MAX];

static bool has_room(void)
{
    for (size_t i = 0; i < AT_ONCE_MAX; i++)
        if (temporaries[i] == NULL)
            return true;
    errno = EMFILE;
    return false;
}

/* The lock is held, and there is room. (Out of memory, only the signals miss it.) */
static void remember(const char *path)
{
    size_t i = 0;

    while (temporaries[i] != NULL)
        i++;
    temporaries[i] = strdup(path);
}

static void forget(const char *path)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < AT_ONCE_MAX; i++) {
        if (temporaries[i] == NULL || strcmp(temporaries[i], path) != 0)
            continue;
        free(temporaries[i]);
        temporaries[i] = NULL;
        break;
    }
    pthread_mutex_unlock(&lock);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Another thread may be making files in a folder that goes: once more, until it is gone. */
static void remove_all(void)
{
    enum {
        TRIES = 100
    };
    struct stat status;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < AT_ONCE_MAX; i++)
        for (int tries = 0;
             temporaries[i] != NULL && tries < TRIES && lstat(temporaries[i], &status) == 0;
             tries++)
            remove_tree(temporaries[i]);
}

static void *wait_for_signal(void *context)
{
    const sigset_t *signals = context;
    int number;

    while (sigwait(signals, &number) != 0)
        continue;
    remove_all();
    /* And it ends as the signal would have ended it. */
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    raise(number);
    _exit(128 + number);
}

bool clo_remove_temporaries_on_signals(struct clo_error *err)
{
    static sigset_t signals;
    pthread_attr_t detached;
    pthread_t thread;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int failure = pthread_create(&thread, &detached, wait_for_signal, &signals);
    pthread_attr_destroy(&detached);
    if (failure == 0)
        return true;
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    return clo_fail(err, CLO_ERR_SYSTEM, "a thread for signals: %s", strerror(failure));
}

/* --- Files that appear whole --- */

/* What a rename would destroy: device nodes, pipes, and the names of open descriptors. */
static bool is_descriptor(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
           strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

static bool choose_way(const char *path, bool *through, struct clo_error *err)
{
    struct stat status;

    *through = is_descriptor(path);
    if (stat(path, &status) != 0)
        return true;
    if (S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: is a folder", path);
    *through = *through || !S_ISREG(status.st_mode);
    return true;
}

/* Next to its final name, or where scratch files go. */
static char *temporary_for(const char *path, bool through)
{
    const char *folder = getenv("TMPDIR");
    char *name = NULL;
    int size;

    if (folder == NULL || *folder == '\0')
        folder = "/tmp";
    if (through)
        size = asprintf(&name, "%s/.cloister-XXXXXX.part", folder);
    else
        size = asprintf(&name, "%s.XXXXXX.part", path);
    return size < 0 ? NULL : name;
}

/* As open(2) would: what is there keeps its mode, unless that is wider than asked for; what is new heeds the
 * umask. The lock is held. */
static mode_t final_mode(const char *path, mode_t mode)
{
    struct stat status;

    if (stat(path, &status) == 0)
        return status.st_mode & mode;
    mode_t mask = umask(0077);
    umask(mask);
    return mode & ~mask;
}

bool clo_new_file_open(const char *path, mode_t mode, struct clo_new_file *out,
                       struct clo_error *err)
{
    bool through;

    if (strcmp(path, "-") == 0)
        path = "/dev/stdout";
    if (!choose_way(path, &through, err))
        return false;
    CLO_CLEANUP(clo_freep) char *final = strdup(path);
    CLO_CLEANUP(clo_freep) char *temporary = temporary_for(path, through);
    if (final == NULL || temporary == NULL)
        return clo_out_of_memory(err);
    pthread_mutex_lock(&lock);
    int fd = has_room() ? mkostemps(temporary, 5, O_CLOEXEC) : -1;
    if (fd >= 0)
        remember(temporary);
    mode = through ? 0600 : final_mode(path, mode);
    pthread_mutex_unlock(&lock);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    if (fchmod(fd, mode) != 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
        unlink(temporary);
        forget(temporary);
        close(fd);
        return false;
    }
    *out = (struct clo_new_file){ .fd = fd, .through = through };
    out->path = CLO_TAKE(final);
    out->temporary = CLO_TAKE(temporary);
    return true;
}

static bool sync_folder_of(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(path);

    if (copy == NULL)
        return clo_out_of_memory(err);
    CLO_CLEANUP(clo_fd_close)
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return true;
}

/* What is whole now goes through the node that is there. */
static bool copy_through(const struct clo_new_file *file, struct clo_error *err)
{
    enum {
        PIECE = 128 << 10
    };
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (is_descriptor(file->path) ? O_APPEND : 0);
    CLO_CLEANUP(clo_fd_close) int node = open(file->path, flags);
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    ssize_t size = 0;

    if (node < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
    if (piece == NULL)
        return clo_out_of_memory(err);
    for (off_t at = 0; (size = pread(file->fd, piece, PIECE, at)) > 0; at += size)
        if (!clo_write_all(node, clo_bytes(piece, (size_t)size), err))
            return clo_wrap(err, "%s", file->path);
    if (size < 0 || (fsync(node) != 0 && errno != EINVAL && errno != EROFS))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", file->path, strerror(errno));
    return true;
}

bool clo_new_file_commit(struct clo_new_file *file, struct clo_error *err)
{
    if (file->through) {
        if (!copy_through(file, err))
            return false;
        unlink(file->temporary);
        forget(file->temporary);
        free(file->temporary);
        file->temporary = NULL;
        return true;
    }
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
    pthread_mutex_lock(&lock);
    bool ok = has_room() && mkdtemp(scratch.path) != NULL;
    if (ok)
        remember(scratch.path);
    pthread_mutex_unlock(&lock);
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", base, strerror(errno));
    *out = scratch;
    return true;
}

void clo_scratch_free(struct clo_scratch *scratch)
{
    if (scratch->path[0] == '\0')
        return;
    remove_tree(scratch->path);
    forget(scratch->path);
    scratch->path[0] = '\0';
}
