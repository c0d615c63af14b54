/* Tokens signed with Ed25519 (RFC 8037), as administrators of Trustee's have them. */
#ifndef CLOISTER_LIB_JOSE_ED25519_H
#define CLOISTER_LIB_JOSE_ED25519_H

#include "cloister/jose.h"
#include "lib/crypto/ed25519.h"

/* As clo_jws_verify(), with "EdDSA". */
CLO_MUST_USE bool clo_jws_verify_ed25519(struct clo_bytes token,
                                         const uint8_t key[CLO_ED25519_SIZE], json_t **payload,
                                         struct clo_error *err);

#endif
