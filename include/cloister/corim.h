/* CoRIM (draft-ietf-rats-corim-11) and CoSERV (draft-ietf-rats-coserv): reference values as other verifiers
 * exchange them, in CBOR; ours written so, and theirs read (docs/formats/corim.md).
 *
 * An unsigned CoRIM is its bringer's word, a signed one that of the key that the caller names. */
#ifndef CLOISTER_CORIM_H
#define CLOISTER_CORIM_H

#include "cloister/cose.h"
#include "cloister/json.h"
#include "cloister/reference.h"

CLO_BEGIN_C

#define CLO_CORIM_PROFILE "tag:cloister.dev,2026:reference#1"

/* Does it begin as a CoRIM does: tag 501, or a COSE_Sign1? */
CLO_API bool clo_corim_is(struct clo_bytes in);
/* {"id", "profile", "not_before", "not_after", "reference_values": [{"environment", "measurements"}], "keys",
 * "other_triples", "other_tags", "tag_version"}; `key` NULL: unsigned ones alone are read, a signed one is refused. At `at`
 * (Unix time) it must be within its validity, if it has one. */
CLO_API CLO_MUST_USE bool clo_corim_read(struct clo_bytes in, const struct clo_public_key *key,
                                         int64_t at, json_t **out, struct clo_error *err);
/* The reference values in it that are ours to hold evidence against: PCRs, RTMRs, MRTD. */
CLO_API CLO_MUST_USE bool clo_corim_to_reference(const json_t *corim, struct clo_reference **out,
                                                 struct clo_error *err);
/* The values of a reference file, without its events; signed where there is a key. */
CLO_API CLO_MUST_USE bool clo_corim_write(const struct clo_reference *reference,
                                          const struct clo_private_key *key, struct clo_buffer *out,
                                          struct clo_error *err);

/* What a CoSERV message is. */
enum clo_coserv_kind {
    CLO_COSERV_QUERY,
    CLO_COSERV_RESULTS,   /* a query with its answer */
    CLO_COSERV_DISCOVERY, /* what a service can do */
};
/* {"kind", "profile", "artifact", "selector", "result_type", "expires", "reference_values"} or, of a discovery
 * document, {"kind", "version", "capabilities", "endpoints", "keys"}. Unsigned ones. */
CLO_API CLO_MUST_USE bool clo_coserv_read(struct clo_bytes in, json_t **out, struct clo_error *err);
/* An answer with the reference's values, good until `expires`, to a query for just them. `authority` says whose
 * word they are: the SHA-256 digest of that key's SubjectPublicKeyInfo. */
CLO_API CLO_MUST_USE bool clo_coserv_write(const struct clo_reference *reference,
                                           const struct clo_digest *authority, int64_t expires,
                                           struct clo_buffer *out, struct clo_error *err);

CLO_END_C

#endif
