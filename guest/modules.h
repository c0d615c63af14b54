/* Kernel modules from the initrd: plain .ko files, loaded in the order in which the image lists
 * them. */
#ifndef CLOISTER_GUEST_MODULES_H
#define CLOISTER_GUEST_MODULES_H

#include "cloister/base.h"

/* A module whose hardware is not here is passed over; one that cannot be read or is refused by the
 * kernel is an error. */
CLO_MUST_USE bool clo_modules_load(const char *const *paths, size_t count, struct clo_error *err);

#endif
