/* COSE_Sign1 (RFC 9052, section 4.2): one signature over one payload, as CoRIM and CWT travel.
 *
 * The algorithm is fixed by the key and never by the message: one that names another, or a critical header that
 * we do not know, is refused before anything is computed. */
#ifndef CLOISTER_COSE_H
#define CLOISTER_COSE_H

#include "cloister/crypto.h"

CLO_BEGIN_C

/* ES256 with a P-256 key, ES384 with a P-384 key. `content_type` is a media type; NULL: none. */
CLO_API CLO_MUST_USE bool clo_cose_sign(const struct clo_private_key *key, const char *content_type,
                                        struct clo_bytes payload, struct clo_buffer *out,
                                        struct clo_error *err);
/* Is it tagged as one (18, also inside 61, a CWT's)? Says nothing of whether it is well formed. */
CLO_API bool clo_cose_is_sign1(struct clo_bytes in);
/* The payload, appended, of a message whose signature holds. CLO_ERR_REFUSED if it does not, CLO_ERR_FORMAT if it
 * is no such message. */
CLO_API CLO_MUST_USE bool clo_cose_verify(struct clo_bytes in, const struct clo_public_key *key,
                                          struct clo_buffer *payload, struct clo_error *err);

CLO_END_C

#endif
