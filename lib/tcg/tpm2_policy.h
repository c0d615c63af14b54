/* Policies that a TPM holds a session against, computed without it (TPM 2.0 Library, part 3, section 23), all in SHA-256.
 *
 * A policy begins as 32 zeros; each function is what the TPM's command of that name makes of it. */
#ifndef CLOISTER_LIB_TPM2_POLICY_H
#define CLOISTER_LIB_TPM2_POLICY_H

#include "cloister/crypto.h"

#define CLO_TPM2_NAME_SIZE 34 /* algorithm and SHA-256 */
#define CLO_TPM2_OR_MAX    8  /* branches of one TPM2_PolicyOR */

/* The counter that says which generations of the system may still open the disk: in the owner's range (TCG registry
 * of handles, 2.2.2). */
#define CLO_TPM2_FLOOR_INDEX 0x0147c102u

struct clo_tpm2_name {
    uint8_t bytes[CLO_TPM2_NAME_SIZE];
};

void clo_tpm2_policy_begin(struct clo_digest *policy);
/* `values`: of each register that is chosen, the lowest first. */
void clo_tpm2_policy_pcr(struct clo_digest *policy, enum clo_hash bank, uint32_t pcrs,
                         const struct clo_digest *values);
/* What the key signs stands for all that came before. `ref` NULL: an empty policyRef; else it is the text's SHA-256,
 * as systemd has it. */
void clo_tpm2_policy_authorize(struct clo_digest *policy, const struct clo_tpm2_name *key,
                               const char *ref);
/* What the NV index holds stands for all that came before. */
void clo_tpm2_policy_authorize_nv(struct clo_digest *policy, const struct clo_tpm2_name *index);
void clo_tpm2_policy_auth_value(struct clo_digest *policy);
/* The key has signed this session, under this policyRef. */
void clo_tpm2_policy_signed(struct clo_digest *policy, const struct clo_tpm2_name *key,
                            const struct clo_digest *ref);
/* TPM2_PolicyNV: the counter at CLO_TPM2_FLOOR_INDEX is at most `generation`. */
void clo_tpm2_policy_floor(struct clo_digest *policy, uint64_t generation);
/* At most CLO_TPM2_OR_MAX branches, one of which the policy is. */
void clo_tpm2_policy_or(struct clo_digest *policy, const struct clo_digest *branches, size_t count);

/* What a signature of `approved` under `ref` is made over (its SHA-256 is signed). */
void clo_tpm2_policy_to_be_signed(const struct clo_digest *approved, const char *ref,
                                  struct clo_buffer *out);
/* Algorithm and hash of a public part (TPMT_PUBLIC, TPMS_NV_PUBLIC) whose nameAlg is SHA-256. */
void clo_tpm2_name_of(struct clo_bytes public_part, struct clo_tpm2_name *out);
/* TPMT_PUBLIC of a key that signs policies, as systemd loads it. An exponent of 65537 is written as it is, or as 0, which
 * means the same to a TPM and makes another name. RSA alone. */
CLO_MUST_USE bool clo_tpm2_signer_public(const struct clo_public_key *key, bool exponent_is_zero,
                                         struct clo_buffer *out, struct clo_error *err);

#endif
