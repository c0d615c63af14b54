/* How a disk is laid out: its table, what its partitions hold, and which of them is the root. */
#ifndef CLOISTER_IMAGE_LAYOUT_H
#define CLOISTER_IMAGE_LAYOUT_H

#include "device/container.h"
#include "lib/disk/gpt.h"
#include "lib/disk/lvm.h"
#include "lib/disk/probe.h"

#define CLO_LAYOUT_PARTS  128
#define CLO_LAYOUT_VOLUME (2 * CLO_LVM_NAME)

struct clo_layout_part {
    unsigned number;                /* as Linux counts them; 0: the whole disk, or a volume */
    char volume[CLO_LAYOUT_VOLUME]; /* "group/name" of a logical volume; empty: it is none */
    uint64_t first, size;
    struct clo_probe probe;
    char guid[CLO_GUID_TEXT]; /* the partition's own; empty: none */
    char type[CLO_GUID_TEXT]; /* of a GPT's */
    char name[109];
    bool is_esp;
    bool is_root; /* of the type for an x86-64 root */
    bool is_boot; /* of the type for an extended boot loader partition (UAPI.2) */
};

struct clo_layout {
    const char *table;        /* "GPT", "MBR", "no" */
    char guid[CLO_GUID_TEXT]; /* the disk's; empty: none */
    struct clo_layout_part parts[CLO_LAYOUT_PARTS];
    size_t count;
    char lvm[300]; /* why there are volumes that are not read; empty: there are none */
};

/* Volumes come after partitions; the container maps them (clo_container_map). */
CLO_MUST_USE bool clo_layout_read(struct clo_container *disk, struct clo_layout *out,
                                  struct clo_error *err);
/* Which partition a device of fstab is: by UUID, label, partition UUID, partition label or number; NULL: none of this disk. */
const struct clo_layout_part *clo_layout_find(const struct clo_layout *layout, const char *device);
/* "partition 3 (btrfs, UUID …)", for people. */
void clo_layout_part_text(const struct clo_layout_part *part, char *out, size_t size);
/* Of a kind that a root can be taken from; its init was not looked for. */
bool clo_layout_may_be_root(const struct clo_layout_part *part);
/* Fails: what may hold the root instead, with what to do about it. */
bool clo_layout_without_root(const struct clo_layout *layout, struct clo_error *err);

/* layout_lvm.c: adds the logical volumes of the partitions that are there. */
CLO_MUST_USE bool layout_add_volumes(struct clo_container *disk, struct clo_layout *layout,
                                     struct clo_error *err);
/* layout.c: reads what is in it. */
CLO_MUST_USE bool layout_add(const struct clo_container *disk, struct clo_layout *layout,
                             const struct clo_layout_part *part, struct clo_error *err);

/* layout_root.c: the ext4, XFS or btrfs file system with an init: the one of that number, or the only one. What else could be a root, and cannot be
 * read here, is named with the way out. */
CLO_MUST_USE bool clo_layout_root(const struct clo_container *disk, const struct clo_layout *layout,
                                  const char *wanted, const char *scratch,
                                  const struct clo_layout_part **out, struct clo_error *err);

#endif
