/* What the parts of the LUKS2 reader share. */
#ifndef CLOISTER_DISK_LUKS2_INTERNAL_H
#define CLOISTER_DISK_LUKS2_INTERNAL_H

#include "lib/disk/luks2.h"

#define CLO_LUKS2_BINARY_HEADER   4096
#define CLO_LUKS2_CHECKSUM_OFFSET 0x1c0
#define CLO_LUKS2_CHECKSUM_SIZE   64
#define CLO_LUKS2_SIZE_MIN        16384
#define CLO_LUKS2_SIZE_MAX        ((uint64_t)4 << 20)
#define CLO_LUKS2_FIRST           "LUKS\xba\xbe"
#define CLO_LUKS2_SECOND          "SKUL\xba\xbe"

/* One of the two binary headers (section 2.1), which must lie at `at`; its checksum holds. `json` is
 * its JSON area. */
CLO_MUST_USE bool clo_luks2_read_copy(struct clo_bytes in, size_t at, const char *magic,
                                      struct clo_luks2_info *out, struct clo_bytes *json,
                                      struct clo_error *err);
/* The second one, wherever it is. */
CLO_MUST_USE bool clo_luks2_read_second(struct clo_bytes in, struct clo_luks2_info *out,
                                        struct clo_bytes *json, struct clo_error *err);

/* The checksum of a copy of `size` bytes, put into it. */
void clo_luks2_sum(uint8_t *copy, size_t size);

#endif
