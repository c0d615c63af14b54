/* The UKI of an image: the owner's kernel, command line and policies, and our initrd; made in the workshop
 * (image/uki), as `uki build` makes it. */
#ifndef CLOISTER_IMAGE_IMAGE_UKI_H
#define CLOISTER_IMAGE_IMAGE_UKI_H

#include "image/builder.h"

struct image_uki {
    struct clo_buffer bytes;
    uint64_t initrd_size;
    size_t profile_count; /* at least one: without profiles the UKI is its own */
    char release[UKI_RELEASE_MAX];
};
void image_uki_free(struct image_uki *uki); /* for CLO_CLEANUP */

/* Writes into guest_config what the guest holds its command line and its partitions against. `scratch` is a folder for
 * what is needed on the way. With spec->offline.tbs, all that comes out is what must be signed. */
CLO_MUST_USE bool image_uki_make(const struct clo_image_spec *spec, const char *scratch,
                                 struct image_uki *out, struct clo_error *err);

#endif
