/* Boot entries of UEFI (2.10, sections 3.1.3 and 3.3) in efivarfs: a UKI that firmware starts once.
 *
 * The entry stands in no boot order: firmware takes BootNext away before it follows it, and so the boot after a failed one
 * is the usual one, whatever became of ours. edk2 measures the order's entries alone, into PCR 1: it does not move. */
#ifndef CLOISTER_IMAGE_EFI_BOOT_H
#define CLOISTER_IMAGE_EFI_BOOT_H

#include "lib/disk/gpt.h"

#define CLO_EFIVARS "/sys/firmware/efi/efivars"

struct clo_efi_entry {
    const struct clo_gpt_partition *esp;
    const char *path; /* on the ESP, with "/" between */
};

/* Writes the entry, ours if there is one already, else under a number that is free. */
CLO_MUST_USE bool clo_efi_entry_write(const char *efivars, const struct clo_efi_entry *entry,
                                      uint16_t *number, struct clo_error *err);
/* The EFI_LOAD_OPTION alone, for a variable store that is a file; and is an option one of ours? */
CLO_MUST_USE bool clo_efi_option(const struct clo_efi_entry *entry, struct clo_buffer *out,
                                 struct clo_error *err);
bool clo_efi_option_is_ours(struct clo_bytes option);
#define CLO_EFI_FIRST_NUMBER 0xc101u /* of the numbers that ours may have */
#define CLO_EFI_NUMBERS      16u
/* Our own entry and, where it names that, BootNext: gone, if they were there. */
CLO_MUST_USE bool clo_efi_entry_drop(const char *efivars, struct clo_error *err);
CLO_MUST_USE bool clo_efi_next_write(const char *efivars, uint16_t number, struct clo_error *err);
/* Is our own entry what firmware starts next, and what it started? */
bool clo_efi_is_next(const char *efivars);
bool clo_efi_is_current(const char *efivars);

#endif
