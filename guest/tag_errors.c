#include "guest/tag_errors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"

#define WORDS      "INTEGRITY AEAD ERROR, sector "
#define LINE_LIMIT 8192 /* the kernel's own limit of a record */

void clo_tag_errors_line(const char *line, struct clo_tag_errors *errors)
{
    const char *at = strstr(line, WORDS);

    /* Of device-mapper itself: "device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR, sector 8". */
    if (at == NULL || strstr(line, "crypt: ") == NULL || strstr(line, "crypt: ") > at)
        return;
    if (errors->count++ == 0)
        errors->first = strtoull(at + strlen(WORDS), NULL, 10);
}

void clo_tag_errors_read(const char *path, struct clo_tag_errors *out)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char line[LINE_LIMIT + 1];

    *out = (struct clo_tag_errors){ 0 };
    for (;;) {
        /* One record a read; EPIPE: it was overwritten meanwhile, and the next is there. */
        ssize_t got = fd < 0 ? 0 : read(fd, line, LINE_LIMIT);
        if (got < 0 && (errno == EINTR || errno == EPIPE))
            continue;
        if (got <= 0)
            return;
        line[got] = '\0';
        clo_tag_errors_line(line, out);
    }
}
