/* LD_PRELOAD: one chosen change that a program makes to files fails, or the program is killed in the middle of it. What a test tries is a
 * place in the program's work, not a moment on the clock.
 *
 *   FAULTS_PROGRAM=cloister  only in the program of this name: what it starts is left alone
 *   FAULTS_CALLS=fdatasync   which calls are counted; separated by commas; default all below
 *   FAULTS_AT=12             the 12th of them
 *   FAULTS_DO=kill|ENOSPC|EIO|EINVAL|INT|TERM  what becomes of it; kill: half of what a write would write is written first; INT and TERM: the
 *                            program gets that signal, and the call is made
 *   FAULTS_COUNT=FILE        at the program's end: how many there were
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_ulong calls;

static bool is_ours(void)
{
    const char *program = getenv("FAULTS_PROGRAM");

    return program != NULL && strcmp(program, program_invocation_short_name) == 0;
}

/* NAME is one of the words of FAULTS_CALLS. */
static bool is_counted(const char *name)
{
    const char *list = getenv("FAULTS_CALLS");

    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, ",");
        if (size == strlen(name) && strncmp(list, name, size) == 0)
            return true;
        list += size + (list[size] == ',');
    }
    return getenv("FAULTS_CALLS") == NULL;
}

/* To be asked to end fails nothing. */
static bool is_signal(void)
{
    const char *what = getenv("FAULTS_DO");
    int number = what == NULL                ? 0
                 : strcmp(what, "INT") == 0  ? SIGINT
                 : strcmp(what, "TERM") == 0 ? SIGTERM
                                             : 0;

    return number != 0 && kill(getpid(), number) == 0;
}

/* Is this call the chosen one, and is it not to be made? */
static bool is_chosen(const char *name)
{
    const char *at = getenv("FAULTS_AT");

    if (!is_ours() || !is_counted(name))
        return false;
    return atomic_fetch_add(&calls, 1) + 1 == (at == NULL ? 0 : strtoul(at, NULL, 10)) &&
           !is_signal();
}

/* Does not come back if the program is to be killed. */
static int refuse(void)
{
    const char *what = getenv("FAULTS_DO");

    if (what == NULL || strcmp(what, "kill") == 0)
        for (;;)
            (void)raise(SIGKILL);
    errno = strcmp(what, "ENOSPC") == 0 ? ENOSPC : strcmp(what, "EINVAL") == 0 ? EINVAL : EIO;
    return -1;
}

static bool is_killed(void)
{
    const char *what = getenv("FAULTS_DO");

    return what == NULL || strcmp(what, "kill") == 0;
}

__attribute__((destructor)) static void tell_count(void)
{
    const char *path = getenv("FAULTS_COUNT");
    FILE *file = path != NULL && is_ours() ? fopen(path, "w") : NULL;

    if (file == NULL)
        return;
    fprintf(file, "%lu\n", atomic_load(&calls));
    fclose(file);
}

/* The C library's own function of this name. */
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
typedef ssize_t (*pwritev_call)(int, const struct iovec *, int, off_t);
typedef int (*fd_call)(int);
typedef int (*size_call)(int, off_t);
typedef int (*range_call)(int, int, off_t, off_t);
typedef int (*path_call)(const char *);
typedef int (*paths_call)(const char *, const char *);
typedef int (*rename_call)(int, const char *, int, const char *, unsigned);
typedef int (*mode_call)(const char *, mode_t);

ssize_t write(int fd, const void *data, size_t size)
{
    struct stat status;
    write_call real = REAL(write_call, "write");

    /* What is said to people is not a change of a file. */
    if (fd <= STDERR_FILENO || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        !is_chosen("write"))
        return real(fd, data, size);
    if (is_killed())
        (void)!real(fd, data, size / 2);
    return refuse();
}

static ssize_t place(const char *name, int fd, const void *data, size_t size, off_t offset)
{
    pwrite_call real = REAL(pwrite_call, name);

    if (!is_chosen("pwrite"))
        return real(fd, data, size, offset);
    if (is_killed())
        (void)!real(fd, data, size / 2, offset);
    return refuse();
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return place("pwrite", fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return place("pwrite64", fd, data, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return is_chosen("pwrite") ? refuse() : REAL(pwritev_call, "pwritev")(fd, parts, count, offset);
}

int fsync(int fd)
{
    return is_chosen("fsync") ? refuse() : REAL(fd_call, "fsync")(fd);
}

int fdatasync(int fd)
{
    return is_chosen("fdatasync") ? refuse() : REAL(fd_call, "fdatasync")(fd);
}

int ftruncate(int fd, off_t size)
{
    return is_chosen("ftruncate") ? refuse() : REAL(size_call, "ftruncate")(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return is_chosen("ftruncate") ? refuse() : REAL(size_call, "ftruncate64")(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return is_chosen("fallocate") ? refuse()
                                  : REAL(range_call, "fallocate")(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size)
{
    return is_chosen("fallocate") ? refuse()
                                  : REAL(range_call, "fallocate64")(fd, mode, offset, size);
}

int rename(const char *from, const char *to)
{
    return is_chosen("rename") ? refuse() : REAL(paths_call, "rename")(from, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return is_chosen("renameat2") ? refuse()
                                  : REAL(rename_call, "renameat2")(from_fd, from, to_fd, to, flags);
}

int link(const char *from, const char *to)
{
    return is_chosen("link") ? refuse() : REAL(paths_call, "link")(from, to);
}

int unlink(const char *path)
{
    return is_chosen("unlink") ? refuse() : REAL(path_call, "unlink")(path);
}

int rmdir(const char *path)
{
    return is_chosen("unlink") ? refuse() : REAL(path_call, "rmdir")(path);
}

int remove(const char *path)
{
    return is_chosen("unlink") ? refuse() : REAL(path_call, "remove")(path);
}

int mkdir(const char *path, mode_t mode)
{
    return is_chosen("mkdir") ? refuse() : REAL(mode_call, "mkdir")(path, mode);
}
