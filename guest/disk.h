/* The root disk: found by its partition type, its LUKS2 header copied once, checked, and opened with
 * that very copy, so that the host cannot show one header to the check and another to the kernel. */
#ifndef CLOISTER_GUEST_DISK_H
#define CLOISTER_GUEST_DISK_H

#include "lib/disk/luks2.h"

struct clo_disk {
    char device[64];          /* "/dev/vda2" */
    const char *header_file;  /* where its header lies; NULL: on the device */
    struct clo_buffer header; /* all that is its own; what no key slot uses is not read, and zero */
    struct clo_luks2_info luks;
};

/* Looks at all disks until there is one root partition (of x86-64 by its Discoverable Partitions
 * type), for at most `seconds`. Two of them are refused: one would be the host's choice. */
CLO_MUST_USE bool clo_disk_find(unsigned seconds, struct clo_disk *out, struct clo_error *err);
/* Copies the header, makes its copies one where a write was cut short (clo_luks2_settle()), and holds
 * it against the white list; nothing else of the disk is read. */
CLO_MUST_USE bool clo_disk_read_header(struct clo_disk *disk, struct clo_error *err);
/* The volume key, from a key slot; CLO_ERR_REFUSED if no slot opens. `scratch` is a file in memory
 * that libcryptsetup reads the checked header from. */
CLO_MUST_USE bool clo_disk_volume_key(const struct clo_disk *disk, const char *scratch,
                                      const struct clo_secret *disk_key,
                                      struct clo_secret **volume_key, struct clo_error *err);
/* Maps it to /dev/mapper/`name`. */
CLO_MUST_USE bool clo_disk_open(const struct clo_disk *disk, const char *scratch,
                                const struct clo_secret *volume_key, const char *name,
                                struct clo_error *err);
void clo_disk_free(struct clo_disk *disk); /* for CLO_CLEANUP */

#endif
