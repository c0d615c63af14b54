/* A TPM's endorsement key and an attestation key next to it: what a verifier without a hardware report is shown, and the answer
 * to its credential (lib/tcg/tpm_credential.h).
 *
 * The secret of a credential is for its verifier alone; nothing else depends on it. */
#ifndef CLOISTER_DEVICE_TPM_ENDORSEMENT_H
#define CLOISTER_DEVICE_TPM_ENDORSEMENT_H

#include "device/tpm.h"
#include "lib/tcg/tpm_credential.h"

/* Where to find the keys; 0: at their usual places. */
struct clo_tpm_identity {
    uint32_t ek; /* 0x81010001 and others that makers use, else made from the default template */
    uint32_t ak; /* CLO_TPM_AK, else made: the same in each boot, and nothing is kept for it */
    uint32_t
            ak_template; /* an NV index with the TPMT_PUBLIC that it is made from; 0: a common one */
};

/* Appends TPMT_PUBLIC of both, and what NV indexes hold of the endorsement key's certificates (PEM, the one of that key first;
 * none is not an error). */
CLO_MUST_USE bool clo_tpm_identity_read(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                                        struct clo_buffer *ek, struct clo_buffer *ak,
                                        struct clo_buffer *certificates, struct clo_error *err);
/* Appends the certificate (DER) that an NV index holds, as PEM. CLO_ERR_UNAVAILABLE: there is none. */
CLO_MUST_USE bool clo_tpm_certificate(struct clo_tpm *tpm, uint32_t index, struct clo_buffer *out,
                                      struct clo_error *err);
/* As clo_tpm_quote(), by the attestation key of such an identity. */
CLO_MUST_USE bool clo_tpm_identity_quote(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                                         enum clo_hash hash, uint32_t mask,
                                         struct clo_bytes qualifying, struct clo_buffer *attest,
                                         struct clo_buffer *signature, struct clo_error *err);
/* TPM2_ActivateCredential. CLO_ERR_REFUSED: it was made for other keys. */
CLO_MUST_USE bool clo_tpm_activate(struct clo_tpm *tpm, const struct clo_tpm_identity *of,
                                   const struct clo_tpm_credential *credential,
                                   struct clo_secret **out, struct clo_error *err);

#endif
