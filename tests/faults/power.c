/* LD_PRELOAD: the power goes in a chosen one of a program's changes to files. What was written to a file since it was flushed last is
 * lost: it is what it was then. Of what a write would have written, nothing arrives.
 *
 *   POWER_PROGRAM=cloister   only in the program of this name
 *   POWER_AT=12              the 12th change
 *   POWER_NAMES=lost         renamings since a folder was flushed last are undone as well; default: they stay, as a file system
 *                            may have it
 *   POWER_BAD=N              reading the N-th byte of the file that has as many bytes as POWER_OF says fails
 *   POWER_COUNT=FILE         at the program's end: how many changes there were
 *
 * It sees one processor, and its clock is a second further at each look: what is done from time to time is done at each step, and the
 * same place is the same in each run.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* One change that is not on the disk yet; the newest first. */
struct change {
    struct change *next;
    dev_t device;
    ino_t node;
    int fd; /* of the file, for writing; -1: a renaming */
    off_t offset, size;
    void *before;
    size_t length;
    char from[PATH_MAX], to[PATH_MAX], kept[PATH_MAX + 16];
};

static struct change *changes;
static unsigned long count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The C library's own function of this name. */
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
typedef int (*fd_call)(int);
typedef int (*size_call)(int, off_t);
typedef int (*range_call)(int, int, off_t, off_t);
typedef int (*paths_call)(const char *, const char *);
typedef long (*sysconf_call)(int);
typedef int (*clock_call)(clockid_t, struct timespec *);

static bool is_ours(void)
{
    const char *program = getenv("POWER_PROGRAM");

    return program != NULL && strcmp(program, program_invocation_short_name) == 0;
}

static bool are_names_lost(void)
{
    const char *names = getenv("POWER_NAMES");

    return names != NULL && strcmp(names, "lost") == 0;
}

static void undo(const struct change *change)
{
    if (change->fd < 0) {
        if (REAL(paths_call, "rename")(change->to, change->from) == 0 && change->kept[0] != '\0')
            (void)REAL(paths_call, "rename")(change->kept, change->to);
        return;
    }
    if (change->length > 0)
        (void)!REAL(pwrite_call, "pwrite")(change->fd, change->before, change->length,
                                           change->offset);
    (void)REAL(size_call, "ftruncate")(change->fd, change->size);
}

/* The lock is held. Counts a change, and does not come back if it is the one. */
static void count_change(void)
{
    const char *at = getenv("POWER_AT");

    if (++count != (at == NULL ? 0 : strtoul(at, NULL, 10)))
        return;
    for (struct change *change = changes; change != NULL; change = change->next)
        if (change->fd >= 0 || are_names_lost())
            undo(change);
    for (;;)
        (void)raise(SIGKILL);
}

/* What is at this place now, before it is changed. */
static void keep(int fd, const struct stat *status, off_t offset, size_t length)
{
    struct change *change = calloc(1, sizeof *change);
    char path[64];

    if (change == NULL)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *change = (struct change){ .next = changes,
                               .device = status->st_dev,
                               .node = status->st_ino,
                               .fd = open(path, O_RDWR | O_CLOEXEC),
                               .offset = offset,
                               .size = status->st_size };
    if (change->fd < 0)
        abort();
    if (offset < status->st_size) {
        off_t there = status->st_size - offset;
        change->length = there < (off_t)length ? (size_t)there : length;
        change->before = malloc(change->length);
        if (change->before == NULL ||
            pread(change->fd, change->before, change->length, offset) != (ssize_t)change->length)
            abort();
    }
    changes = change;
}

/* A file was flushed; or a folder, and with it all names. */
static void forget(const struct stat *status)
{
    bool is_folder = S_ISDIR(status->st_mode);

    for (struct change **at = &changes; *at != NULL;) {
        struct change *change = *at;
        bool is_done = is_folder ? change->fd < 0
                                 : change->fd >= 0 && change->device == status->st_dev &&
                                           change->node == status->st_ino;
        if (!is_done) {
            at = &change->next;
            continue;
        }
        *at = change->next;
        if (change->fd >= 0)
            close(change->fd);
        if (change->kept[0] != '\0')
            (void)unlink(change->kept);
        free(change->before);
        free(change);
    }
}

static bool is_file(int fd, struct stat *status)
{
    return is_ours() && fd > STDERR_FILENO && fstat(fd, status) == 0 && S_ISREG(status->st_mode);
}

__attribute__((destructor)) static void tell_count(void)
{
    const char *path = getenv("POWER_COUNT");
    FILE *file = path != NULL && is_ours() ? fopen(path, "w") : NULL;

    if (file == NULL)
        return;
    fprintf(file, "%lu\n", count);
    fclose(file);
}

