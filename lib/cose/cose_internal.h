/* Messages whose key is in what they sign, and those without a tag, as some formats have them. */
#ifndef CLOISTER_LIB_COSE_INTERNAL_H
#define CLOISTER_LIB_COSE_INTERNAL_H

#include "cloister/cose.h"

/* The payload of a COSE_Sign1, with its tag or without, appended. Nothing is verified: it says which key to ask. */
CLO_MUST_USE bool cose_payload(struct clo_bytes in, struct clo_buffer *payload,
                               struct clo_error *err);
/* As clo_cose_verify(), with the tag or without. */
CLO_MUST_USE bool cose_verify_any(struct clo_bytes in, const struct clo_public_key *key,
                                  struct clo_buffer *payload, struct clo_error *err);

#endif
