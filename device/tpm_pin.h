/* What a PIN becomes before a TPM gets to see anything of it. */
#ifndef CLOISTER_DEVICE_TPM_PIN_H
#define CLOISTER_DEVICE_TPM_PIN_H

#include "lib/tcg/tpm2_sealing.h"

/* `text`: what stands for the PIN at the TPM. `lock`: with Argon2id (systemd 262) what the key slot's key is made with besides; NULL
 * without. CLO_ERR_REFUSED: it wants more memory than the machine has. */
CLO_MUST_USE bool clo_tpm_pin(const struct clo_tpm2_token *token, struct clo_bytes pin,
                              struct clo_secret **text, struct clo_secret **lock,
                              struct clo_error *err);
/* The key slot's key of what was unsealed, under that lock. */
CLO_MUST_USE bool clo_tpm_pin_slot_key(const struct clo_secret *lock, struct clo_bytes unsealed,
                                       struct clo_secret **out, struct clo_error *err);

#endif
