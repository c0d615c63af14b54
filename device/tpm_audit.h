/* A TPM on a wire that is the host's. What a guest decides by (registers, counters, whether an extension reached the TPM) is
 * asked in a session whose salt only the holder of a known storage key can read: an answer that was changed, made up or
 * swallowed on its way has no MAC, and is an error.
 *
 * An error itself has none (part 1, section 19.4): a host that denies is only ever refused. */
#ifndef CLOISTER_DEVICE_TPM_AUDIT_H
#define CLOISTER_DEVICE_TPM_AUDIT_H

#include "device/tpm_seal.h"

/* From here on everything that `tpm` reads, extends and counts is authenticated by the storage key of this name. Again with the
 * same name does nothing. CLO_ERR_REFUSED: the TPM has another key. */
CLO_MUST_USE bool clo_tpm_audit(struct clo_tpm *tpm, const struct clo_tpm2_name *srk,
                                struct clo_error *err);
/* The name of the storage key of the TPM that has the key `ak` at `handle`: that key certifies it, over a fresh nonce. `ak` is
 * known otherwise (a hardware report binds it), and signs nothing but what its TPM made. */
CLO_MUST_USE bool clo_tpm_certified_srk(struct clo_tpm *tpm, uint32_t handle,
                                        const struct clo_public_key *ak,
                                        const struct clo_random *random, struct clo_tpm2_name *out,
                                        struct clo_error *err);

#endif
