/* What a TPM's key says of another object of the same TPM: TPM2_Certify (TPM 2.0 Library, part 3, section 18.2). */
#ifndef CLOISTER_LIB_CERTIFY_H
#define CLOISTER_LIB_CERTIFY_H

#include "cloister/quote.h"
#include "lib/tcg/tpm2_policy.h"

struct clo_certify {
    struct clo_bytes qualifying_data;
    struct clo_bytes name; /* of the object */
};

/* TPMS_ATTEST of an object; views into `attest`. */
CLO_MUST_USE bool clo_certify_parse(struct clo_bytes attest, struct clo_certify *out,
                                    struct clo_error *err);
/* The name of an object that is in the same TPM as `key`, which signs nothing that its TPM did not make: over
 * `qualifying_data`, by SHA-256 or better. */
CLO_MUST_USE bool clo_certify_verify(struct clo_bytes attest, struct clo_bytes signature,
                                     const struct clo_public_key *key,
                                     struct clo_bytes qualifying_data, struct clo_tpm2_name *out,
                                     struct clo_error *err);

#endif
