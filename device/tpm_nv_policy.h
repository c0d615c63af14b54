/* The NV index of lib/tcg/nv_index.h in a TPM: defined, written and taken away.
 *
 * The wire may be the host's: a write is signed over the session's nonce and over what is written, so that another one is refused
 * by the TPM. Whether it was done says the TPM alone: clo_tpm_nv_policy_holds(), in the session of clo_tpm_audit(). */
#ifndef CLOISTER_DEVICE_TPM_NV_POLICY_H
#define CLOISTER_DEVICE_TPM_NV_POLICY_H

#include "device/tpm_seal.h"
#include "lib/tcg/nv_index.h"

/* Defines the index of these, where it is not there yet. CLO_ERR_REFUSED: another one is, or it approves of something else: what is
 * sealed to it would not open any more. */
CLO_MUST_USE bool clo_tpm_nv_policy_define(struct clo_tpm *tpm,
                                           const struct clo_alternatives *alternatives,
                                           const struct clo_public_key *signer,
                                           struct clo_error *err);
/* From here on it approves of what these come to, and of nothing else. CLO_ERR_REFUSED: it is another key's to write. */
CLO_MUST_USE bool clo_tpm_nv_policy_write(struct clo_tpm *tpm, const struct clo_private_key *key,
                                          const struct clo_alternatives *alternatives,
                                          struct clo_error *err);
/* ESYS's serialised handle of what was written, as tokens have it. */
CLO_MUST_USE bool clo_tpm_nv_policy_handle(struct clo_tpm *tpm, uint32_t index,
                                           struct clo_buffer *out, struct clo_error *err);
/* Is the TPM's index this one, and does it hold what the alternatives come to? CLO_ERR_REFUSED: not. */
CLO_MUST_USE bool clo_tpm_nv_policy_holds(struct clo_tpm *tpm, const struct clo_nv_policy *policy,
                                          struct clo_error *err);
/* Takes it away: whatever is bound to it opens nothing any more. Anyone who has the TPM can do that. */
CLO_MUST_USE bool clo_tpm_nv_policy_remove(struct clo_tpm *tpm, const struct clo_nv_policy *policy,
                                           struct clo_error *err);

#endif
