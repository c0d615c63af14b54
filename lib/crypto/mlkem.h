/* ML-KEM-768 (FIPS 203), where the OpenSSL here has it: 3.5 and later. */
#ifndef CLOISTER_LIB_CRYPTO_MLKEM_H
#define CLOISTER_LIB_CRYPTO_MLKEM_H

#include "cloister/base.h"

#define CLO_MLKEM768_KEY_SIZE        1184
#define CLO_MLKEM768_CIPHERTEXT_SIZE 1088

/* Is this an encapsulation key? CLO_ERR_UNSUPPORTED, with the version that is needed, where there is no ML-KEM. */
CLO_MUST_USE bool clo_mlkem768_check(struct clo_bytes key, struct clo_error *err);
/* A fresh secret of 32 bytes, and what its owner gets it from. */
CLO_MUST_USE bool clo_mlkem768_encapsulate(struct clo_bytes key, struct clo_buffer *ciphertext,
                                           struct clo_secret **shared, struct clo_error *err);
/* KMAC256 (NIST SP 800-185) without a customization string. */
CLO_MUST_USE bool clo_kmac256(const struct clo_secret *key, struct clo_bytes in, size_t size,
                              struct clo_secret **out, struct clo_error *err);

#endif
