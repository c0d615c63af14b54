/* VMware's disk images ("Virtual Disk Format 5.0"): the header of a sparse or stream-optimised one, the text that
 * describes a flat one, and where a grain of the disk lies. Disks of several files and snapshots are refused by name.
 *
 * Tables are the maker's word: each offset is held against the file's size before it is read there. */
#ifndef CLOISTER_LIB_VMDK_H
#define CLOISTER_LIB_VMDK_H

#include "cloister/base.h"

#define CLO_VMDK_HEADER_SIZE    512U
#define CLO_VMDK_DESCRIPTOR_MAX ((size_t)64 << 10)
#define CLO_VMDK_TABLE          512U /* entries of a grain table */
#define CLO_VMDK_MARKER_SIZE    12U  /* before a compressed grain */
#define CLO_VMDK_TABLES_MAX     ((uint32_t)1 << 22)

struct clo_vmdk {
    uint64_t size; /* of the disk */
    uint64_t file_size;
    uint32_t grain; /* bytes */
    uint32_t table_count;
    uint64_t directory_at;                   /* where the tables are listed */
    uint64_t descriptor_at, descriptor_size; /* the text inside; size 0: none */
    bool is_compressed;
    bool has_zero_grains;
    bool is_at_end; /* this header only says that the one that counts is at the file's end */
};

/* What the text says. */
struct clo_vmdk_text {
    bool is_flat;
    char name[256]; /* of a flat one's file, which lies in the same folder */
    uint64_t size;  /* of the disk, in bytes */
    uint64_t at;    /* where it begins in that file */
};

bool clo_vmdk_guess(struct clo_bytes head);
bool clo_vmdk_guess_text(struct clo_bytes head);
/* CLO_VMDK_HEADER_SIZE bytes: of the file's beginning; or, if that says so, 1024 bytes before its end. */
CLO_MUST_USE bool clo_vmdk_parse(struct clo_bytes header, uint64_t file_size, struct clo_vmdk *out,
                                 struct clo_error *err);
CLO_MUST_USE bool clo_vmdk_parse_text(struct clo_bytes text, struct clo_vmdk_text *out,
                                      struct clo_error *err);
/* From an entry of the directory: where that table lies, 0 for none. */
CLO_MUST_USE bool clo_vmdk_table(const struct clo_vmdk *vmdk, uint32_t entry, uint64_t *at,
                                 struct clo_error *err);
/* From an entry of a table: where that grain lies (its marker, where it is compressed), 0 for one that reads as zeros. */
CLO_MUST_USE bool clo_vmdk_grain(const struct clo_vmdk *vmdk, uint32_t entry, uint64_t *at,
                                 struct clo_error *err);
/* The marker before the compressed grain that is at `grain` of the disk: how many bytes follow it. */
CLO_MUST_USE bool clo_vmdk_marker(const struct clo_vmdk *vmdk, struct clo_bytes marker,
                                  uint64_t grain, uint64_t at, size_t *size, struct clo_error *err);

#endif
