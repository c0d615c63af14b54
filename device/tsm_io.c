/* The folder itself: configfs as the kernel mounts it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"
#include "device/tsm.h"

static int open_attribute(void *context, const char *entry, const char *attribute, int flags)
{
    const int *root = context;
    char path[128];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", entry, attribute) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return openat(*root, path, flags | O_CLOEXEC);
}

static int make(void *context, const char *entry)
{
    const int *root = context;

    return mkdirat(*root, entry, 0700) == 0 ? 0 : errno;
}

/* A real configfs entry goes away with rmdir(2); a plain folder has to be emptied first. */
static void remove_entry(void *context, const char *entry)
{
    static const char *const attributes[] = { "inblob",     "outblob",        "auxblob",
                                              "provider",   "privlevel",      "manifestblob",
                                              "generation", "privlevel_floor" };
    const int *root = context;

    if (unlinkat(*root, entry, AT_REMOVEDIR) == 0 || errno != ENOTEMPTY)
        return;
    int folder = openat(*root, entry, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; folder >= 0 && i < CLO_COUNT(attributes); i++)
        unlinkat(folder, attributes[i], 0);
    clo_fd_close(&folder);
    unlinkat(*root, entry, AT_REMOVEDIR);
}

static int read_attribute(void *context, const char *entry, const char *attribute,
                          struct clo_buffer *out)
{
    CLO_CLEANUP(clo_fd_close) int fd = open_attribute(context, entry, attribute, O_RDONLY);
    uint8_t piece[4096];
    ssize_t got;

    if (fd < 0)
        return errno;
    do {
        got = read(fd, piece, sizeof piece);
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0)
            clo_buffer_append(out, clo_bytes(piece, (size_t)got));
    } while (got != 0 && clo_buffer_ok(out));
    return 0;
}

/* One write(2): configfs takes a binary attribute as a whole, and says what it thinks of it when the
 * file is closed. */
static int write_attribute(void *context, const char *entry, const char *attribute,
                           struct clo_bytes bytes)
{
    int fd = open_attribute(context, entry, attribute, O_WRONLY);

    if (fd < 0)
        return errno;
    ssize_t put = write(fd, bytes.data, bytes.size);
    int reason = put < 0 ? errno : 0;
    if (close(fd) != 0 && reason == 0)
        reason = errno;
    return reason == 0 && put != (ssize_t)bytes.size ? EIO : reason;
}

static void wait_for(void *context, unsigned milliseconds)
{
    const struct timespec time = { .tv_sec = milliseconds / 1000,
                                   .tv_nsec = (long)(milliseconds % 1000) * 1000000 };

    (void)context;
    nanosleep(&time, NULL);
}

bool clo_tsm_get(const char *root, const struct clo_tsm_request *request,
                 struct clo_tsm_report *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int folder = open(root, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    const struct clo_tsm_io io = { make,    remove_entry, read_attribute, write_attribute, wait_for,
                                   &folder, root };

    if (folder < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "%s: %s (needs Linux 6.7, configfs mounted, and the module sev-guest or "
                        "tdx-guest)",
                        root, strerror(errno));
    return clo_tsm_get_by(&io, request, out, err);
}
