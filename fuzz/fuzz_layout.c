#include "image/layout.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* Whatever a disk's table says, its partitions lie in the disk, and looking for a root in them ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_layout layout;
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    const struct clo_layout_part *root;
    struct clo_error err;
    char path[64], text[200];

    int fd = memfd_create("disk", MFD_CLOEXEC);
    MUST(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    MUST(ftruncate(fd, 1 << 20) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (clo_container_open(path, &disk, &err) && clo_layout_read(&disk, &layout, &err)) {
        MUST(layout.count <= CLO_LAYOUT_PARTS);
        for (size_t i = 0; i < layout.count; i++) {
            const struct clo_layout_part *part = &layout.parts[i];
            MUST(part->first <= disk.size && part->size <= disk.size - part->first);
            clo_layout_part_text(part, text, sizeof text);
        }
        (void)clo_layout_find(&layout, "UUID=00000000-0000-0000-0000-000000000000");
        if (clo_layout_root(&disk, &layout, NULL, "/tmp", &root, &err))
            MUST(root->probe.content == CLO_CONTENT_EXT);
    }
    close(fd);
    return 0;
}
