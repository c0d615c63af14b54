/* The root file system: an ext4 image made from a folder, without mounting anything (mke2fs -d). */
#ifndef CLOISTER_IMAGE_ROOTFS_H
#define CLOISTER_IMAGE_ROOTFS_H

#include "cloister/encoding.h"

/* Makes `path` (it must not exist yet). `size` 0: what the folder holds and a third more, at least
 * 256 MiB of room. `uuid` names the file system and seeds its hashes; `epoch` < 0 leaves times be. */
CLO_MUST_USE bool clo_rootfs_make(const char *folder, const char *path, uint64_t size,
                                  const struct clo_guid *uuid, int64_t epoch,
                                  struct clo_error *err);

#endif
