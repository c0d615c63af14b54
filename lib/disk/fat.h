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

#endif
