/* QEMU's disk images, versions 2 and 3 (QEMU docs/interop/qcow2.txt): the header, and where the tables say that a
 * cluster lies. What needs another file, or a key, is refused by name.
 *
 * Tables are the maker's word: each offset is held against the file's size before it is read there. */
#ifndef CLOISTER_LIB_QCOW2_H
#define CLOISTER_LIB_QCOW2_H

#include "cloister/base.h"

#define CLO_QCOW2_HEAD_SIZE 512U
#define CLO_QCOW2_L1_MAX    (((size_t)32 << 20) / 8) /* entries, as QEMU allows */

struct clo_qcow2 {
    uint64_t size; /* of the disk */
    uint64_t file_size;
    uint32_t version;
    unsigned cluster_bits;
    unsigned l2_bits; /* entries of a table at the second level */
    bool is_zstd;     /* its compressed clusters; else deflate */
    uint64_t l1_at;
    uint32_t l1_count;
};

enum clo_qcow2_kind {
    CLO_QCOW2_HOLE,
    CLO_QCOW2_PLAIN,
    CLO_QCOW2_COMPRESSED
};

struct clo_qcow2_cluster {
    enum clo_qcow2_kind kind;
    uint64_t at;   /* in the file */
    uint64_t size; /* there; of compressed bytes at most: what follows the stream is not its */
};

bool clo_qcow2_guess(struct clo_bytes head);
/* `head`: the file's first CLO_QCOW2_HEAD_SIZE bytes, or all of a smaller one. */
CLO_MUST_USE bool clo_qcow2_parse(struct clo_bytes head, uint64_t file_size, struct clo_qcow2 *out,
                                  struct clo_error *err);
/* From an entry of the first table: where the second lies, 0 for none. */
CLO_MUST_USE bool clo_qcow2_table(const struct clo_qcow2 *image, uint64_t entry, uint64_t *at,
                                  struct clo_error *err);
/* From an entry of the second: a cluster. */
CLO_MUST_USE bool clo_qcow2_cluster(const struct clo_qcow2 *image, uint64_t entry,
                                    struct clo_qcow2_cluster *out, struct clo_error *err);

#endif
