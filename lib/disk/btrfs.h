/* btrfs, read in user space (kernel, fs/btrfs; btrfs-dev-docs, On-disk Format): subvolumes, and the files, folders, links and
 * attributes in them, of a file system on one device. Each block that is read is held against its checksum, and then believed no
 * more than any maker's word: places against the file system's size, keys against the order and the bounds that they must
 * have, counts against the room there is. Nothing is written; free space is not read. */
#ifndef CLOISTER_LIB_BTRFS_H
#define CLOISTER_LIB_BTRFS_H

#include "cloister/base.h"

#define CLO_BTRFS_NAME_MAX 255U
#define CLO_BTRFS_LINK_MAX 4095U
#define CLO_BTRFS_PATH_MAX 4096U
#define CLO_BTRFS_TOP      5U   /* the subvolume that all others are in */
#define CLO_BTRFS_ROOT     256U /* the inode of a subvolume's own folder */

/* Exactly `size` bytes from `at` on. */
typedef bool clo_btrfs_read(void *context, uint64_t at, void *out, size_t size,
                            struct clo_error *err);

struct clo_btrfs; /* of one thread */

/* Refused by name: more than one device, RAID, a log that waits, zones, checksums and features that are not known. */
CLO_MUST_USE bool clo_btrfs_open(clo_btrfs_read *read, void *context, uint64_t size,
                                 struct clo_btrfs **out, struct clo_error *err);
void clo_btrfs_freep(struct clo_btrfs **btrfs); /* for CLO_CLEANUP */

/* How much may be looked at from here on: an item counts as one, a block that is read as 64. Beyond it, everything fails. A search may
 * meet many subvolumes of one tree, and look through each of them; UINT64_MAX: as much as the file system has room for, as after opening. */
void clo_btrfs_limit(struct clo_btrfs *btrfs, uint64_t work);

/* How many inodes and names there is room for, and the file system's bytes. */
uint64_t clo_btrfs_size(const struct clo_btrfs *btrfs);

/* --- Subvolumes --- */

struct clo_btrfs_subvolume {
    uint64_t id;
    bool is_snapshot; /* was made of another */
    bool is_read_only;
    /* The tree's root block. */
    uint64_t at, generation;
    unsigned level;
};

CLO_MUST_USE bool clo_btrfs_subvolume(struct clo_btrfs *btrfs, uint64_t id,
                                      struct clo_btrfs_subvolume *out, struct clo_error *err);
/* The one that is mounted where none is named. */
CLO_MUST_USE bool clo_btrfs_default(struct clo_btrfs *btrfs, uint64_t *id, struct clo_error *err);
/* The next one after `id`, 0 for the first; those that wait to be deleted are left out. */
enum clo_next clo_btrfs_subvolume_next(struct clo_btrfs *btrfs, uint64_t *id,
                                       struct clo_error *err);
/* "@/.snapshots/1/snapshot"; "/" for the top. */
CLO_MUST_USE bool clo_btrfs_subvolume_path(struct clo_btrfs *btrfs, uint64_t id,
                                           char out[CLO_BTRFS_PATH_MAX], struct clo_error *err);

/* The one whose own folder that path from the top leads to, as mount's subvol= has it. CLO_ERR_FORMAT: there is none. */
CLO_MUST_USE bool clo_btrfs_subvolume_find(struct clo_btrfs *btrfs, const char *path, uint64_t *id,
                                           struct clo_error *err);

/* --- Files --- */

struct clo_btrfs_inode {
    struct clo_btrfs_subvolume in;
    uint64_t number, size;
    uint32_t mode, uid, gid, links;
    int64_t mtime;
    uint32_t mtime_ns;
    uint32_t major, minor; /* of devices */
    bool has_sums;
};

CLO_MUST_USE bool clo_btrfs_inode(struct clo_btrfs *btrfs, uint64_t subvolume, uint64_t number,
                                  struct clo_btrfs_inode *out, struct clo_error *err);

/* A file of a folder; or, where `subvolume` is not the folder's own, a subvolume in it. `is_missing`: that subvolume does not lie
 * here (a snapshot shows those of what it was made of so): an empty folder. */
struct clo_btrfs_name {
    char text[CLO_BTRFS_NAME_MAX + 1];
    uint64_t subvolume, inode;
    bool is_missing;
};
typedef bool clo_btrfs_each_name(void *context, const struct clo_btrfs_name *name,
                                 struct clo_error *err);
/* `each` may read other files meanwhile. */
CLO_MUST_USE bool clo_btrfs_list(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *folder,
                                 clo_btrfs_each_name *each, void *context, struct clo_error *err);

/* How many bytes a file has that are not holes: what its data comes to. */
CLO_MUST_USE bool clo_btrfs_count(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode,
                                  uint64_t *bytes, struct clo_error *err);
/* A piece of a file, in order; what lies between pieces are zeros. */
typedef bool clo_btrfs_each_piece(void *context, uint64_t at, struct clo_bytes bytes,
                                  struct clo_error *err);
CLO_MUST_USE bool clo_btrfs_data(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode,
                                 clo_btrfs_each_piece *each, void *context, struct clo_error *err);
CLO_MUST_USE bool clo_btrfs_link(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *link,
                                 char out[CLO_BTRFS_LINK_MAX + 1], struct clo_error *err);

/* Names as getfattr has them; properties of btrfs' own are left out. */
typedef bool clo_btrfs_each_attribute(void *context, const char *name, struct clo_bytes value,
                                      struct clo_error *err);
CLO_MUST_USE bool clo_btrfs_attributes(struct clo_btrfs *btrfs, const struct clo_btrfs_inode *inode,
                                       clo_btrfs_each_attribute *each, void *context,
                                       struct clo_error *err);

#endif
