/* What a verifier keeps of a credential that it gave out: for which keys it was, the endorsement key's certificates, and the digest
 * of the secret. JSON; not a secret itself.
 *
 * It is the verifier's own: who could write it could answer it. */
#ifndef CLOISTER_LIB_TPM_CHALLENGE_H
#define CLOISTER_LIB_TPM_CHALLENGE_H

#include "lib/tcg/tpm_public.h"

#define CLO_TPM_CHALLENGE_LIMIT ((size_t)64 << 10)

struct clo_tpm_challenge {
    struct clo_buffer ak;           /* TPMT_PUBLIC */
    struct clo_buffer ek;           /* TPMT_PUBLIC */
    struct clo_buffer certificates; /* PEM: the endorsement key's first; may be empty */
    struct clo_digest answer;       /* SHA-256 of the secret */
};
void clo_tpm_challenge_free(struct clo_tpm_challenge *challenge); /* for CLO_CLEANUP */

CLO_MUST_USE bool clo_tpm_challenge_parse(struct clo_bytes text, struct clo_tpm_challenge *out,
                                          struct clo_error *err);
CLO_MUST_USE bool clo_tpm_challenge_write(const struct clo_tpm_challenge *challenge,
                                          struct clo_buffer *out, struct clo_error *err);
/* For these two keys (TPMT_PUBLIC or TPM2B_PUBLIC): the credential, and what to keep. What is not an attestation key, or not an
 * endorsement key, is refused. */
CLO_MUST_USE bool clo_tpm_challenge_make(struct clo_bytes ek, struct clo_bytes ak,
                                         struct clo_bytes certificates,
                                         const struct clo_random *random,
                                         struct clo_buffer *credential, struct clo_buffer *kept,
                                         struct clo_error *err);
/* Is this the secret? In constant time. */
bool clo_tpm_challenge_is_answered(const struct clo_tpm_challenge *challenge,
                                   struct clo_bytes answer);

#endif
