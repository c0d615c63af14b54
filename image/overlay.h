/* A part of a disk that is changed without being written to: what is written goes into a file without a name, and is
 * read back from there. libext2fs works on it by clo_overlay_manager, so that a file system is edited while its source
 * stays as it is. */
#ifndef CLOISTER_IMAGE_OVERLAY_H
#define CLOISTER_IMAGE_OVERLAY_H

#include <ext2fs/ext2fs.h>

#include "device/container.h"

#define CLO_OVERLAY_BLOCK 4096U

struct clo_overlay;

/* Of `size` bytes from `first` on; the container outlives it. The file lies in `folder`. */
CLO_MUST_USE bool clo_overlay_new(const struct clo_container *container, uint64_t first,
                                  uint64_t size, const char *folder, struct clo_overlay **out,
                                  struct clo_error *err);
void clo_overlay_free(struct clo_overlay *overlay);
void clo_overlay_freep(struct clo_overlay **overlay); /* for CLO_CLEANUP */
uint64_t clo_overlay_size(const struct clo_overlay *overlay);

/* Exactly `size` bytes. Threads may read at once, while nobody writes. */
CLO_MUST_USE bool clo_overlay_read(const struct clo_overlay *overlay, uint64_t at, void *out,
                                   size_t size, struct clo_error *err);
CLO_MUST_USE bool clo_overlay_write(struct clo_overlay *overlay, uint64_t at, const void *in,
                                    size_t size, struct clo_error *err);
/* Was anything of this block of CLO_OVERLAY_BLOCK bytes written? */
bool clo_overlay_is_changed(const struct clo_overlay *overlay, uint64_t block);
/* Over all that was written, and where: equal if the same was. */
CLO_MUST_USE bool clo_overlay_digest(const struct clo_overlay *overlay, uint8_t out[32],
                                     struct clo_error *err);

io_manager clo_overlay_manager(void);
/* Opens the ext file system in it, to read or to write (EXT2_FLAG_RW). A failure of a read is named with its reason. */
CLO_MUST_USE bool clo_overlay_open_ext(struct clo_overlay *overlay, int flags, ext2_filsys *out,
                                       struct clo_error *err);

#endif
