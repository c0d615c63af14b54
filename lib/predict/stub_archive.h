/* The cpio archives that systemd's stub packs for the kernel, byte for byte, as it measures them
 * (systemd, src/boot/cpio.c; Linux, driver-api/early-userspace/buffer-format). */
#ifndef CLOISTER_REFERENCE_STUB_ARCHIVE_H
#define CLOISTER_REFERENCE_STUB_ARCHIVE_H

#include "cloister/base.h"

struct stub_file {
    const char *name;
    struct clo_bytes data;
};

/* Where the files go: every folder above `folder` has mode 0555. */
struct stub_folder {
    const char *folder; /* ".extra/credentials" */
    unsigned folder_mode;
    unsigned file_mode;
};

/* Appends one whole archive with its trailer; nothing where there is no file. */
void stub_archive_append(struct clo_buffer *out, const struct stub_folder *target,
                         const struct stub_file *files, size_t count);

#endif
