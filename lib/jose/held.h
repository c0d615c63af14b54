/* Opening a message by a key that does not leave its place (a PKCS #11 token, a TPM): the exchange, or the decryption, is asked of it. */
#ifndef CLOISTER_LIB_JOSE_HELD_H
#define CLOISTER_LIB_JOSE_HELD_H

#include "cloister/jose.h"

/* Of what clo_jwe_seal() makes: ECDH-ES+A256KW or RSA-OAEP-256, without parties' names. */
CLO_MUST_USE bool clo_jwe_open_held(const json_t *jwe, const struct clo_private_key *key,
                                    struct clo_secret **out, struct clo_error *err);

#endif
