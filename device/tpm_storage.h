/* What sealing and unsealing share: the storage key, sessions, and bytes as ESYS wants them. */
#ifndef CLOISTER_DEVICE_TPM_STORAGE_H
#define CLOISTER_DEVICE_TPM_STORAGE_H

#include "device/tpm_internal.h"
#include "device/tpm_seal.h"

extern const TPMT_SYM_DEF clo_tpm_aes; /* what sessions are encrypted with */

/* An object or session of ESYS that goes with its scope. */
struct clo_tpm_handle {
    struct clo_tpm *tpm;
    ESYS_TR object;
    bool is_kept; /* a persistent one: closed, not flushed */
};
void clo_tpm_handle_free(struct clo_tpm_handle *handle); /* for CLO_CLEANUP */

/* The storage key that the token names, or that of older tokens; its name is compared with the token's and with `pin` (NULL: any).
 * CLO_ERR_UNAVAILABLE: it is not there, CLO_ERR_REFUSED: another one is. */
CLO_MUST_USE bool clo_tpm_parent(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                                 const struct clo_tpm2_name *pin, struct clo_tpm_handle *out,
                                 struct clo_error *err);
/* At CLO_TPM_SRK, made where it is not there; compared with `pin` (NULL: any) as above. */
CLO_MUST_USE bool clo_tpm_find_srk(struct clo_tpm *tpm, const struct clo_tpm2_name *pin,
                                   struct clo_tpm_handle *out, struct clo_error *err);
/* Appends its TPMT_PUBLIC; `what` is how errors call it. */
CLO_MUST_USE bool clo_tpm_read_area(const struct clo_tpm_handle *key, const char *what,
                                    struct clo_buffer *out, TPMA_OBJECT *attributes,
                                    struct clo_error *err);
/* A session salted to the storage key, whose parameters are encrypted both ways, bound to `bind` (ESYS_TR_NONE: to nothing). */
TSS2_RC clo_tpm_session(struct clo_tpm *tpm, const struct clo_tpm_handle *parent, ESYS_TR bind,
                        ESYS_TR through, TPM2_SE kind, struct clo_tpm_handle *out);
/* Code of a TPM's answer, without the number of the handle, session or parameter. */
TSS2_RC clo_tpm_kind(TSS2_RC rc);

#endif
