#include "device/container.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define PIECES 64

/* Whatever the file says it is, it is opened or refused; extents cover the disk without a gap, and what is said to be a
 * hole reads as zeros. */
static void walk(const struct clo_container *container)
{
    uint8_t piece[512];
    uint64_t size, at = 0;
    bool is_hole;
    struct clo_error err;

    for (int i = 0; i < PIECES && at < container->size; i++, at += size) {
        if (!clo_container_extent(container, at, &size, &is_hole, &err))
            return;
        MUST(size > 0 && size <= container->size - at);
        size_t now = size < sizeof piece ? (size_t)size : sizeof piece;
        if (clo_container_read(container, at, piece, now, &err))
            MUST(!is_hole || clo_bytes_all(clo_bytes(piece, now), 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    struct clo_error err;
    char path[64];

    int fd = memfd_create("container", MFD_CLOEXEC);
    MUST(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (clo_container_open(path, &container, &err))
        walk(&container);
    close(fd);
    return 0;
}
