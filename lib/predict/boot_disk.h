/* What a boot from a disk starts: the UKI where firmware finds it, or where the shim or boot loader does that lies there, and the
 * companions that its stub looks at. The disk may be a hostile one: nothing of it is believed but that firmware and
 * shim would read it so. */
#ifndef CLOISTER_LIB_BOOT_DISK_H
#define CLOISTER_LIB_BOOT_DISK_H

#include "lib/predict/companion_set.h"

#define CLO_BOOT_PATH_SIZE 600

struct clo_boot_disk {
    struct clo_buffer shim; /* empty: firmware starts the UKI itself */
    struct clo_buffer
            loader; /* systemd-boot or GRUB, that starts the UKI or a kernel; empty: none */
    struct clo_buffer loader_conf; /* loader.conf, or GRUB's script */
    struct clo_buffer uki;
    char path[CLO_BOOT_PATH_SIZE]; /* of the UKI on the ESP, or of the kernel */
    struct clo_buffer kernel,
            initrd; /* of the loader's entry, in place of a UKI; the options are its */
    struct clo_companion_set companions;
    char options[4096];  /* that are left for the UKI */
    bool is_by_fallback; /* shim's: it resets a machine with a TPM, and goes on without one */
};
void clo_boot_disk_free(
        struct clo_boot_disk *boot); /* for CLO_CLEANUP; of one that is all zeros at first */

/* What firmware starts from this ESP, EFI/BOOT/BOOTX64.EFI or BOOTAA64.EFI, and what a shim there starts, perhaps
 * by way of its fallback; without companions. `load_options` are the boot entry's (NULL: none). A shim's second stage
 * that is neither a UKI nor GRUB is CLO_ERR_UNSUPPORTED; what else firmware starts itself is not looked at. What
 * systemd-boot starts is followed, or CLO_ERR_UNSUPPORTED; of GRUB's script only what is plain, else there is
 * neither UKI nor kernel. */
CLO_MUST_USE bool clo_boot_disk_find(struct clo_bytes esp, const char *load_options,
                                     struct clo_boot_disk *out, struct clo_error *err);
/* The same of a whole disk, with the companions. A line for each that the stub does not look at, or ignores, is
 * appended to `remarks`. */
CLO_MUST_USE bool clo_boot_disk_read(struct clo_bytes disk, const char *load_options,
                                     struct clo_boot_disk *out, struct clo_buffer *remarks,
                                     struct clo_error *err);

#endif
