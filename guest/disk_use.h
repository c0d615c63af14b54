/* What becomes of a disk whose key was released: it must be the one that was registered, and not an older copy of it;
 * then it counts as used once more, on the disk and, where the image asks for it, in the TPM. */
#ifndef CLOISTER_GUEST_DISK_USE_H
#define CLOISTER_GUEST_DISK_USE_H

#include "guest/bound_tpm.h"
#include "guest/counter.h"
#include "guest/disk_identity.h"

struct clo_disk_use {
    struct clo_disk *disk;
    const char *scratch; /* as for clo_disk_volume_key() */
    const struct clo_secret *volume_key;
    const struct clo_disk_identity *registered; /* as it came with the key */
    bool has_counter;                           /* guest.json asks for the TPM's */
    struct clo_tpm *tpm;                        /* NULL: there is none */
    const struct clo_bound_tpm *bound; /* what was accepted: it counts only where that binds it */
    const struct clo_tpm2_name *srk;   /* that the image names; NULL: none */
};

CLO_MUST_USE bool clo_disk_use_again(const struct clo_disk_use *use, uint64_t *generation,
                                     struct clo_error *err);

#endif