static ssize_t place(const char *name, int fd, const void *data, size_t size, off_t offset)
{
    struct stat status;

    if (!is_file(fd, &status))
        return REAL(pwrite_call, name)(fd, data, size, offset);
    pthread_mutex_lock(&lock);
    count_change();
    (void)fstat(fd, &status);
    keep(fd, &status, offset, size);
    ssize_t put = REAL(pwrite_call, name)(fd, data, size, offset);
    pthread_mutex_unlock(&lock);
    return put;
}

/* The disk that is converted has a place that cannot be read. */
static bool is_bad(int fd, size_t size, off_t offset)
{
    const char *at = getenv("POWER_BAD"), *of = getenv("POWER_OF");
    struct stat status;

    return at != NULL && of != NULL && is_ours() && fstat(fd, &status) == 0 &&
           status.st_size == atol(of) && offset <= atol(at) && offset + (off_t)size > atol(at);
}

typedef ssize_t (*pread_call)(int, void *, size_t, off_t);

static ssize_t get(const char *name, int fd, void *data, size_t size, off_t offset)
{
    if (!is_bad(fd, size, offset))
        return REAL(pread_call, name)(fd, data, size, offset);
    errno = EIO;
    return -1;
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return get("pread", fd, data, size, offset);
}

ssize_t pread64(int fd, void *data, size_t size, off_t offset)
{
    return get("pread64", fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return place("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return place("pwrite64", fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    write_call real = REAL(write_call, "write");
    struct stat status;

    if (!is_file(fd, &status))
        return real(fd, data, size);
    pthread_mutex_lock(&lock);
    count_change();
    (void)fstat(fd, &status);
    bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    keep(fd, &status, appends ? status.st_size : lseek(fd, 0, SEEK_CUR), size);
    ssize_t put = real(fd, data, size);
    pthread_mutex_unlock(&lock);
    return put;
}

static int resize(const char *name, int fd, off_t size)
{
    struct stat status;

    if (!is_file(fd, &status))
        return REAL(size_call, name)(fd, size);
    pthread_mutex_lock(&lock);
    count_change();
    (void)fstat(fd, &status);
    keep(fd, &status, size, status.st_size > size ? (size_t)(status.st_size - size) : 0);
    int result = REAL(size_call, name)(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return resize("ftruncate", fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return resize("ftruncate64", fd, size);
}

/* Room that is given, or a hole that is made, is a change like another. */
static int allot(const char *name, int fd, int mode, off_t offset, off_t size)
{
    struct stat status;
    range_call real = REAL(range_call, name);

    if (!is_file(fd, &status))
        return real(fd, mode, offset, size);
    pthread_mutex_lock(&lock);
    count_change();
    (void)fstat(fd, &status);
    keep(fd, &status, offset, (size_t)size);
    int result = real(fd, mode, offset, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return allot("fallocate", fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return allot("fallocate64", fd, mode, offset, size);
}

static int flush(const char *name, int fd)
{
    struct stat status;

    if (!is_ours() || fstat(fd, &status) != 0)
        return REAL(fd_call, name)(fd);
    pthread_mutex_lock(&lock);
    count_change();
    int result = REAL(fd_call, name)(fd);
    if (result == 0)
        forget(&status);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    return flush("fsync", fd);
}

int fdatasync(int fd)
{
    return flush("fdatasync", fd);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static atomic_long seconds;
    int result = REAL(clock_call, "clock_gettime")(clock, out);

    if (result == 0 && clock == CLOCK_MONOTONIC && is_ours())
        out->tv_sec += atomic_fetch_add(&seconds, 1);
    return result;
}

/* One thread: the same place in each run. */
long sysconf(int name)
{
    return is_ours() && name == _SC_NPROCESSORS_ONLN ? -1 : REAL(sysconf_call, "sysconf")(name);
}

/* The file that was there before is kept under another name, for as long as this can be undone. */
int rename(const char *from, const char *to)
{
    paths_call real = REAL(paths_call, "rename");

    if (!is_ours())
        return real(from, to);
    pthread_mutex_lock(&lock);
    count_change();
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL)
        abort();
    change->fd = -1;
    change->next = changes;
    snprintf(change->from, sizeof change->from, "%s", from);
    snprintf(change->to, sizeof change->to, "%s", to);
    snprintf(change->kept, sizeof change->kept, "%s.%lu~", to, count);
    if (!are_names_lost() || REAL(paths_call, "link")(to, change->kept) != 0)
        change->kept[0] = '\0';
    int result = real(from, to);
    if (result == 0)
        changes = change;
    else
        free(change);
    pthread_mutex_unlock(&lock);
    return result;
}
