/* Units of the root that would do what the host says: masked in /run, which the root inherits. Masks there come
 * before what the root itself has (systemd.unit(5), "system.control"). A root without systemd has no use for them,
 * and is not held back by them. */
#ifndef CLOISTER_GUEST_HOST_UNITS_H
#define CLOISTER_GUEST_HOST_UNITS_H

#include "guest/host_allow.h"

/* `run` is "/run". */
CLO_MUST_USE bool clo_host_mask_units(const char *run, const struct clo_host_allow *allow,
                                      struct clo_error *err);

#endif
