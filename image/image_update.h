/* An image of ours that gets another UKI, from outside: what it is now, and what a boot of the other one will measure. */
#ifndef CLOISTER_IMAGE_IMAGE_UPDATE_H
#define CLOISTER_IMAGE_IMAGE_UPDATE_H

#include "cloister/reference.h"
#include "image/esp_change.h"
#include "image/seal.h"

struct clo_image_update {
    int fd; /* locked */
    struct clo_esp esp;
    struct clo_seal_disk disk; /* its root's header */
    struct clo_buffer uki;     /* the present one */
};
/* A raw disk, or a fixed VHD. CLO_ERR_REFUSED where a machine, or another run, has it. */
CLO_MUST_USE bool clo_image_update_open(const char *path, struct clo_image_update *out,
                                        struct clo_error *err);
void clo_image_update_close(struct clo_image_update *update); /* for CLO_CLEANUP */

/* What the image in this UKI tells its guest: guest.json. CLO_ERR_FORMAT: it is not one of ours. */
CLO_MUST_USE bool clo_uki_guest_config(struct clo_bytes uki, json_t **out, struct clo_error *err);

struct clo_image_update_from {
    struct clo_bytes uki;
    struct clo_bytes varstore;
    const struct clo_secret *volume_key; /* NULL: PCR 15 is not foretold */
    const char *name;
    const char *created; /* RFC 3339 */
    uint64_t disk_bytes; /* of the disk that the root has grown into by then; 0: it has not */
};
/* What a boot of it from this disk measures. A UKI that the firmware of this variable store would not start is CLO_ERR_REFUSED. */
CLO_MUST_USE bool clo_image_update_predict(const struct clo_image_update *update,
                                           const struct clo_image_update_from *from,
                                           struct clo_reference **out, struct clo_error *err);

/* The tokens for TPMs in the root's header. */
struct clo_image_tokens {
    size_t count;           /* all of them */
    size_t own, share;      /* of which so many are of these forms */
    size_t signed_policies; /* bound to a signed policy */
    size_t fit;             /* open the disk after the update, too, as far as registers decide */
    uint32_t moved;         /* registers that hold another value after it */
};
CLO_MUST_USE bool clo_image_update_tokens(const struct clo_image_update *update,
                                          const struct clo_reference *before,
                                          const struct clo_reference *after, struct clo_bytes uki,
                                          struct clo_image_tokens *out, struct clo_error *err);

#endif
