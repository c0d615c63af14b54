/* What signs an attestation of whatever type. */
#ifndef CLOISTER_LIB_TCG_ATTEST_SIGNATURE_H
#define CLOISTER_LIB_TCG_ATTEST_SIGNATURE_H

#include "cloister/quote.h"

/* CLO_ERR_REFUSED: by SHA-1, unless that is accepted. */
CLO_MUST_USE bool tcg_attest_verify(struct clo_bytes attest,
                                    const struct clo_quote_signature *signature,
                                    const struct clo_public_key *key, bool accept_sha1,
                                    struct clo_error *err);

#endif
