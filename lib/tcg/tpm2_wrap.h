/* Protecting something for a TPM's key that is elsewhere: a seed that the key alone recovers, and the outer wrapper that is made
 * with it (TPM 2.0 Library, part 1, section 23.3.2.3 and annexes B.10, C.6). Sealing and credentials share it. */
#ifndef CLOISTER_LIB_TPM2_WRAP_H
#define CLOISTER_LIB_TPM2_WRAP_H

#include "cloister/crypto.h"

/* As TPM2B structures are: the size in front. */
void clo_tpm2_write_sized(struct clo_buffer *out, struct clo_bytes bytes);

struct clo_tpm2_recipient {
    const struct clo_public_key *key; /* RSA or a NIST curve; borrowed */
    enum clo_hash name_hash;          /* its nameAlg */
    unsigned symmetric_bits;          /* of its AES-CFB */
};

/* `label`: what the seed is for, "DUPLICATE" or "IDENTITY". Appends to `sealed` what TPM2B_ENCRYPTED_SECRET holds. */
CLO_MUST_USE bool clo_tpm2_seed(const struct clo_tpm2_recipient *to, const char *label,
                                const struct clo_random *random, struct clo_secret **seed,
                                struct clo_buffer *sealed, struct clo_error *err);
/* Encrypts `in` and authenticates it together with the object's name: appends the MAC (sized) and the ciphertext. */
CLO_MUST_USE bool clo_tpm2_wrap(const struct clo_tpm2_recipient *to, const struct clo_secret *seed,
                                struct clo_bytes name, struct clo_bytes in, struct clo_buffer *out,
                                struct clo_error *err);

#endif
