/* What an NV index of ours approves of, changed in its three places: the TPM, the file of the index, and the copies in disks' headers that
 * initrds read. At any moment each header has a copy of what the TPM holds, and what is sealed to the index stays as it is. */
#ifndef CLOISTER_IMAGE_NV_APPROVE_H
#define CLOISTER_IMAGE_NV_APPROVE_H

#include "device/tpm_nv_policy.h"
#include "image/seal.h"

struct clo_nv_file {
    const char *path;
    const struct clo_private_key *key; /* that writes the index */
    struct clo_tpm *tpm;
    struct clo_seal_disk *disks; /* each volume whose header has a copy */
    size_t disk_count;
};

CLO_MUST_USE bool clo_nv_file_read(const char *path, struct clo_nv_policy *out,
                                   struct clo_error *err);
/* Defines the index where it is not there, approves, and writes the file. */
CLO_MUST_USE bool clo_nv_make(const struct clo_nv_file *in,
                              const struct clo_alternatives *alternatives, struct clo_error *err);
/* Of these states, and no others any more. CLO_ERR_REFUSED, with nothing changed: another key writes the index. */
CLO_MUST_USE bool clo_nv_approve(const struct clo_nv_file *in, struct clo_nv_policy *policy,
                                 const struct clo_alternatives *alternatives,
                                 struct clo_error *err);

#endif
