#include "cli/view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/container.h"
#include "device/file.h"

/* The descriptor's file, from its beginning to its end; it may be closed afterwards. */
static bool map(int fd, uint64_t size, struct cli_view *view, struct clo_error *err)
{
    view->mapping = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (view->mapping == MAP_FAILED) {
        view->mapping = NULL;
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    }
    view->bytes = clo_bytes(view->mapping, (size_t)size);
    return true;
}

bool cli_view_open(const char *path, size_t limit, struct cli_view *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct cli_view view = { 0 };
    struct stat status;

    if (strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    }
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        if ((uint64_t)status.st_size > limit)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", path, limit);
        if (!map(fd, (uint64_t)status.st_size, &view, err))
            return clo_wrap(err, "%s", path);
    } else {
        if (!clo_file_read(path, limit, &view.buffer, err))
            return false;
        view.bytes = clo_buffer_bytes(&view.buffer);
    }
    *out = view;
    return true;
}

bool cli_view_open_disk(const char *path, struct cli_view *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct cli_view view = { 0 };
    struct stat status;

    /* What is read once is raw. */
    if (strcmp(path, "-") == 0 || (stat(path, &status) == 0 && !S_ISREG(status.st_mode)))
        return cli_view_open(path, SIZE_MAX, out, err);
    if (!clo_container_open(path, &container, err))
        return clo_wrap(err, "%s", path);
    if (container.kind == CLO_CONTAINER_RAW)
        return cli_view_open(path, SIZE_MAX, out, err);
    if (!clo_container_unpack(&container, &fd, err) || !map(fd, container.size, &view, err))
        return clo_wrap(err, "%s", path);
    *out = view;
    return true;
}

void cli_view_close(struct cli_view *view)
{
    if (view->mapping != NULL)
        munmap(view->mapping, view->bytes.size);
    clo_buffer_free(&view->buffer);
    *view = (struct cli_view){ 0 };
}
