#ifndef CLOISTER_DEVICE_TPM_INTERNAL_H
#define CLOISTER_DEVICE_TPM_INTERNAL_H

#include <tss2/tss2_esys.h>

#include "device/tpm.h"
#include "lib/tcg/tpm2_policy.h"

struct clo_tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR audit; /* clo_tpm_audit(); ESYS_TR_NONE: the answers are the wire's word */
    struct clo_tpm2_name audited_by;
};

/* Fails for every code but success; says what a person can do something about. */
CLO_MUST_USE bool clo_tpm_done(TSS2_RC rc, const char *what, struct clo_error *err);
/* An index and what it is; `name` is how errors call it. The object is the caller's to close. */
CLO_MUST_USE bool clo_tpm_nv_find(struct clo_tpm *tpm, uint32_t index, const char *name,
                                  ESYS_TR *object, TPMS_NV_PUBLIC *out, struct clo_error *err);
/* clo_tpm_nv_define() with attributes (TPMA_NV) of one's own. */
CLO_MUST_USE bool clo_tpm_nv_define_as(struct clo_tpm *tpm, uint32_t index, TPMA_NV attributes,
                                       size_t size, struct clo_error *err);
/* Takes it away, where it is there. */
CLO_MUST_USE bool clo_tpm_nv_drop(struct clo_tpm *tpm, uint32_t index, struct clo_error *err);
/* The registers of `mask` in one bank. */
void clo_tpm_select(enum clo_hash hash, uint32_t mask, TPML_PCR_SELECTION *out);
void clo_tpm_free_esys(void *pointer_to_pointer); /* for CLO_CLEANUP on what ESYS allocates */
/* clo_tpm_quote() by a key that is open. */
CLO_MUST_USE bool clo_tpm_quote_by(struct clo_tpm *tpm, ESYS_TR key, enum clo_hash hash,
                                   uint32_t mask, struct clo_bytes qualifying,
                                   struct clo_buffer *attest, struct clo_buffer *signature,
                                   struct clo_error *err);
extern const TPM2B_PUBLIC clo_tpm_ak_template; /* RSA-2048, RSASSA with SHA-256, restricted */
CLO_MUST_USE bool clo_tpm_open_device(const char *device, struct clo_tpm **out,
                                      struct clo_error *err);
/* How long every command of a TPM that was opened by its name may take, in place of what the specification has for it: for tests. */
void clo_tpm_limit(struct clo_tpm *tpm, int milliseconds);
/* Takes `tcti`, also when it fails. */
CLO_MUST_USE bool clo_tpm_open_tcti(TSS2_TCTI_CONTEXT *tcti, struct clo_tpm **out,
                                    struct clo_error *err);

#endif
