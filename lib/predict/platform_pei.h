/* What OVMF's PlatformPei writes into its own image before the PEI volume is measured, on QEMU's q35. */
#ifndef CLOISTER_REFERENCE_PLATFORM_PEI_H
#define CLOISTER_REFERENCE_PLATFORM_PEI_H

#include "cloister/efivar.h"
#include "cloister/reference.h"
#include "lib/launch/firmware.h"

/* Appends the volume as it is in memory when it is measured. CLO_ERR_UNSUPPORTED: a build whose PEI
 * leaves its traces elsewhere, or a machine that they are not known of. */
CLO_MUST_USE bool platform_pei_run(const struct clo_volume *pei, const struct clo_machine *machine,
                                   const struct clo_varstore *store, struct clo_buffer *out,
                                   struct clo_error *err);

#endif
