/* JWK (RFC 7517), JWS compact (RFC 7515) and JWE flattened (RFC 7516), over libjose.
 *
 * The algorithm is fixed by the key and by us, never by the message: a token that names another one,
 * or "none", or a critical header, is refused before anything is computed. */
#ifndef CLOISTER_JOSE_H
#define CLOISTER_JOSE_H

#include "cloister/crypto.h"
#include "cloister/json.h"

CLO_BEGIN_C

/* EC on P-256, P-384, P-521, or RSA. Members other than the key's own numbers are left out. */
CLO_API CLO_MUST_USE bool clo_jwk_from_public_key(const struct clo_public_key *key, json_t **out,
                                                  struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_jwk_to_public_key(const json_t *jwk, struct clo_public_key **out,
                                                struct clo_error *err);

/* Signs with ES256 or ES384 as the key's curve says. */
CLO_API CLO_MUST_USE bool clo_jws_sign(const struct clo_private_key *key, const json_t *payload,
                                       struct clo_buffer *token, struct clo_error *err);
/* CLO_ERR_REFUSED if the signature does not hold, CLO_ERR_FORMAT if it is not such a token. */
CLO_API CLO_MUST_USE bool clo_jws_verify(struct clo_bytes token, const struct clo_public_key *key,
                                         json_t **payload, struct clo_error *err);

/* ECDH-ES+A256KW to an EC key, RSA-OAEP-256 to an RSA one; content A256GCM. A key whose "alg" is another one is
 * CLO_ERR_REFUSED. */
CLO_API CLO_MUST_USE bool clo_jwe_seal(const json_t *recipient_jwk, struct clo_bytes plaintext,
                                       json_t **out, struct clo_error *err);
/* Of plain bytes: a message that says its content is something else is refused. */
CLO_API CLO_MUST_USE bool clo_jwe_open(const json_t *jwe, const struct clo_private_key *key,
                                       struct clo_secret **out, struct clo_error *err);

#define CLO_JWE_TYPE 64 /* with the NUL */

/* The same with a "cty" in the protected header, which says what the content is; "" and NULL: none. */
CLO_API CLO_MUST_USE bool clo_jwe_seal_typed(const json_t *recipient_jwk, const char *type,
                                             struct clo_bytes plaintext, json_t **out,
                                             struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_jwe_open_typed(const json_t *jwe, const struct clo_private_key *key,
                                             char type[CLO_JWE_TYPE], struct clo_secret **out,
                                             struct clo_error *err);

CLO_END_C

#endif
