#include "guest/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "device/file.h"

#define LINE_LIMIT 8192 /* the kernel's own limit of a record */

void clo_kernel_log_each(const char *path, bool (*take)(void *context, const char *line),
                         void *context)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char line[LINE_LIMIT + 1];

    for (;;) {
        /* One record a read; EPIPE: it was overwritten meanwhile, and the next is there. */
        ssize_t got = fd < 0 ? 0 : read(fd, line, LINE_LIMIT);
        if (got < 0 && (errno == EINTR || errno == EPIPE))
            continue;
        if (got <= 0)
            return;
        line[got] = '\0';
        if (!take(context, line))
            return;
    }
}
