/* XFS, read in user space (XFS Algorithms & Data Structures): files, folders, links and attributes of a file system of
 * version 5 that was unmounted cleanly. Everything on it is its maker's word: each block is held against the file
 * system's size before it is read, each count against the room that it has. Nothing is written. */
#ifndef CLOISTER_LIB_XFS_H
#define CLOISTER_LIB_XFS_H

#include "cloister/base.h"

#define CLO_XFS_INODE_MAX 2048U
#define CLO_XFS_NAME_MAX  255U

/* Exactly `size` bytes from `at` on. */
typedef bool clo_xfs_read(void *context, uint64_t at, void *out, size_t size,
                          struct clo_error *err);

struct clo_xfs {
    clo_xfs_read *read;
    void *context;
    uint64_t size; /* bytes */
    uint64_t root; /* inode */
    uint64_t log_at, log_size;
    uint64_t inodes; /* how many it says it has */
    uint32_t block_size, inode_size, folder_block;
    uint32_t group_blocks, group_count;
    unsigned group_bits, inodes_bits; /* of an inode's number */
};

struct clo_xfs_inode {
    uint64_t number, size;
    uint32_t mode, uid, gid, links;
    int64_t mtime;
    uint32_t mtime_ns;
    uint32_t major, minor; /* of devices */
    uint8_t format, attribute_format;
    uint64_t extents, attribute_extents;
    size_t fork_size, attribute_at; /* of the two forks, below */
    uint8_t bytes[CLO_XFS_INODE_MAX];
};

/* Refused by name: version 4, a log that waits, a realtime device, features that are not known. */
CLO_MUST_USE bool clo_xfs_open(clo_xfs_read *read, void *context, uint64_t size,
                               struct clo_xfs *out, struct clo_error *err);
CLO_MUST_USE bool clo_xfs_inode(const struct clo_xfs *xfs, uint64_t number,
                                struct clo_xfs_inode *out, struct clo_error *err);

/* A run of a file's bytes; what lies between runs, or is unwritten, are zeros. */
struct clo_xfs_run {
    uint64_t at;    /* in the file */
    uint64_t place; /* on the disk */
    uint64_t size;
    bool is_unwritten;
};
typedef bool clo_xfs_each_run(void *context, const struct clo_xfs_run *run, struct clo_error *err);
CLO_MUST_USE bool clo_xfs_runs(const struct clo_xfs *xfs, const struct clo_xfs_inode *inode,
                               clo_xfs_each_run *each, void *context, struct clo_error *err);

/* Without "." and "..". */
typedef bool clo_xfs_each_name(void *context, const char *name, uint64_t inode,
                               struct clo_error *err);
CLO_MUST_USE bool clo_xfs_list(const struct clo_xfs *xfs, const struct clo_xfs_inode *folder,
                               clo_xfs_each_name *each, void *context, struct clo_error *err);

CLO_MUST_USE bool clo_xfs_link(const struct clo_xfs *xfs, const struct clo_xfs_inode *link,
                               char out[1025], struct clo_error *err);

/* Names as getfattr has them; ACLs in the form that the kernel hands out. */
typedef bool clo_xfs_each_attribute(void *context, const char *name, struct clo_bytes value,
                                    struct clo_error *err);
CLO_MUST_USE bool clo_xfs_attributes(const struct clo_xfs *xfs, const struct clo_xfs_inode *inode,
                                     clo_xfs_each_attribute *each, void *context,
                                     struct clo_error *err);

#endif
