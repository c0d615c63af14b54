/* Archives as an initrd has them, for tests. */
#ifndef CLOISTER_CPIO_MAKER_H
#define CLOISTER_CPIO_MAKER_H

#include <string.h>

#include "cloister/base.h"

static inline void cpio_put(struct clo_buffer *out, const char *name, unsigned mode,
                            struct clo_bytes data)
{
    clo_buffer_printf(out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0, mode,
                      0, 0, 1, 0, data.size, 0, 0, 0, 0, strlen(name) + 1, 0);
    clo_buffer_text(out, name);
    clo_buffer_u8(out, 0);
    clo_buffer_align(out, 4);
    clo_buffer_append(out, data);
    clo_buffer_align(out, 4);
}

static inline void cpio_file(struct clo_buffer *out, const char *name, const char *text)
{
    cpio_put(out, name, 0100644, clo_bytes_text(text));
}

static inline void cpio_end(struct clo_buffer *out)
{
    cpio_put(out, "TRAILER!!!", 0, clo_bytes(NULL, 0));
}

#endif
