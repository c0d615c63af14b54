/* The volume key of a disk that is open, as the kernel has it. Root can always read it: nothing is kept for it. */
#ifndef CLOISTER_DEVICE_DM_KEY_H
#define CLOISTER_DEVICE_DM_KEY_H

#include "cloister/base.h"

/* Of the mapped device `name` ("root"), which must be one dm-crypt target whose key is in its table. */
CLO_MUST_USE bool clo_dm_volume_key(const char *name, struct clo_secret **out,
                                    struct clo_error *err);

#endif
