/* Ephemeral-static Diffie-Hellman (SP 800-56A, section 6.2.2; RFC 7518, section 4.6), and AES key wrap (RFC 3394): what a message to one
 * key is sealed with. Points are OpenSSL's, multiplied in constant time; the one-time key never becomes an object of its EVP layer, whose
 * making and taking apart takes longer than both multiplications. */
#ifndef CLOISTER_LIB_CRYPTO_ECDH_H
#define CLOISTER_LIB_CRYPTO_ECDH_H

#include "cloister/crypto.h"

#define CLO_ECDH_MAX      66 /* bytes of a coordinate */
#define CLO_KEY_WRAP_SIZE 32 /* of the key that wraps, and of the one that is wrapped */

struct clo_ecdh_sent {
    size_t size;                              /* of each, as the curve has them */
    uint8_t x[CLO_ECDH_MAX], y[CLO_ECDH_MAX]; /* of a one-time key */
    uint8_t secret[CLO_ECDH_MAX];             /* to be wiped */
};

/* A one-time key on the curve of `to`, and what it shares with that. */
CLO_MUST_USE bool clo_ecdh_send(const struct clo_public_key *to, struct clo_ecdh_sent *out,
                                struct clo_error *err);
CLO_MUST_USE bool clo_key_wrap(const uint8_t wrapping[CLO_KEY_WRAP_SIZE],
                               const uint8_t key[CLO_KEY_WRAP_SIZE],
                               uint8_t out[CLO_KEY_WRAP_SIZE + 8], struct clo_error *err);
/* CLO_ERR_REFUSED: not wrapped by this key. */
CLO_MUST_USE bool clo_key_unwrap(const uint8_t wrapping[CLO_KEY_WRAP_SIZE],
                                 const uint8_t wrapped[CLO_KEY_WRAP_SIZE + 8],
                                 uint8_t out[CLO_KEY_WRAP_SIZE], struct clo_error *err);

#endif
