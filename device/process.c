#include "device/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"

#define OUTPUT_LIMIT ((size_t)16 << 20)
#define STDERR_KEPT  400
#define SEARCH_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Runs in the child: 127 says that the program is not there, 126 that it cannot be run. */
static _Noreturn void run_child(const char *const *argv, const char *const *environment, int out,
                                int error_out)
{
    clearenv();
    setenv("PATH", SEARCH_PATH, 1);
    setenv("LC_ALL", "C", 1);
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        putenv((char *)(uintptr_t)environment[i]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out >= 0 ? out : null, STDOUT_FILENO);
    dup2(error_out >= 0 ? error_out : null, STDERR_FILENO);
    close_range(3, ~0U, 0);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(errno == ENOENT ? 127 : 126);
}

/* Keeps the last STDERR_KEPT bytes. */
static void keep_tail(char *tail, size_t *used, const char *piece, size_t size)
{
    if (size >= STDERR_KEPT) {
        memcpy(tail, piece + size - STDERR_KEPT, STDERR_KEPT);
        *used = STDERR_KEPT;
        return;
    }
    if (*used + size > STDERR_KEPT) {
        size_t drop = *used + size - STDERR_KEPT;
        memmove(tail, tail + drop, *used - drop);
        *used -= drop;
    }
    memcpy(tail + *used, piece, size);
    *used += size;
}

static void drain(int out_fd, int error_fd, struct clo_buffer *out, char *tail, size_t *tail_used)
{
    struct pollfd fds[2] = { { out_fd, POLLIN, 0 }, { error_fd, POLLIN, 0 } };
    char piece[16384];

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            ssize_t got = read(fds[i].fd, piece, sizeof piece);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                fds[i].fd = -1;
            else if (i == 1)
                keep_tail(tail, tail_used, piece, (size_t)got);
            else if (out != NULL)
                clo_buffer_append(out, clo_bytes(piece, (size_t)got));
        }
    }
}

bool clo_process_run(const char *const *argv, const char *const *environment,
                     struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int out_read = -1;
    CLO_CLEANUP(clo_fd_close) int out_write = -1;
    CLO_CLEANUP(clo_fd_close) int error_read = -1;
    CLO_CLEANUP(clo_fd_close) int error_write = -1;
    char tail[STDERR_KEPT + 1];
    size_t tail_used = 0;
    int pipe_fds[2];

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", argv[0], strerror(errno));
    out_read = pipe_fds[0];
    out_write = pipe_fds[1];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", argv[0], strerror(errno));
    error_read = pipe_fds[0];
    error_write = pipe_fds[1];
    if (out != NULL && out->limit == 0)
        out->limit = OUTPUT_LIMIT;

    pid_t pid = fork();
    if (pid < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", argv[0], strerror(errno));
    if (pid == 0)
        run_child(argv, environment, out_write, error_write);
    clo_fd_close(&out_write);
    clo_fd_close(&error_write);
    drain(out_read, error_read, out, tail, &tail_used);

    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", argv[0], strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: not installed", argv[0]);
    if (WIFSIGNALED(status))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: ended by signal %d", argv[0], WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) {
        while (tail_used > 0 && (tail[tail_used - 1] == '\n' || tail[tail_used - 1] == ' '))
            tail_used--;
        tail[tail_used] = '\0';
        const char *last = strrchr(tail, '\n');
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: exit status %d: %s", argv[0], WEXITSTATUS(status),
                        last == NULL ? tail : last + 1);
    }
    if (out != NULL && !clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: more output than %zu bytes", argv[0], out->limit);
    return true;
}

bool clo_process_start(const char *const *argv, int log_fd, pid_t *out, struct clo_error *err)
{
    pid_t pid = fork();

    if (pid < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", argv[0], strerror(errno));
    if (pid == 0)
        run_child(argv, NULL, log_fd, log_fd);
    *out = pid;
    return true;
}

void clo_process_stop(pid_t pid, unsigned grace_ms)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (unsigned waited = 0; waited < grace_ms; waited += 10) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}
