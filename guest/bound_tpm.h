/* The TPM that a hardware report binds by its attestation key, and the storage key that its secrets are under.
 *
 * Before the evidence was accepted the key is a claim. A verifier that released a key for it has seen a genuine report of this boot
 * that binds it, so that from then on the guest may ask that key which storage key is in the same TPM. */
#ifndef CLOISTER_GUEST_BOUND_TPM_H
#define CLOISTER_GUEST_BOUND_TPM_H

#include "cloister/evidence.h"
#include "device/tpm_audit.h"

struct clo_bound_tpm {
    struct clo_public_key *ak; /* NULL: the evidence binds no TPM */
};
void clo_bound_tpm_free(struct clo_bound_tpm *bound);

/* What the evidence claims; in place of what an earlier one did. */
void clo_bound_tpm_take(struct clo_bound_tpm *bound, const struct clo_evidence *evidence);
/* After the evidence was accepted: `tpm` is that TPM, from here on authenticated. `pin` is the storage key that the image names;
 * NULL: the one that the bound key certifies. `srk` gets its name. */
CLO_MUST_USE bool clo_bound_tpm_audit(const struct clo_bound_tpm *bound, struct clo_tpm *tpm,
                                      const struct clo_tpm2_name *pin, struct clo_tpm2_name *srk,
                                      struct clo_error *err);

#endif
