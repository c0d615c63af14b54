/* The keys that secrets are sealed to: those that clo_jwk_to_public_key() reads, and ML-KEM-768 where the OpenSSL here has it
 * (kty "AKP", alg "ML-KEM-768+A192KW": draft-ietf-jose-pqc-kem-05, as Trustee's client library has it). */
#ifndef CLOISTER_LIB_JOSE_RECIPIENT_H
#define CLOISTER_LIB_JOSE_RECIPIENT_H

#include "cloister/jose.h"

/* Can something be sealed to it? Its algorithm, where it names another than ours, is refused when it comes to that. */
CLO_MUST_USE bool clo_jwe_recipient_check(const json_t *jwk, struct clo_error *err);

bool jwe_is_mlkem(const json_t *jwk);
#define JWE_MLKEM_ALGORITHM "ML-KEM-768+A192KW"
#define JWE_CEK_SIZE        32
/* Concat KDF with SHA-256 (RFC 7518, section 4.6.2), without apu and apv: 256 bits are one round of it. */
#define JWE_FOR_EC "ECDH-ES+A256KW"
void jwe_derive(struct clo_bytes secret, uint8_t out[JWE_CEK_SIZE]);
/* The content's key, wrapped for it; what it gets the wrapping key from goes into the header ("ek"). */
CLO_MUST_USE bool jwe_wrap_mlkem(const json_t *jwk, const uint8_t cek[JWE_CEK_SIZE], json_t *header,
                                 struct clo_buffer *wrapped, struct clo_error *err);

#endif
