/* The initrd: cpio archives in the "newc" format, one after the other, each plain or compressed
 * (kernel, Documentation/driver-api/early-userspace/buffer-format.rst). */
#ifndef CLOISTER_LIB_CPIO_H
#define CLOISTER_LIB_CPIO_H

#include "cloister/base.h"

#define CLO_CPIO_NAME_MAX 4096

struct clo_cpio_entry {
    char name[CLO_CPIO_NAME_MAX]; /* without "./" or "/" in front; NUL-terminated */
    uint32_t mode;
    struct clo_bytes data;
};

/* Reads one entry at the reader. `*is_end` at the trailer, which is consumed and has no entry. */
CLO_MUST_USE bool clo_cpio_read(struct clo_reader *r, struct clo_cpio_entry *out, bool *is_end,
                                struct clo_error *err);

/* Calls `visit` for every entry of every archive; it returns false to fail. `limit` bounds what
 * compressed archives may unpack to, all together; and it is 64 MiB or sixteen times the initrd at most. */
typedef bool (*clo_cpio_visit)(const struct clo_cpio_entry *entry, void *context,
                               struct clo_error *err);
CLO_MUST_USE bool clo_initrd_walk(struct clo_bytes initrd, size_t limit, clo_cpio_visit visit,
                                  void *context, struct clo_error *err);

#endif
