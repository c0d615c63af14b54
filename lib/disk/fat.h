/* FAT16 and FAT32 volumes (Microsoft, FAT: General Overview of On-Disk Format, 1.03; UEFI 2.10 section
 * 13.3): reads files and lists folders, as firmware and systemd's stub find them on an ESP. */
#ifndef CLOISTER_LIB_FAT_H
#define CLOISTER_LIB_FAT_H

#include "cloister/base.h"

#define CLO_FAT_NAME_MAX 256

/* `path`: long or 8.3 names with '/' between, of any case. Appends the file's bytes, at most `limit`.
 * Chains that loop, end early or leave the volume are refused. CLO_ERR_FORMAT also if it is not there. */
CLO_MUST_USE bool clo_fat_read(struct clo_bytes volume, const char *path, size_t limit,
                               struct clo_buffer *out, struct clo_error *err);

/* Calls `each` for what is in a folder ("" is the root), in the order of the volume, until it returns
 * false. `name` is the long name where there is one in ASCII. No such folder: no call, and true. */
typedef bool clo_fat_each(void *context, const char *name, bool is_directory,
                          struct clo_error *err);
CLO_MUST_USE bool clo_fat_list(struct clo_bytes volume, const char *path, clo_fat_each *each,
                               void *context, struct clo_error *err);

/* Where a file's or folder's entry lies in the volume, and what it leads to. */
struct clo_fat_entry {
    size_t offset;    /* of its 32 bytes */
    uint32_t cluster; /* 0: it is empty */
    uint32_t size;
    bool is_directory;
};
/* *is_there is false where the path leads nowhere; the root has no entry, and is not there either. */
CLO_MUST_USE bool clo_fat_find(struct clo_bytes volume, const char *path, struct clo_fat_entry *out,
                               bool *is_there, struct clo_error *err);
/* Changes an entry, in memory, so that it leads to another chain. */
void clo_fat_lead_to(uint8_t entry[32], uint32_t cluster, uint32_t size);

/* What the bytes at an offset are. */
enum clo_fat_part {
    CLO_FAT_TABLES, /* parameters, tables, and the root folder of FAT16 */
    CLO_FAT_FREE,   /* a cluster that is in no chain */
    CLO_FAT_USED,
};
/* The volume was found good before, by one of the functions above. */
CLO_MUST_USE bool clo_fat_part_at(struct clo_bytes volume, size_t offset, enum clo_fat_part *out,
                                  struct clo_error *err);
/* What is free, in whole clusters. */
CLO_MUST_USE bool clo_fat_room(struct clo_bytes volume, uint64_t *free_bytes,
                               uint32_t *cluster_size, struct clo_error *err);

#endif
