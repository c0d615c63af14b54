/* Sectors whose tag does not hold, as dm-crypt tells of them in the kernel's log: what was read there is not what was written under
 * the disk's key. */
#ifndef CLOISTER_GUEST_TAG_ERRORS_H
#define CLOISTER_GUEST_TAG_ERRORS_H

#include "cloister/base.h"

struct clo_tag_errors {
    uint64_t count;
    uint64_t first; /* the first one's sector of 512 bytes */
};

/* A line of the kernel's log; others are passed over. */
void clo_tag_errors_line(const char *line, struct clo_tag_errors *errors);
/* All that the log still has; one that cannot be read has none. */
void clo_tag_errors_read(const char *path, struct clo_tag_errors *out);

#endif
