/* A part of a block device as one of its own: device-mapper's linear target. */
#ifndef CLOISTER_DEVICE_DM_LINEAR_H
#define CLOISTER_DEVICE_DM_LINEAR_H

#include "cloister/base.h"

#define CLO_DM_SECTOR 512U

/* /dev/mapper/`name`: `sectors` of `device` from `first` on, in sectors of 512 bytes. */
CLO_MUST_USE bool clo_dm_linear_open(const char *device, uint64_t first, uint64_t sectors,
                                     const char *name, struct clo_error *err);

#endif
