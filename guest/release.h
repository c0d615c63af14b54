/* What the broker releases: a disk key, and which disk it is for. */
#ifndef CLOISTER_GUEST_RELEASE_H
#define CLOISTER_GUEST_RELEASE_H

#include "lib/disk/disk_identity.h"

struct clo_release {
    struct clo_secret *key;
    bool has_disk; /* false: the broker knows no disk for it, and the image says that this may be */
    struct clo_disk_identity disk;
};
void clo_release_free(struct clo_release *release); /* for CLO_CLEANUP */

/* Opens the broker's answer with the one-time key. `is_registered`: the image's disk is registered at
 * the broker, so that a key without a disk is refused (CLO_ERR_REFUSED). */
CLO_MUST_USE bool clo_release_open(const json_t *jwe, const struct clo_private_key *transport,
                                   bool is_registered, struct clo_release *out,
                                   struct clo_error *err);

#endif
