/* A credential: a secret for the TPM that holds an endorsement key, which it gives out only if it also holds the key of a given
 * name (TPM 2.0 Library, part 1, section 24; part 3, TPM2_MakeCredential). Made here without a TPM.
 *
 * Whoever returns the secret shows that both keys are in one TPM. Whose endorsement key it is, its certificate says. */
#ifndef CLOISTER_LIB_TPM_CREDENTIAL_H
#define CLOISTER_LIB_TPM_CREDENTIAL_H

#include "lib/tcg/tpm_public.h"

#define CLO_TPM_CREDENTIAL_SECRET 32   /* what we put into one; others may have less */
#define CLO_TPM_CREDENTIAL_LIMIT  4096 /* of a file */

/* Appends the file that tpm2_activatecredential reads. `name`: of the key that must be there as well. */
CLO_MUST_USE bool clo_tpm_credential_make(const struct clo_tpm_public *ek, struct clo_bytes name,
                                          struct clo_bytes secret, const struct clo_random *random,
                                          struct clo_buffer *out, struct clo_error *err);

/* Of such a file, or of tpm2_makecredential's; views. */
struct clo_tpm_credential {
    struct clo_bytes object; /* what TPM2B_ID_OBJECT holds */
    struct clo_bytes seed;   /* and TPM2B_ENCRYPTED_SECRET */
};
CLO_MUST_USE bool clo_tpm_credential_parse(struct clo_bytes in, struct clo_tpm_credential *out,
                                           struct clo_error *err);

#endif
