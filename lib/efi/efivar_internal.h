/* A variable store as its two readers fill it in. */
#ifndef CLOISTER_EFIVAR_INTERNAL_H
#define CLOISTER_EFIVAR_INTERNAL_H

#include "cloister/efivar.h"

#define VARIABLES_MAX 4096

struct clo_varstore {
    struct clo_bytes file;
    size_t first;    /* where the variables begin */
    size_t capacity; /* how many bytes there are for them */
    struct clo_efivar *variables;
    size_t count;
    bool is_json;
    struct clo_buffer owned; /* of JSON: the variables' data */
};

CLO_MUST_USE bool efivar_add(struct clo_varstore *store, const struct clo_efivar *variable,
                             struct clo_error *err);
bool efivar_is_named(const struct clo_efivar *variable, const char *name,
                     const struct clo_guid *vendor);

/* The JSON of virt-firmware (virt-fw-vars --output-json, QEMU's uefi-vars device): {"version": 2, "variables":
 * [{"name", "guid", "attr", "data": HEX, "time": HEX}]}. */
bool efivar_is_json(struct clo_bytes in);
CLO_MUST_USE bool efivar_read_json(struct clo_bytes in, struct clo_varstore *store,
                                   struct clo_error *err);
CLO_MUST_USE bool efivar_write_json(const struct clo_efivar *const *variables, size_t count,
                                    struct clo_buffer *out, struct clo_error *err);

#endif
