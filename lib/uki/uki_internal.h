/* What reading and building share: lists of named sections, cut into a base and profiles. */
#ifndef CLOISTER_LIB_UKI_INTERNAL_H
#define CLOISTER_LIB_UKI_INTERNAL_H

#include "cloister/uki.h"

/* Of an array of structs, the names in them. */
struct names {
    const char *first;
    size_t stride;
    size_t count;
    const void *of;
};

bool uki_may_repeat(const char *name);
/* The index of the first of that name in the base or the profile, from there; `count` if there is none. */
size_t uki_find(const struct names *names, size_t profile, const char *name);
/* After the last of the base or the profile. */
size_t uki_group_end(const struct names *names, size_t profile);
/* The n-th that is measured in a profile; `count` at the end. */
size_t uki_measured(const struct names *names, unsigned stub_version, size_t profile, size_t index,
                    bool (*is_empty)(const struct names *, size_t));

#endif
