/* A file system that is read here file by file, and not mounted (XFS, btrfs), becomes a new ext4: nothing else writes into it without
 * a kernel. Its reader says how; what is made of it, and what a hostile one may cost, is the same for each. */
#ifndef CLOISTER_IMAGE_SOURCE_FS_H
#define CLOISTER_IMAGE_SOURCE_FS_H

#include "image/fstab.h"
#include "image/layout.h"
#include "image/source.h"
#include "lib/disk/btrfs.h"
#include "lib/disk/xfs.h"

#define SOURCE_LINK_MAX 4095U

struct source_id {
    uint64_t tree, number; /* of a subvolume, and of an inode in it */
};

struct source_inode {
    struct source_id id;
    uint64_t size, links;
    bool is_empty;                 /* a folder whose files stay behind */
    struct clo_new_root_node node; /* without a link's target */
    union {
        struct clo_xfs_inode xfs;
        struct clo_btrfs_inode btrfs;
    } own;
};

typedef bool source_each_name(void *context, const char *name, struct source_id id,
                              struct clo_error *err);
/* In order; what lies between pieces are zeros. */
typedef bool source_each_piece(void *context, uint64_t at, struct clo_bytes bytes,
                               struct clo_error *err);
typedef bool source_each_attribute(void *context, const char *name, struct clo_bytes value,
                                   struct clo_error *err);

/* What fstab mounts into the root. */
struct source_mount {
    char folder[CLO_FSTAB_TEXT];
    struct source_id root;
};

struct source_fs {
    const char *name; /* "XFS" */
    void *context;
    const struct clo_container *disk;
    uint64_t size;          /* bytes */
    uint64_t inodes, names; /* that there is room for */
    struct source_id root;
    const struct source_mount *mounts;
    size_t mount_count;
    bool (*inode)(void *context, struct source_id id, struct source_inode *out,
                  struct clo_error *err);
    bool (*list)(void *context, const struct source_inode *folder, source_each_name *each,
                 void *each_context, struct clo_error *err);
    bool (*link)(void *context, const struct source_inode *link, char out[SOURCE_LINK_MAX + 1],
                 struct clo_error *err);
    /* How many bytes its data comes to, or its names take. */
    bool (*count)(void *context, const struct source_inode *inode, uint64_t *bytes,
                  struct clo_error *err);
    bool (*data)(void *context, const struct source_inode *inode, source_each_piece *each,
                 void *each_context, struct clo_error *err);
    bool (*attributes)(void *context, const struct source_inode *inode, source_each_attribute *each,
                       void *each_context, struct clo_error *err);
};

/* For readers: bytes of one partition. */
struct source_partition {
    const struct clo_container *disk;
    const struct clo_layout_part *part;
};
bool source_partition_read(void *context, uint64_t at, void *out, size_t size,
                           struct clo_error *err);

/* Of `source`, the size, UUID and time count; `need` is filled in. */
CLO_MUST_USE bool source_fs_make(const struct source_fs *fs, struct clo_source *source,
                                 const char *output, struct clo_error *err);
/* Is it there, below fs->root? Links are not followed, and what cannot be read is not there. */
bool source_fs_find(const struct source_fs *fs, const char *path, struct source_inode *out);
/* Is one of these there? False with an error: memory ran out. */
CLO_MUST_USE bool source_fs_has(const struct source_fs *fs, const char *const *paths, bool *has,
                                struct clo_error *err);
/* A small file; nothing is appended where it is not there. */
CLO_MUST_USE bool source_fs_text(const struct source_fs *fs, const char *path, size_t limit,
                                 struct clo_buffer *out, struct clo_error *err);

#endif
