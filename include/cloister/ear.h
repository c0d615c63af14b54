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
    int64_t issued;     /* Unix time */
    int64_t expires;    /* 0: does not say */
    const char *nonce;  /* eat_nonce; NULL: none */
    bool has_old_names; /* "ear.status", as until 2025, in the profile of those that read them */
    const char *issuer; /* iss; NULL: none */
    const char *id;     /* jti; NULL: none */
    /* With old names the claims stand as annotated evidence, too, under this name ("snp"), as Trustee has them; NULL: no. */
    const char *evidence_name;
    const char *key_id; /* "kid" in the header of the JWT; NULL: none */
};
/* The claims, with one submodule, "cpu0". */
CLO_API CLO_MUST_USE bool clo_ear_claims(const struct clo_appraisal *appraisal,
                                         const struct clo_ear_spec *spec, json_t **out,
                                         struct clo_error *err);
/* Signed as a JWT (ES256 or ES384, by the key). */
CLO_API CLO_MUST_USE bool clo_ear_sign(const struct clo_appraisal *appraisal,
                                       const struct clo_ear_spec *spec,
                                       const struct clo_private_key *key, struct clo_buffer *token,
                                       struct clo_error *err);

/* The same claims as a CWT: tagged COSE_Sign1, ES256 or ES384 by the key. Names are numbers there, old or new, and the
 * nonce is bytes: those that its base64 or base64url stands for, or else the text's own. */
CLO_API CLO_MUST_USE bool clo_ear_sign_cwt(const struct clo_appraisal *appraisal,
                                           const struct clo_ear_spec *spec,
                                           const struct clo_private_key *key,
                                           struct clo_buffer *token, struct clo_error *err);

#define CLO_EAR_PROFILE_OLD "tag:github.com,2023:veraison/ear"

/* A verifier's result, JWT or CWT, signed by `key`: its claims, always by their new names and with the status in
 * words. CLO_ERR_REFUSED where the signature does not hold or a status is better than its own vector,
 * CLO_ERR_UNSUPPORTED for a profile that is not EAR's. Whether it is fresh is for the giver of the nonce to say. */
CLO_API CLO_MUST_USE bool clo_ear_read(struct clo_bytes token, const struct clo_public_key *key,
                                       json_t **out, struct clo_error *err);
/* The same of a claims set without a signature: JSON, or CBOR in JSON's place. It proves nothing. */
CLO_API CLO_MUST_USE bool clo_ear_claims_read(struct clo_bytes claims, json_t **out,
                                              struct clo_error *err);
/* Is this the nonce that was given? In claims of a CWT it is base64url of the bytes; `nonce` may be text of any form. */
CLO_API bool clo_ear_nonce_is(const json_t *claims, const char *nonce);

CLO_END_C

#endif
