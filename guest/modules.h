/* Kernel modules from the initrd: plain .ko files, loaded in the order in which the image lists them. One that the image names devices
 * for is loaded where one of these is there: no other would find anything to drive. */
#ifndef CLOISTER_GUEST_MODULES_H
#define CLOISTER_GUEST_MODULES_H

#include "guest/config.h"

struct clo_module_loader {
    const struct clo_guest_config *config;
    bool is_done[CLO_GUEST_MODULES_MAX];
    double ms[CLO_GUEST_MODULES_MAX]; /* that it took; for the curious */
    bool has_passed_over; /* one whose hardware is not here: what needs it will miss its symbols */
};

/* A module whose hardware is not here is passed over; one that cannot be read or is refused by the
 * kernel is an error. `sys` is where sysfs is mounted. */
CLO_MUST_USE bool clo_modules_load(struct clo_module_loader *loader, const char *sys,
                                   struct clo_error *err);

/* Those that no device asked for: perhaps one is not listed. */
CLO_MUST_USE bool clo_modules_load_rest(struct clo_module_loader *loader, struct clo_error *err);

#endif
