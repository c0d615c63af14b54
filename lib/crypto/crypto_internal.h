/* What the files of this room share: how keys and certificates look inside, and libcrypto's reason. */
#ifndef CLOISTER_LIB_CRYPTO_INTERNAL_H
#define CLOISTER_LIB_CRYPTO_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cloister/crypto.h"

#define RSA_KEY_BITS_MAX  8192
#define RSA_KEY_BYTES_MAX (RSA_KEY_BITS_MAX / 8)

struct clo_public_key {
    EVP_PKEY *evp;
    enum clo_key_kind kind;
};

struct clo_private_key {
    EVP_PKEY *evp;
    enum clo_key_kind kind;
};

/* Fails with `what` and libcrypto's own reason, and empties its error queue. */
bool crypto_fail(struct clo_error *err, enum clo_status status, const char *what);
/* Takes a reference to `evp` over, on failure too. */
bool crypto_public_key(EVP_PKEY *evp, struct clo_public_key **out, struct clo_error *err);
const char *crypto_hash_name(enum clo_hash hash); /* libcrypto's */
/* The curve's size in bytes; 0 for RSA. */
size_t crypto_curve_size(enum clo_key_kind kind);

#endif
