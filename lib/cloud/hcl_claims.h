/* What an HCL report claims, for the guest that sent it: a verifier that accepted the report has bound the key to the hardware. */
#ifndef CLOISTER_LIB_HCL_CLAIMS_H
#define CLOISTER_LIB_HCL_CLAIMS_H

#include "cloister/hcl.h"

/* The vTPM's attestation key as the claims have it; nothing is verified. */
CLO_MUST_USE bool clo_hcl_claimed_ak(const struct clo_hcl *hcl, struct clo_public_key **out,
                                     struct clo_error *err);

#endif
