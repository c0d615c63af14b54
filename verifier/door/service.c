#include "verifier/door/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_LISTENER 3 /* SD_LISTEN_FDS_START */

void clo_service_notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = name == NULL ? 0 : strlen(name);

    if (size == 0 || size >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@'))
        return;
    memcpy(address.sun_path, name, size);
    if (name[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
    close(fd);
}

void clo_service_notify_reloading(void)
{
    struct timespec now;
    char state[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    clo_service_notify(state);
}

/* A number of the environment; -1: there is none. */
static long long number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : -1;
}

/* Meant for another process, if a pid says so. */
static bool is_ours(const char *pid_name)
{
    return getenv(pid_name) == NULL || number(pid_name) == (long long)getpid();
}

int64_t clo_service_watchdog_ms(void)
{
    long long microseconds = number("WATCHDOG_USEC");

    return microseconds > 0 && is_ours("WATCHDOG_PID") ? microseconds / 1000 : 0;
}

bool clo_service_listeners(int out[CLO_SERVICE_LISTENERS_MAX], size_t *count, struct clo_error *err)
{
    long long fds = number("LISTEN_FDS");
    bool is_for_us = getenv("LISTEN_PID") != NULL && is_ours("LISTEN_PID");

    *count = 0;
    if (fds <= 0 || !is_for_us)
        return true;
    if (fds > CLO_SERVICE_LISTENERS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "LISTEN_FDS: %lld sockets, at most %d", fds,
                        CLO_SERVICE_LISTENERS_MAX);
    for (int i = 0; i < (int)fds; i++) {
        int fd = FIRST_LISTENER + i, listens = 0;
        socklen_t size = sizeof listens;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            return clo_fail(err, CLO_ERR_USAGE, "LISTEN_FDS: %d is not a socket that listens", fd);
        out[i] = fd;
    }
    *count = (size_t)fds;
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    return true;
}
