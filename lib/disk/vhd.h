/* Microsoft's Virtual Hard Disk (Image Format Specification 1.0): the footer of fixed and dynamic disks, the dynamic
 * one's header, and the footer that we write for Azure. Differencing disks are refused by name.
 *
 * The disk's size is the footer's current size, as Azure takes it, not what the geometry multiplies to. */
#ifndef CLOISTER_LIB_VHD_H
#define CLOISTER_LIB_VHD_H

#include "cloister/encoding.h"

#define CLO_VHD_FOOTER_SIZE 512U
#define CLO_VHD_HEADER_SIZE 1024U
#define CLO_VHD_ALIGNMENT   ((uint64_t)1 << 20) /* Azure takes whole MiB alone */
#define CLO_VHD_SIZE_MAX    ((uint64_t)2040 << 30)
#define CLO_VHD_UNUSED      0xffffffffU

struct clo_vhd {
    uint64_t size; /* of the disk */
    uint64_t file_size;
    bool is_dynamic;
    uint64_t header_at; /* of a dynamic one, as all below */
    uint64_t table_at;
    uint32_t table_count;
    uint32_t block_size;
    uint32_t bitmap_size; /* before each block */
};

bool clo_vhd_guess(struct clo_bytes footer);
/* The last 512 bytes of a file; the first of a dynamic one are the same. */
CLO_MUST_USE bool clo_vhd_parse(struct clo_bytes footer, uint64_t file_size, struct clo_vhd *out,
                                struct clo_error *err);
/* The dynamic disk's header, CLO_VHD_HEADER_SIZE bytes at `header_at`: fills in the rest. */
CLO_MUST_USE bool clo_vhd_parse_header(struct clo_bytes header, struct clo_vhd *vhd,
                                       struct clo_error *err);
/* From an entry of the table, which is not CLO_VHD_UNUSED: where the block's data lie. */
CLO_MUST_USE bool clo_vhd_block(const struct clo_vhd *vhd, uint32_t entry, uint64_t *at,
                                struct clo_error *err);

/* Appends the footer of a fixed disk of `size` bytes, whole MiB. */
CLO_MUST_USE bool clo_vhd_write_footer(uint64_t size, const struct clo_guid *id, int64_t created,
                                       struct clo_buffer *out, struct clo_error *err);

#endif
