/* FAT16 and FAT32 volumes (Microsoft, FAT: General Overview of On-Disk Format, 1.03; UEFI 2.10 section
 * 13.3): reads one file by its short name, as firmware finds EFI\BOOT\BOOTX64.EFI on an ESP. */
#ifndef CLOISTER_FAT_H
#define CLOISTER_FAT_H

#include "cloister/base.h"

/* `path`: 8.3 names with '/' between, of any case. Appends the file's bytes, at most `limit`. Chains
 * that loop, end early or leave the volume are refused. CLO_ERR_FORMAT also if it is not there. */
CLO_API CLO_MUST_USE bool clo_fat_read(struct clo_bytes volume, const char *path, size_t limit,
                                       struct clo_buffer *out, struct clo_error *err);

#endif
