/* Companion files of a UKI (systemd-stub(7)) with the bytes that they hold, from an ESP or from files. */
#ifndef CLOISTER_LIB_COMPANION_SET_H
#define CLOISTER_LIB_COMPANION_SET_H

#include "cloister/reference.h"

#define CLO_COMPANIONS_MAX   128
#define CLO_BOOT_IMAGE_LIMIT ((size_t)1 << 31) /* a PE file cannot be larger */

struct clo_companion_set {
    struct clo_companion items[CLO_COMPANIONS_MAX];
    size_t count;
    struct clo_buffer files[CLO_COMPANIONS_MAX];
    char names[CLO_COMPANIONS_MAX][256];
};
void clo_companion_set_free(struct clo_companion_set *set); /* for CLO_CLEANUP */

/* One more of this name; its bytes are read into the buffer that is returned, and
 * clo_companion_set_take() then makes them its data. NULL: there are too many, or its name is too long. */
struct clo_buffer *clo_companion_set_add(struct clo_companion_set *set,
                                         enum clo_companion_place place, const char *name,
                                         struct clo_error *err);
void clo_companion_set_take(struct clo_companion_set *set);
/* Below loader/, where a file of this name would lie; false if the stub looks at no such file. */
bool clo_companion_place_of(const char *name, enum clo_companion_place *out);
/* What lies on an ESP next to the UKI at `path`, and below loader/. */
CLO_MUST_USE bool clo_companion_set_find(struct clo_bytes esp, const char *path,
                                         struct clo_companion_set *out, struct clo_error *err);
/* Takes out what the UKI's stub does not look at, and appends a line about each of these, and about each that the
 * stub starts and then ignores. */
CLO_MUST_USE bool clo_companion_set_sort(struct clo_bytes uki, struct clo_companion_set *set,
                                         struct clo_buffer *remarks, struct clo_error *err);
/* The lines about those that are started and ignored alone; nothing is taken out. */
CLO_MUST_USE bool clo_companion_set_check(struct clo_bytes uki, const struct clo_companion_set *set,
                                          struct clo_buffer *remarks, struct clo_error *err);

#endif
