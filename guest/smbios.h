/* SMBIOS structures (DMTF DSP0134 3.7, section 6), as the kernel shows the table of the host's making at
 * /sys/firmware/dmi/tables/DMI. Nothing in it is measured by OVMF, and nothing is believed here: it is
 * read to see what the host tries to hand in. */
#ifndef CLOISTER_GUEST_SMBIOS_H
#define CLOISTER_GUEST_SMBIOS_H

#include "cloister/base.h"

#define CLO_SMBIOS_SYSTEM      1  /* section 7.2 */
#define CLO_SMBIOS_OEM_STRINGS 11 /* section 7.12 */
#define CLO_SMBIOS_LIMIT       ((size_t)1 << 20)

/* Called for each string of each structure, in the table's order. The first
 * string of a structure has index 1. False ends the walk as a failure. */
typedef bool clo_smbios_string(void *context, unsigned type, unsigned index, struct clo_bytes text,
                               struct clo_error *err);

/* Walks the whole table, also what comes after its end-of-table structure, where older kernels still look; a
 * table that is cut short is CLO_ERR_FORMAT. */
CLO_MUST_USE bool clo_smbios_walk(struct clo_bytes table, clo_smbios_string *each, void *context,
                                  struct clo_error *err);

#endif
