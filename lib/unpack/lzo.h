/* LZO1X (kernel, Documentation/staging/lzo.rst), as btrfs compresses by it: one stream, without a header of its own. */
#ifndef CLOISTER_LIB_LZO_H
#define CLOISTER_LIB_LZO_H

#include "cloister/base.h"

/* The whole of `in` is one stream, to its end mark; at most `room` bytes come of it. */
CLO_MUST_USE bool clo_lzo_unpack(struct clo_bytes in, uint8_t *out, size_t room, size_t *size,
                                 struct clo_error *err);

#endif
