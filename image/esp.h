/* The EFI system partition: FAT32 with the UKI where firmware looks for it (UEFI 2.10 section 13.3),
 * made with dosfstools and mtools, without mounting anything. */
#ifndef CLOISTER_IMAGE_ESP_H
#define CLOISTER_IMAGE_ESP_H

#include "cloister/base.h"

/* EFI/BOOT/BOOTX64.EFI, or BOOTAA64.EFI for an AArch64 UKI. `size` 0: what fits, at least 64 MiB.
 * Makes `path` and tells its size. */
CLO_MUST_USE bool clo_esp_make(const char *path, struct clo_bytes uki, uint64_t size, int64_t epoch,
                               uint64_t *made, struct clo_error *err);

#endif
