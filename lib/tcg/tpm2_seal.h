/* Sealing to a TPM that is not there: a data object made for the public part of its storage key, which that TPM alone
 * imports (TPM 2.0 Library, part 1, section 23; what `systemd-cryptenroll --tpm2-device-key` makes).
 *
 * Anyone who has the public part can make one, so an object proves nothing of who made it. */
#ifndef CLOISTER_LIB_TPM2_SEAL_H
#define CLOISTER_LIB_TPM2_SEAL_H

#include "cloister/crypto.h"

#define CLO_TPM2_SECRET_MAX   128
#define CLO_TPM2_PARENT_LIMIT 2048 /* what a file with a public part may have */

/* A storage key's public part: restricted, decrypting, of RSA or of a NIST curve, with SHA-256 and AES-CFB. */
struct clo_tpm2_parent {
    struct clo_bytes public_part; /* TPMT_PUBLIC: a view of what was parsed */
    struct clo_public_key *key;
    unsigned symmetric_bits;
};

/* TPM2B_PUBLIC (`tpm2_readpublic -f tss`, systemd's tpm2-srk-public-key.tpm2b_public) or what is in it. */
CLO_MUST_USE bool clo_tpm2_parent_parse(struct clo_bytes in, struct clo_tpm2_parent *out,
                                        struct clo_error *err);
void clo_tpm2_parent_free(struct clo_tpm2_parent *parent); /* for CLO_CLEANUP */

/* Appends TPM2B_PRIVATE, TPM2B_PUBLIC and TPM2B_ENCRYPTED_SECRET of `secret` under `policy`; `auth` is the object's
 * password, empty for none. Object attributes are all clear: no userWithAuth, so that the policy is the only way. */
CLO_MUST_USE bool clo_tpm2_seal_offline(const struct clo_tpm2_parent *parent,
                                        const struct clo_digest *policy, struct clo_bytes secret,
                                        struct clo_bytes auth, const struct clo_random *random,
                                        struct clo_buffer *out, struct clo_error *err);

#endif
