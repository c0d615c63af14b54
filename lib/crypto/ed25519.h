/* Ed25519 (RFC 8032): signatures of others, verified. */
#ifndef CLOISTER_LIB_CRYPTO_ED25519_H
#define CLOISTER_LIB_CRYPTO_ED25519_H

#include "cloister/base.h"

#define CLO_ED25519_SIZE 32

/* "PUBLIC KEY" (RFC 8410). False: not such a key. */
CLO_MUST_USE bool clo_ed25519_from_pem(struct clo_bytes pem, uint8_t out[CLO_ED25519_SIZE]);
CLO_MUST_USE bool clo_ed25519_verify(const uint8_t key[CLO_ED25519_SIZE], struct clo_bytes message,
                                     struct clo_bytes signature);

#endif
