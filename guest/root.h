/* File systems of the initrd, and the step out of it. */
#ifndef CLOISTER_GUEST_ROOT_H
#define CLOISTER_GUEST_ROOT_H

#include "cloister/base.h"

#define CLO_ROOT_TARGET "/sysroot"
/* Where systemd has a system's credentials; with it in $CREDENTIALS_DIRECTORY it imports none by itself. */
#define CLO_ROOT_CREDENTIALS "/run/credentials/@system"

/* /proc, /sys with securityfs where the kernel has it, /dev, /run. */
CLO_MUST_USE bool clo_root_mount_api(struct clo_error *err);
/* configfs and efivarfs appear with their modules. */
void clo_root_mount_late(void);
/* The opened disk, ext4, without set-uid surprises being our business: it is the owner's own. */
CLO_MUST_USE bool clo_root_mount(const char *device, struct clo_error *err);
/* The same, read-only, with what is written on top of it (overlayfs): in memory, gone with the machine; or in the file system of
 * `changes`, and then /usr is the device's own, and read-only. */
CLO_MUST_USE bool clo_root_mount_overlaid(const char *device, const char *changes,
                                          struct clo_error *err);
/* Can it be mounted, and read as far as that needs? Nothing stays mounted. */
CLO_MUST_USE bool clo_root_try_mount(const char *device, struct clo_error *err);
/* Empties the initrd, makes CLO_ROOT_TARGET the root and starts its init; returns on failure only. */
bool clo_root_switch(struct clo_error *err);

#endif
