/* TPM2_PolicyAuthorizeNV: what an NV index holds stands for the state that a session has shown. */
#ifndef CLOISTER_DEVICE_TPM_POLICY_NV_H
#define CLOISTER_DEVICE_TPM_POLICY_NV_H

#include "device/tpm_storage.h"

/* Shows the present registers, by the alternatives, and has the index approve of them. */
CLO_MUST_USE bool clo_tpm_policy_nv(struct clo_tpm *tpm, const struct clo_tpm_handle *session,
                                    const struct clo_alternatives *alternatives,
                                    enum clo_unseal_why *why, struct clo_error *err);

#endif
