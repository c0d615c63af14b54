/* AES-256-GCM (NIST SP 800-38D), for what is kept: the sealed form is nonce (12 bytes), ciphertext, tag (16). */
#ifndef CLOISTER_LIB_CRYPTO_AEAD_H
#define CLOISTER_LIB_CRYPTO_AEAD_H

#include "cloister/base.h"

#define CLO_AEAD_KEY_SIZE 32
#define CLO_AEAD_OVERHEAD 28

/* The nonce is from `random`: one key seals at most 2^32 messages. `context` is authenticated and not in `out`. */
CLO_MUST_USE bool clo_aead_seal(const struct clo_secret *key, struct clo_bytes context,
                                struct clo_bytes in, const struct clo_random *random,
                                struct clo_buffer *out, struct clo_error *err);
/* CLO_ERR_UNVERIFIED: not sealed by this key with this context. */
CLO_MUST_USE bool clo_aead_open(const struct clo_secret *key, struct clo_bytes context,
                                struct clo_bytes in, struct clo_secret **out,
                                struct clo_error *err);

#endif
