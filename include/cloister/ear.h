/* EAR, the EAT Attestation Result (draft-ietf-rats-ear-03): what a relying party gets to see of an
 * appraisal, as the claims of a JWT. */
#ifndef CLOISTER_EAR_H
#define CLOISTER_EAR_H

#include "cloister/appraise.h"

CLO_BEGIN_C

#define CLO_EAR_PROFILE "tag:ietf.org,2026:rats/ear#03"

struct clo_ear_spec {
    const char *developer; /* ear_verifier_id */
    const char *build;
    int64_t issued;    /* Unix time */
    int64_t expires;   /* 0: does not say */
    const char *nonce; /* eat_nonce; NULL: none */
};
/* The claims, with one submodule, "cpu0". */
CLO_API CLO_MUST_USE bool clo_ear_claims(const struct clo_appraisal *appraisal,
                                         const struct clo_ear_spec *spec, json_t **out,
                                         struct clo_error *err);
/* Signed as a JWT (ES384 by a P-384 key). */
CLO_API CLO_MUST_USE bool clo_ear_sign(const struct clo_appraisal *appraisal,
                                       const struct clo_ear_spec *spec,
                                       const struct clo_private_key *key, struct clo_buffer *token,
                                       struct clo_error *err);

CLO_END_C

#endif
