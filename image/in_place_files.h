/* What in_place.c and in_place_run.c have in common: the journal's files, and reading and writing disks. For those two alone. */
#ifndef CLOISTER_IMAGE_IN_PLACE_FILES_H
#define CLOISTER_IMAGE_IN_PLACE_FILES_H

#include "image/journal.h"
#include "lib/disk/in_place.h"

#define IN_PLACE_PIECE    ((size_t)1 << 20)
#define IN_PLACE_PLAN_NEW CLO_JOURNAL_PLAN ".new"
#define IN_PLACE_STATE    "state"
#define IN_PLACE_WINDOW   "window.%u" /* 0 and 1, in turn */

void in_place_path(const struct clo_journal *journal, const char *name, char *out, size_t size);
/* Exactly so many bytes. */
CLO_MUST_USE bool in_place_read(int fd, uint64_t at, uint8_t *out, size_t size,
                                struct clo_error *err);
/* Zeros, as a hole where the file system has holes. */
CLO_MUST_USE bool in_place_clear(int fd, uint64_t at, uint64_t size, struct clo_error *err);
/* Bytes of one disk into the same place of another, blocks of zeros as holes. */
CLO_MUST_USE bool in_place_copy(int from, int to, uint64_t first, uint64_t end,
                                struct clo_error *err);
/* Of all that is ready for the new disk: what lies around the payload, and the changed blocks. */
CLO_MUST_USE bool in_place_made_digest(int made, const struct clo_in_place_plan *plan,
                                       uint8_t out[32], struct clo_error *err);

#endif
