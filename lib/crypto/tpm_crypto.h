/* What a TPM's protected storage and a PIN for it are made with: key derivation (TPM 2.0 Library, part 1, section 11.4.10; RFC
 * 5869; RFC 8018), AES-CFB, a shared secret, and OAEP under a label. What is derived is a secret. */
#ifndef CLOISTER_LIB_TPM_CRYPTO_H
#define CLOISTER_LIB_TPM_CRYPTO_H

#include "cloister/crypto.h"

/* KDFa: HMAC in counter mode. `bits` is a multiple of 8, `size` = bits / 8 at most 64. */
CLO_MUST_USE bool clo_kdfa(enum clo_hash hash, struct clo_bytes key, const char *label,
                           struct clo_bytes context, unsigned bits, struct clo_secret **out,
                           struct clo_error *err);
/* KDFe, of one block: as many bits as the hash has. */
CLO_MUST_USE bool clo_kdfe(enum clo_hash hash, struct clo_bytes z, const char *label,
                           struct clo_bytes u, struct clo_bytes v, struct clo_secret **out,
                           struct clo_error *err);
CLO_MUST_USE bool clo_pbkdf2(enum clo_hash hash, struct clo_bytes password, struct clo_bytes salt,
                             unsigned iterations, size_t size, struct clo_secret **out,
                             struct clo_error *err);
CLO_MUST_USE bool clo_hkdf(enum clo_hash hash, struct clo_bytes key, struct clo_bytes salt,
                           struct clo_bytes info, size_t size, struct clo_secret **out,
                           struct clo_error *err);
/* AES-CFB under a key of 16 or 32 bytes that encrypts nothing else: the IV is zero. */
CLO_MUST_USE bool clo_aes_cfb(struct clo_bytes key, struct clo_bytes in, struct clo_buffer *out,
                              struct clo_error *err);
/* The x coordinate of the product, of the curve's size; both keys are of one curve. */
CLO_MUST_USE bool clo_ecdh(const struct clo_private_key *key, const struct clo_public_key *other,
                           struct clo_secret **out, struct clo_error *err);
/* clo_oaep_seal() under a label, NUL included if the view has it. */
CLO_MUST_USE bool clo_oaep_seal_labelled(const struct clo_public_key *key, enum clo_hash hash,
                                         struct clo_bytes label, struct clo_bytes in,
                                         struct clo_buffer *out, struct clo_error *err);

#endif
