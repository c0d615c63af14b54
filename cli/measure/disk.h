/* What commands look for on a disk image. */
#ifndef CLOISTER_CLI_DISK_H
#define CLOISTER_CLI_DISK_H

#include "cli/measure/companions.h"

/* What a boot from the disk starts, and what lies beside the UKI and its stub looks at. */
struct cli_boot {
    struct clo_buffer shim; /* empty: firmware starts the UKI itself */
    struct clo_buffer uki;
    struct cli_companions companions;
    char options[4096];  /* that are left for the UKI */
    bool is_by_fallback; /* shim's: it resets a machine with a TPM, and goes on without one */
};
void cli_boot_free(struct cli_boot *boot); /* for CLO_CLEANUP */

/* The UKI where firmware finds it, EFI/BOOT/BOOTX64.EFI on the ESP or BOOTAA64.EFI; or where the shim does
 * that lies there, perhaps by way of its fallback. `load_options` are the boot entry's (NULL: none). Of the
 * companions, those that the stub does not look at are named on standard error. A second stage that is no
 * UKI is CLO_ERR_UNSUPPORTED. */
CLO_MUST_USE bool cli_disk_boot(struct clo_bytes disk, const char *load_options,
                                struct cli_boot *out, struct clo_error *err);

#endif
