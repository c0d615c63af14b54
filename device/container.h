/* What a disk image is in: nothing (raw), qcow2, a fixed or dynamic VHD, VHDX, VMDK. Told apart by magic numbers, read as the disk
 * that is in it. Bytes that the container does not have read as zeros.
 *
 * Reading keeps no state but a count, so that threads may share one. */
#ifndef CLOISTER_DEVICE_CONTAINER_H
#define CLOISTER_DEVICE_CONTAINER_H

#include <stdatomic.h>

#include "lib/disk/qcow2.h"
#include "lib/disk/vhd.h"
#include "lib/disk/vhdx.h"
#include "lib/disk/vmdk.h"

enum clo_container_kind {
    CLO_CONTAINER_RAW,
    CLO_CONTAINER_QCOW2,
    CLO_CONTAINER_VHD, /* fixed */
    CLO_CONTAINER_VHD_DYNAMIC,
    CLO_CONTAINER_VHDX,
    CLO_CONTAINER_VMDK,      /* sparse, or optimised for streams */
    CLO_CONTAINER_VMDK_FLAT, /* a description and a raw file next to it, which `fd` is */
};

/* How many times its size a file may unpack to: one cluster can be named a million times. */
#define CONTAINER_EXPANSION_MAX 1200 /* deflate's own limit is 1032 */
/* That a small one may come to, whatever it says. */
#define CONTAINER_EXPANSION_ROOM ((uint64_t)64 << 20)

/* Bytes of the disk that are seen in another place as well. */
struct clo_container_run {
    uint64_t at, size, place;
};

struct clo_container {
    enum clo_container_kind kind;
    int fd;
    uint64_t size; /* of the disk */
    struct clo_qcow2 qcow2;
    struct clo_vhd vhd;
    struct clo_vhdx vhdx;
    struct clo_vmdk vmdk;
    struct clo_container_run *runs; /* of what lies beyond the disk's end, below */
    size_t run_count;
    uint64_t first;          /* where a flat VMDK's disk begins in `fd` */
    uint64_t *l1;            /* of qcow2 */
    uint32_t *table;         /* of a dynamic VHD; a VMDK's directory */
    atomic_ullong *inflated; /* bytes of qcow2 or VMDK, so far */
    uint64_t inflated_max;
};

const char *clo_container_name(enum clo_container_kind kind); /* "qcow2" */
/* Containers that are known and not read (VDI, QED, …) are refused by name. Errors do not name the path. */
CLO_MUST_USE bool clo_container_open(const char *path, struct clo_container *out,
                                     struct clo_error *err);
void clo_container_close(struct clo_container *container); /* for CLO_CLEANUP */

/* Exactly `size` bytes; beyond the disk's end is CLO_ERR_FORMAT. */
CLO_MUST_USE bool clo_container_read(const struct clo_container *container, uint64_t at, void *out,
                                     size_t size, struct clo_error *err);
/* How far from `at` on, which lies in the disk, it is all data or all hole. */
CLO_MUST_USE bool clo_container_extent(const struct clo_container *container, uint64_t at,
                                       uint64_t *size, bool *is_hole, struct clo_error *err);
/* May `count` times `size` bytes be written of what is in it? Held against the file: its holes may be called data by a file system.
 * The size of a raw disk is its own. */
CLO_MUST_USE bool clo_container_may_give(const struct clo_container *container, uint64_t count,
                                         uint64_t size, struct clo_error *err);
/* A logical volume lies in pieces: from the disk's end on they are read as one, beginning at `*first`. Places lie in the disk;
 * `at` counts from the volume's beginning, without gaps. */
CLO_MUST_USE bool clo_container_map(struct clo_container *container,
                                    const struct clo_container_run *runs, size_t count,
                                    uint64_t *first, struct clo_error *err);
/* Where its disk ends, or the last volume that was mapped. */
uint64_t clo_container_end(const struct clo_container *container);
/* A descriptor of the plain disk: the file itself where it is raw, else a sparse copy without a name in $TMPDIR or
 * /var/tmp. */
CLO_MUST_USE bool clo_container_unpack(const struct clo_container *container, int *fd,
                                       struct clo_error *err);

/* container_qcow2.c */
bool container_qcow2_open(struct clo_container *container, struct clo_error *err);
bool container_qcow2_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                          size_t size, struct clo_error *err);
bool container_qcow2_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                            bool *is_hole, struct clo_error *err);
/* A deflate stream that gives exactly `size` bytes; `window` as inflateInit2() has it. */
bool container_inflate(struct clo_bytes in, int window, uint8_t *out, size_t size);
/* container_vhdx.c */
bool container_vhdx_open(struct clo_container *container, struct clo_error *err);
bool container_vhdx_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                         size_t size, struct clo_error *err);
bool container_vhdx_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                           bool *is_hole, struct clo_error *err);
/* container_vmdk.c; the text lies at `path`, and names a file next to it. */
bool container_vmdk_open(struct clo_container *container, struct clo_error *err);
bool container_vmdk_open_text(struct clo_container *container, const char *path,
                              struct clo_error *err);
bool container_vmdk_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                         size_t size, struct clo_error *err);
bool container_vmdk_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                           bool *is_hole, struct clo_error *err);
/* Fails: it unpacks to more than it may. */
bool container_expands(const struct clo_container *container, struct clo_error *err);
/* What the file has of `size` bytes, zeros after its end. */
bool container_fd_read(int fd, uint64_t at, void *out, size_t size, struct clo_error *err);

#endif
