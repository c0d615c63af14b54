/* A root that nothing changes: dm-verity on top of the opened volume, held against the root hash that was measured with this program.
 * What is written goes to memory, or to a file system of its own after the tree, and then nothing of it is seen in /usr. */
#ifndef CLOISTER_GUEST_VERITY_H
#define CLOISTER_GUEST_VERITY_H

#include "cloister/json.h"

#define CLO_VERITY_ROOT_HASH 32
#define CLO_VERITY_SALT_SIZE 32

/* "verity" of the guest's configuration. */
struct clo_guest_verity {
    uint64_t
            data_blocks; /* of 4096 bytes; the tree follows, after a block for its superblock. 0: no such root */
    struct clo_buffer root_hash, salt;
    /* "changes": where the volume has a file system for what is written, in such blocks. 0: it is kept in memory. */
    uint64_t changes_first, changes_blocks;
};

CLO_MUST_USE bool clo_guest_verity_parse(const json_t *json, struct clo_guest_verity *out,
                                         struct clo_error *err);
void clo_guest_verity_free(struct clo_guest_verity *verity);

/* Opens it as /dev/mapper/`name`. With `panics`, the kernel stops the machine at the first block that differs; else it is an
 * input/output error. */
CLO_MUST_USE bool clo_guest_verity_open(const struct clo_guest_verity *verity, const char *device,
                                        const char *name, bool panics, struct clo_error *err);
void clo_guest_verity_close(const char *name);
/* The part of the volume that has what is written, as /dev/mapper/`name`. */
CLO_MUST_USE bool clo_guest_verity_open_changes(const struct clo_guest_verity *verity,
                                                const char *device, const char *name,
                                                struct clo_error *err);

/* Which block differs, of a line of the kernel's log ("data block 5", "metadata block 5"); false: it does not speak of that. */
bool clo_guest_verity_line(const char *line, char *out, size_t size);
/* The first one that the log still has. */
bool clo_guest_verity_differs(const char *log, char *out, size_t size);

#endif
