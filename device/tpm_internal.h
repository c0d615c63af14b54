#ifndef CLOISTER_DEVICE_TPM_INTERNAL_H
#define CLOISTER_DEVICE_TPM_INTERNAL_H

#include <tss2/tss2_esys.h>

#include "device/tpm.h"

struct clo_tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

/* Fails for every code but success; says what a person can do something about. */
CLO_MUST_USE bool clo_tpm_done(TSS2_RC rc, const char *what, struct clo_error *err);
/* Takes `tcti`, also when it fails. */
CLO_MUST_USE bool clo_tpm_open_tcti(TSS2_TCTI_CONTEXT *tcti, struct clo_tpm **out,
                                    struct clo_error *err);

#endif
