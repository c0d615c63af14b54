/* Microsoft's Virtual Hard Disk v2 (MS-VHDX): the header that counts, the regions, the disk's size and blocks, and where
 * the block allocation table says that a block lies. Differencing disks and disks whose log was not written back are
 * refused by name.
 *
 * Sums guard against accidents alone: each offset is held against the file's size before it is read there. */
#ifndef CLOISTER_LIB_VHDX_H
#define CLOISTER_LIB_VHDX_H

#include "cloister/base.h"

#define CLO_VHDX_HEAD_SIZE     ((size_t)320 << 10) /* identifier, two headers, two region tables */
#define CLO_VHDX_METADATA_SIZE ((size_t)64 << 10)  /* the metadata's table */
#define CLO_VHDX_ITEM_SIZE     8U                  /* what is read of an item at most */
#define CLO_VHDX_BLOCKS_MAX    ((uint64_t)1 << 26)

/* Items of the metadata, in the order of clo_vhdx.items. */
enum clo_vhdx_item {
    CLO_VHDX_PARAMETERS,
    CLO_VHDX_DISK_SIZE,
    CLO_VHDX_SECTOR_SIZE,
    CLO_VHDX_ITEM_COUNT,
};

struct clo_vhdx {
    uint64_t size; /* of the disk */
    uint64_t file_size;
    uint64_t table_at, table_size; /* the block allocation table's region */
    uint64_t metadata_at, metadata_size;
    uint64_t items[CLO_VHDX_ITEM_COUNT]; /* where in the file; 0: not there */
    uint32_t block_size;
    uint32_t chunk; /* blocks between two entries for bitmaps */
    uint64_t table_count;
};

bool clo_vhdx_guess(struct clo_bytes head);
/* `head`: the file's first CLO_VHDX_HEAD_SIZE bytes. Finds the regions. */
CLO_MUST_USE bool clo_vhdx_parse(struct clo_bytes head, uint64_t file_size, struct clo_vhdx *out,
                                 struct clo_error *err);
/* CLO_VHDX_METADATA_SIZE bytes at `metadata_at`: finds the items. */
CLO_MUST_USE bool clo_vhdx_parse_metadata(struct clo_bytes table, struct clo_vhdx *vhdx,
                                          struct clo_error *err);
/* CLO_VHDX_ITEM_SIZE bytes of each item: fills in the rest. */
CLO_MUST_USE bool clo_vhdx_parse_items(const uint8_t items[][CLO_VHDX_ITEM_SIZE],
                                       struct clo_vhdx *vhdx, struct clo_error *err);
/* Which entry of the table is a block's. */
uint64_t clo_vhdx_index(const struct clo_vhdx *vhdx, uint64_t block);
/* From the entry: where the block lies, 0 for one that reads as zeros. */
CLO_MUST_USE bool clo_vhdx_block(const struct clo_vhdx *vhdx, uint64_t entry, uint64_t *at,
                                 struct clo_error *err);

#endif
