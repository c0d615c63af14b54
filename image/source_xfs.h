/* An XFS partition, file by file, as a new ext4 file system: nothing writes into XFS without mounting it. Owners, modes,
 * times, attributes (labels, ACLs), hard links, devices and holes come along; what files share (reflinks) is there for each. */
#ifndef CLOISTER_IMAGE_SOURCE_XFS_H
#define CLOISTER_IMAGE_SOURCE_XFS_H

#include "image/layout.h"
#include "image/source.h"

/* Of `source`, the size, UUID and time count; `need` is filled in. */
CLO_MUST_USE bool clo_source_xfs(const struct clo_container *disk,
                                 const struct clo_layout_part *part, struct clo_source *source,
                                 const char *output, struct clo_error *err);
/* Is one of these files there? Links are not followed. False with an error: it cannot be read. */
CLO_MUST_USE bool clo_source_xfs_has(const struct clo_container *disk,
                                     const struct clo_layout_part *part, const char *const *paths,
                                     bool *has, struct clo_error *err);

#endif
