/* File systems of the initrd, and the step out of it. */
#ifndef CLOISTER_GUEST_ROOT_H
#define CLOISTER_GUEST_ROOT_H

#include "cloister/base.h"

#define CLO_ROOT_TARGET "/sysroot"

/* /proc, /sys with securityfs, efivarfs and configfs where the kernel has them, /dev, /run. */
CLO_MUST_USE bool clo_root_mount_api(struct clo_error *err);
/* configfs appears with its module. */
void clo_root_mount_late(void);
/* The opened disk, ext4, without set-uid surprises being our business: it is the owner's own. */
CLO_MUST_USE bool clo_root_mount(const char *device, struct clo_error *err);
/* Empties the initrd, makes CLO_ROOT_TARGET the root and starts its init; returns on failure only. */
bool clo_root_switch(struct clo_error *err);

#endif
