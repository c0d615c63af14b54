/* Kernel modules for an initrd: which ones, in which order (modules.dep, through libkmod), for which
 * devices, and their bytes, decompressed with the signature that ends them kept. */
#ifndef CLOISTER_IMAGE_MODULES_H
#define CLOISTER_IMAGE_MODULES_H

#include "cloister/json.h"

#define CLO_MODULES_MAX 256

struct clo_modules {
    char *paths[CLO_MODULES_MAX]; /* in load order; built-in ones are left out */
    /* Aliases of the devices that it is for, or that what needs it is for. NULL: it is wanted always. */
    json_t *devices[CLO_MODULES_MAX];
    size_t count;
};

/* `folder` is …/lib/modules/RELEASE with what depmod makes. A name with a "?" in front may be
 * missing; with an "@" after that, it is wanted where one of its devices is. The list ends with NULL. */
CLO_MUST_USE bool clo_modules_get(const char *folder, const char *const *names,
                                  struct clo_modules *out, struct clo_error *err);
void clo_modules_free(struct clo_modules *modules); /* for CLO_CLEANUP */

/* Reads a .ko, .ko.xz, .ko.zst or .ko.gz. */
CLO_MUST_USE bool clo_module_read(const char *path, struct clo_buffer *out, struct clo_error *err);

#endif
