/* Kernel packages, .deb (ar with tar inside) and .rpm (cpio): what they install is looked through for a
 * kernel and its configuration, without unpacking anything to disk. */
#ifndef CLOISTER_IMAGE_PACKAGE_H
#define CLOISTER_IMAGE_PACKAGE_H

#include "cloister/base.h"

struct clo_package {
    struct clo_buffer config; /* /boot/config-RELEASE, /lib/modules/RELEASE/config; empty: none */
    struct clo_buffer kernel; /* vmlinuz; empty: none */
    char release[128];        /* of which there is one; empty: not told */
};

bool clo_package_is(struct clo_bytes head);
/* A package with kernels of more than one release is refused. */
CLO_MUST_USE bool clo_package_read(const char *path, struct clo_package *out,
                                   struct clo_error *err);
void clo_package_free(struct clo_package *package); /* for CLO_CLEANUP */

#endif
