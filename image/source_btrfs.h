/* A btrfs partition as a new ext4 file system: the subvolume that is the root, and those that its fstab mounts into it, joined to
 * one tree. Snapshots stay behind. */
#ifndef CLOISTER_IMAGE_SOURCE_BTRFS_H
#define CLOISTER_IMAGE_SOURCE_BTRFS_H

#include "device/list.h"
#include "image/fstab.h"
#include "image/layout.h"
#include "image/source.h"

#define CLO_JOINED_MAX 64

/* What became of the subvolumes. */
struct clo_joined {
    char root[CLO_FSTAB_TEXT]; /* "@"; "/" for the top */
    struct {
        char folder[CLO_FSTAB_TEXT], subvolume[CLO_FSTAB_TEXT];
    } items[CLO_JOINED_MAX];
    size_t count;
    uint64_t snapshots; /* that stayed behind */
};

struct clo_source_btrfs_spec {
    const struct clo_container *disk;
    const struct clo_layout *layout;
    const struct clo_layout_part *part;
    const char *subvolume;          /* of the root; NULL: the one that has an init */
    const struct clo_list *dropped; /* folders of which nothing is joined */
};

/* Of `source`, the size, UUID and time count; `need` is filled in. */
CLO_MUST_USE bool clo_source_btrfs(const struct clo_source_btrfs_spec *spec,
                                   struct clo_source *source, const char *output,
                                   struct clo_joined *joined, struct clo_error *err);
/* One subvolume as it is mounted by these options of fstab, without others. */
CLO_MUST_USE bool clo_source_btrfs_plain(const struct clo_container *disk,
                                         const struct clo_layout_part *part,
                                         const struct clo_fstab_line *line,
                                         struct clo_source *source, const char *output,
                                         struct clo_error *err);
/* Is one of these files in one of its subvolumes? False with an error: it cannot be read. */
CLO_MUST_USE bool clo_source_btrfs_has(const struct clo_container *disk,
                                       const struct clo_layout_part *part, const char *const *paths,
                                       bool *has, struct clo_error *err);

bool clo_joined_has(const struct clo_joined *joined, const char *folder);

#endif
