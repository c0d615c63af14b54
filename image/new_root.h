/* A new ext4 file system that is filled file by file, in user space: with owners, modes, times, extended attributes, hard
 * links and holes, whoever runs it. All paths are looked up in it alone, so that nothing of them leads out to the
 * machine's files; ".." is refused. The same files in the same order give the same bytes. */
#ifndef CLOISTER_IMAGE_NEW_ROOT_H
#define CLOISTER_IMAGE_NEW_ROOT_H

#include "cloister/encoding.h"

struct clo_new_root;

/* What is to come, for the size. */
struct clo_new_root_need {
    uint64_t bytes; /* of files, each in whole blocks */
    uint64_t files; /* and folders, links, … */
};

struct clo_new_root_node {
    uint32_t mode; /* with its type */
    uint32_t uid, gid;
    int64_t mtime;
    uint32_t mtime_ns;
    uint32_t major, minor; /* of devices */
    const char *target;    /* of symbolic links */
};

void clo_new_root_count(struct clo_new_root_need *need, uint64_t size);
/* `size` 0: what is needed and a third more, at least 256 MiB of room. `path` must not exist yet. */
CLO_MUST_USE bool clo_new_root_new(const char *path, const struct clo_new_root_need *need,
                                   uint64_t size, const struct clo_guid *uuid, int64_t created,
                                   struct clo_new_root **out, struct clo_error *err);
/* An empty one in a file that is there, from byte `at` on. */
CLO_MUST_USE bool clo_new_root_format(const char *path, uint64_t at, uint64_t size, uint64_t inodes,
                                      const struct clo_guid *uuid, int64_t created,
                                      struct clo_error *err);
void clo_new_root_freep(
        struct clo_new_root **tree); /* for CLO_CLEANUP: what was made is not finished */
CLO_MUST_USE bool clo_new_root_finish(struct clo_new_root **tree, struct clo_error *err);

/* From here on, names that are there are replaced, and each may come once again. */
void clo_new_root_next_layer(struct clo_new_root *tree);
/* A folder that is there takes the new metadata. Folders on the way that are missing are made. */
CLO_MUST_USE bool clo_new_root_add(struct clo_new_root *tree, const char *path,
                                   const struct clo_new_root_node *node, struct clo_error *err);
/* Another name of a file that is there. */
CLO_MUST_USE bool clo_new_root_link(struct clo_new_root *tree, const char *path, const char *target,
                                    struct clo_error *err);
/* With all that is in it; what is not there is not missed. */
CLO_MUST_USE bool clo_new_root_remove(struct clo_new_root *tree, const char *path,
                                      struct clo_error *err);
/* All that is in a folder. */
CLO_MUST_USE bool clo_new_root_empty(struct clo_new_root *tree, const char *path,
                                     struct clo_error *err);

/* Of what was added last. */
CLO_MUST_USE bool clo_new_root_xattr(struct clo_new_root *tree, const char *name,
                                     struct clo_bytes value, struct clo_error *err);
CLO_MUST_USE bool clo_new_root_write(struct clo_new_root *tree, uint64_t at, struct clo_bytes bytes,
                                     struct clo_error *err);
CLO_MUST_USE bool clo_new_root_set_size(struct clo_new_root *tree, uint64_t size,
                                        struct clo_error *err);

#endif
