/* The claims of an EAR by all their names. */
#ifndef CLOISTER_LIB_APPRAISE_EAR_INTERNAL_H
#define CLOISTER_LIB_APPRAISE_EAR_INTERNAL_H

#include "cloister/ear.h"

/* A claim's number in CBOR (draft-ietf-rats-ear-03, CWT claims registry), its name, and the one before. */
struct ear_claim {
    int64_t label;
    const char *name, *old; /* NULL: it never had another */
};
extern const struct ear_claim ear_claims[]; /* of the whole */
extern const size_t ear_claim_count;
extern const struct ear_claim ear_sub_claims[]; /* of a submodule */
extern const size_t ear_sub_claim_count;
extern const struct ear_claim ear_vector[]; /* of a trustworthiness vector */
extern const size_t ear_vector_count;

/* The name that counts, of a name that may be an old one. */
const char *ear_new_name(const struct ear_claim *claims, size_t count, const char *name);
/* A copy with the old names and profile, statuses in words; NULL: out of memory. */
json_t *ear_old_names(const json_t *claims);
/* "affirming" of 2. */
const char *ear_status_name(int64_t value);
/* The other way round, checked as clo_ear_read() says. */
CLO_MUST_USE bool ear_normalize(const json_t *claims, json_t **out, struct clo_error *err);
/* What a nonce stands for: of base64 or base64url its bytes, of any other text the text's own. */
CLO_MUST_USE bool ear_nonce_bytes(const char *nonce, struct clo_buffer *out, struct clo_error *err);
/* Claims in CBOR: as JSON by new names, and from it. */
CLO_MUST_USE bool ear_from_cbor(struct clo_bytes in, json_t **out, struct clo_error *err);
CLO_MUST_USE bool ear_to_cbor(const json_t *claims, struct clo_buffer *out, struct clo_error *err);

#endif
