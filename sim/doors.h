/* What a host can put where its guest looks: one more partition, one more EFI variable. */
#ifndef CLOISTER_SIM_DOORS_H
#define CLOISTER_SIM_DOORS_H

#include "cloister/encoding.h"

/* Grows the image by what the partition (of `mib` MiB) needs; what is after the old end is left as it is. */
CLO_MUST_USE bool sim_add_partition(const char *image, const struct clo_guid *type,
                                    const char *name, unsigned mib, struct clo_error *err);
/* Kept, and readable by the running system; its value is the text in UTF-16 with a NUL. */
CLO_MUST_USE bool sim_set_variable(const char *varstore, const char *name,
                                   const struct clo_guid *vendor, const char *text,
                                   struct clo_error *err);

#endif
