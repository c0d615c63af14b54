/* What commands look for on a disk image. */
#ifndef CLOISTER_CLI_DISK_H
#define CLOISTER_CLI_DISK_H

#include "cli/companions.h"

/* The UKI where firmware finds it, EFI/BOOT/BOOTX64.EFI on the ESP or BOOTAA64.EFI, and what lies beside
 * it and its stub looks at: what it does not is named on standard error. */
CLO_MUST_USE bool cli_disk_uki(struct clo_bytes disk, struct clo_buffer *out,
                               struct cli_companions *companions, struct clo_error *err);

#endif
