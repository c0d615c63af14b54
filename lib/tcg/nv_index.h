/* An NV index of our own that says which states get a key (TPM2_PolicyAuthorizeNV), and who may write it: whoever signs with one
 * key (TPM2_PolicySigned), each write by itself.
 *
 * What is sealed names the index by its public part, with the policy of its writes in it: one that was taken away and defined
 * anew by others has another name, or is written by that key alone. */
#ifndef CLOISTER_LIB_NV_INDEX_H
#define CLOISTER_LIB_NV_INDEX_H

#include "lib/tcg/alternatives.h"

/* In the owner's range, next to the floor's counter. */
#define CLO_NV_INDEX 0x0147c103u

/* Its TPMS_NV_PUBLIC; the signer is an RSA key. `is_written`: once something was written, as policies name it. */
CLO_MUST_USE bool clo_nv_index_public(uint32_t index, const struct clo_public_key *signer,
                                      bool is_written, struct clo_buffer *out,
                                      struct clo_error *err);
/* What it holds: TPMT_HA of the policy that the alternatives come to. */
CLO_MUST_USE bool clo_nv_index_content(const struct clo_alternatives *alternatives,
                                       struct clo_buffer *out, struct clo_error *err);
/* cpHash of TPM2_NV_Write of all of it, authorized by the index itself (part 1, section 18.7). */
void clo_nv_index_write_hash(const struct clo_tpm2_name *index, struct clo_bytes content,
                             struct clo_digest *out);
/* What the signature of a write is made over (its SHA-256 is signed): `nonce` is the session's, so that it is of no use again. */
CLO_MUST_USE bool clo_nv_index_to_be_signed(struct clo_bytes nonce,
                                            const struct clo_digest *write_hash,
                                            struct clo_buffer *out, struct clo_error *err);
/* policyRef: what this key signs here is of no use anywhere else. */
void clo_nv_index_ref(struct clo_digest *out);

/* The file of an index (systemd-pcrlock's form): does this key write it? CLO_ERR_REFUSED: another one. */
CLO_MUST_USE bool clo_nv_index_is_of(const struct clo_nv_policy *policy,
                                     const struct clo_public_key *signer, struct clo_error *err);

#endif
