/* A TPM 2.0, through tpm2-tss's ESYS: what a guest needs to prove itself (read, extend and quote
 * PCRs, read NV indexes) and what a pretend platform needs to make it fit for that.
 *
 * The TPM may be the host's: nothing it answers is believed here. What it signs is verified by
 * lib/tcg and counts only once a hardware report binds its key. No secret passes through here, so
 * no session is encrypted. */
#ifndef CLOISTER_DEVICE_TPM_H
#define CLOISTER_DEVICE_TPM_H

#include "cloister/crypto.h"

#define CLO_TPM_DEVICE "/dev/tpmrm0"
#define CLO_TPM_AK     0x81000003u /* where Azure's vTPM, and ours, keep the attestation key */
#define CLO_TPM_PCRS   24
/* Where the certificates of the key that signed the hardware report may travel next to it (DER). Our
 * own: pretend platforms have them, clouds serve them elsewhere. */
#define CLO_TPM_NV_VCEK  0x01400003u
#define CLO_TPM_NV_ASK   0x01400004u
#define CLO_TPM_NV_LIMIT 65535

struct clo_tpm;

/* A TPM device node, usually CLO_TPM_DEVICE, or a software TPM's socket. An absent one is CLO_ERR_UNAVAILABLE. */
CLO_MUST_USE bool clo_tpm_open(const char *device, struct clo_tpm **out, struct clo_error *err);
/* A software TPM's unix socket (`swtpm socket --tpm2 --server type=unixio,path=PATH --flags
 * not-need-init,startup-clear`): for pretend platforms and tests. */
CLO_MUST_USE bool clo_tpm_open_socket(const char *path, struct clo_tpm **out,
                                      struct clo_error *err);
/* Either: "swtpm:PATH" is a socket. */
CLO_MUST_USE bool clo_tpm_open_named(const char *name, struct clo_tpm **out, struct clo_error *err);
void clo_tpm_free(struct clo_tpm *tpm);
void clo_tpm_freep(struct clo_tpm **tpm);

/* --- PCRs ------------------------------------------------------------------------------------ */

struct clo_tpm_pcrs {
    enum clo_hash hash;
    uint32_t mask; /* bit N: values[N] is set */
    struct clo_digest values[CLO_TPM_PCRS];
};

/* The active banks. One whose hash we do not know is refused: it could not be extended. */
CLO_MUST_USE bool clo_tpm_banks(struct clo_tpm *tpm, enum clo_hash out[CLO_HASH_COUNT],
                                size_t *count, struct clo_error *err);
CLO_MUST_USE bool clo_tpm_pcr_read(struct clo_tpm *tpm, enum clo_hash hash, uint32_t mask,
                                   struct clo_tpm_pcrs *out, struct clo_error *err);
/* Extends `pcr` by one digest for each bank; there must be one for every active bank. */
CLO_MUST_USE bool clo_tpm_pcr_extend(struct clo_tpm *tpm, unsigned pcr,
                                     const struct clo_digest *digests, size_t count,
                                     struct clo_error *err);

/* --- Keys and quotes ------------------------------------------------------------------------- */

/* Signs the PCRs of `mask` in the bank `hash` together with `qualifying` (at most 64 bytes).
 * `attest` gets the TPMS_ATTEST, `signature` the TPMT_SIGNATURE. */
CLO_MUST_USE bool clo_tpm_quote(struct clo_tpm *tpm, uint32_t key, enum clo_hash hash,
                                uint32_t mask, struct clo_bytes qualifying,
                                struct clo_buffer *attest, struct clo_buffer *signature,
                                struct clo_error *err);
/* Makes an RSA-2048 restricted signing key (RSASSA, SHA-256) as a primary of the endorsement
 * hierarchy and keeps it at `handle`, which must be free. */
CLO_MUST_USE bool clo_tpm_create_ak(struct clo_tpm *tpm, uint32_t handle,
                                    struct clo_public_key **out, struct clo_error *err);
/* The public part of the key at a persistent handle. */
CLO_MUST_USE bool clo_tpm_public_key(struct clo_tpm *tpm, uint32_t handle,
                                     struct clo_public_key **out, struct clo_error *err);

/* --- NV indexes ------------------------------------------------------------------------------ */

/* The whole contents of an index that its owner may read without a password. An index that is not
 * defined is CLO_ERR_UNAVAILABLE; one larger than `limit` CLO_ERR_FORMAT. */
CLO_MUST_USE bool clo_tpm_nv_read(struct clo_tpm *tpm, uint32_t index, size_t limit,
                                  struct clo_buffer *out, struct clo_error *err);
/* Defines an index of `size` bytes that everybody may read and the owner write. */
CLO_MUST_USE bool clo_tpm_nv_define(struct clo_tpm *tpm, uint32_t index, size_t size,
                                    struct clo_error *err);
CLO_MUST_USE bool clo_tpm_nv_write(struct clo_tpm *tpm, uint32_t index, struct clo_bytes bytes,
                                   struct clo_error *err);

/* --- Counters -------------------------------------------------------------------------------- */

/* An index that only rises, by one at a time, and that is not brought back to what it was by defining it anew. 0: it
 * was never raised. One that is not defined is CLO_ERR_UNAVAILABLE, one that could be written CLO_ERR_REFUSED. */
CLO_MUST_USE bool clo_tpm_counter_read(struct clo_tpm *tpm, uint32_t index, uint64_t *out,
                                       struct clo_error *err);
CLO_MUST_USE bool clo_tpm_counter_raise(struct clo_tpm *tpm, uint32_t index, struct clo_error *err);
CLO_MUST_USE bool clo_tpm_counter_define(struct clo_tpm *tpm, uint32_t index,
                                         struct clo_error *err);

#endif
