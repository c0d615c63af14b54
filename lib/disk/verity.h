/* A hash tree over a volume as dm-verity reads it (Linux, Documentation/admin-guide/device-mapper/verity.rst; cryptsetup,
 * docs/on-disk-format for the superblock): version 1, SHA-256, blocks of 4096 bytes, a salt before each block.
 *
 * The root hash stands for all of the data. Superblock, salt and tree need not be believed: what is wrong in them gives another hash. */
#ifndef CLOISTER_LIB_VERITY_H
#define CLOISTER_LIB_VERITY_H

#include "cloister/base.h"
#include "cloister/encoding.h"

#define CLO_VERITY_BLOCK      4096U
#define CLO_VERITY_DIGEST     32U
#define CLO_VERITY_SALT       32U
#define CLO_VERITY_PER_BLOCK  (CLO_VERITY_BLOCK / CLO_VERITY_DIGEST)
#define CLO_VERITY_LEVELS_MAX 8
#define CLO_VERITY_DATA_MAX   ((uint64_t)1 << 50) /* blocks */

/* The tree follows the data, after a block for its superblock. */
struct clo_verity {
    uint64_t data_blocks;
    uint8_t salt[CLO_VERITY_SALT];
    unsigned level_count; /* level 0 has the digests of the data */
    uint64_t first[CLO_VERITY_LEVELS_MAX],
            blocks[CLO_VERITY_LEVELS_MAX]; /* of each level, from the superblock on */
    uint64_t tree_blocks;                  /* with the superblock */
};

/* At least two blocks of data: one needs no tree. */
CLO_MUST_USE bool clo_verity_plan(uint64_t data_blocks, const uint8_t salt[CLO_VERITY_SALT],
                                  struct clo_verity *out, struct clo_error *err);
/* Of a block of data or of the tree; that of the top level's only block is the root hash. */
void clo_verity_digest(const struct clo_verity *verity, struct clo_bytes block,
                       uint8_t out[CLO_VERITY_DIGEST]);
/* One block, for `veritysetup`: a guest of ours does not read it. */
void clo_verity_superblock(const struct clo_verity *verity, const struct clo_guid *uuid,
                           struct clo_buffer *out);

#endif
