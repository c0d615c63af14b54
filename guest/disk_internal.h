/* What the parts of the disk's opening share. */
#ifndef CLOISTER_GUEST_DISK_INTERNAL_H
#define CLOISTER_GUEST_DISK_INTERNAL_H

#include <libcryptsetup.h>

#include "guest/disk.h"

#define CLO_DISK_WHY 200 /* libcryptsetup's last words */
/* Its callback: `context` is such a text. */
void clo_disk_keep_last(int level, const char *message, void *context);

/* Where its header is read and written. */
const char *clo_disk_header_path(const struct clo_disk *disk);
/* The white list, as it is for a header that lies there. */
CLO_MUST_USE bool clo_disk_check_header(const struct clo_disk *disk,
                                        const struct clo_buffer *header,
                                        struct clo_luks2_info *info, struct clo_error *err);
/* A header of zeros. A page of it takes memory and time once it is written: most of a header is nobody's. */
CLO_MUST_USE bool clo_disk_new_header(size_t size, struct clo_buffer *out, struct clo_error *err);
/* Its bytes from `from` to `to`, out of a file or device. */
CLO_MUST_USE bool clo_disk_read_part(const char *path, uint64_t from, uint64_t to,
                                     struct clo_buffer *header, struct clo_error *err);
/* Writes the checked header into `scratch` and has libcryptsetup read it from there. */
CLO_MUST_USE bool clo_disk_load(const struct clo_disk *disk, const char *scratch,
                                char why[CLO_DISK_WHY], struct crypt_device **out,
                                struct clo_error *err);
void clo_disk_free_device(struct crypt_device **device); /* for CLO_CLEANUP */

#endif
