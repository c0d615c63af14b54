/* Names of keys, and tokens that name theirs. */
#ifndef CLOISTER_LIB_JOSE_KEY_ID_H
#define CLOISTER_LIB_JOSE_KEY_ID_H

#include "cloister/jose.h"

#define CLO_JWK_THUMBPRINT 44 /* base64url of a SHA-256 digest, with the NUL */

/* RFC 7638. */
CLO_MUST_USE bool clo_jwk_thumbprint(const struct clo_public_key *key, char out[CLO_JWK_THUMBPRINT],
                                     struct clo_error *err);
/* clo_jws_sign() with a "kid" in the header; NULL: none. */
CLO_MUST_USE bool clo_jws_sign_kid(const struct clo_private_key *key, const char *kid,
                                   const json_t *payload, struct clo_buffer *token,
                                   struct clo_error *err);
/* "ES256" or "ES384". */
CLO_MUST_USE bool clo_jws_algorithm(enum clo_key_kind kind, const char **out,
                                    struct clo_error *err);

#endif
