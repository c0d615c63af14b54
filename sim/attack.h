/* What a hostile host would try, with the means it has: recorded messages and the disk. */
#ifndef CLOISTER_SIM_ATTACK_H
#define CLOISTER_SIM_ATTACK_H

#include "cloister/base.h"

struct sim_replay {
    const char *url;
    const char *key_path;    /* the broker's public key */
    const char *bundle_path; /* evidence as it was once sent */
    const char *resource;
    bool forge; /* with the new session's nonce in the runtime data */
};

/* True if the broker released the resource, which would be a hole; CLO_ERR_REFUSED with its reason
 * if it did not. */
CLO_MUST_USE bool sim_replay(const struct sim_replay *replay, struct clo_error *err);

/* Rewrites both copies of the LUKS2 header that begins at `offset`: cipher_null-ecb, checksums made
 * to hold. */
CLO_MUST_USE bool sim_null_cipher(const char *path, uint64_t offset, struct clo_error *err);

#endif
