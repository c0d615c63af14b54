/* The initrd of a confidential image: cloister-init as /init, the libraries and kernel modules it
 * needs, and its configuration. The same inputs give the same bytes; nothing in it is of one disk. */
#ifndef CLOISTER_IMAGE_INITRD_H
#define CLOISTER_IMAGE_INITRD_H

#include "cloister/json.h"

/* The default list: what the disks, networks and TPMs of clouds want. */
extern const char *const clo_initrd_modules[];

struct clo_initrd_spec {
    const char *init;           /* the cloister-init program */
    const char *modules_folder; /* …/lib/modules/RELEASE */
    const char *const *modules; /* NULL-terminated; NULL: the default list */
    bool has_tags;              /* the root's sectors: their modules are added */
    bool has_verity;            /* the root is read-only: likewise */
    json_t *guest_config;       /* /etc/cloister/guest.json, "modules" is added */
    int64_t epoch;              /* every file's time */
};

/* Appends a zstd-compressed newc archive (kernel, Documentation/driver-api/early-userspace). */
CLO_MUST_USE bool clo_initrd_build(const struct clo_initrd_spec *spec, struct clo_buffer *out,
                                   struct clo_error *err);

#endif
