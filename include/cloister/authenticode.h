/* Authenticode for EFI images (Microsoft, Windows Authenticode Portable Executable Signature Format;
 * UEFI 2.10 section 32.2): the digest that PCR 4, db and dbx speak of, and the signature over it. */
#ifndef CLOISTER_AUTHENTICODE_H
#define CLOISTER_AUTHENTICODE_H

#include "cloister/crypto.h"
#include "cloister/pe.h"

/* Everything but CheckSum, the certificate table and its directory entry; bytes behind the last
 * section included; a file whose length is no multiple of 8 counts as padded with zeros, as signers
 * pad it before they attach a certificate. */
CLO_API CLO_MUST_USE bool clo_authenticode_digest(const struct clo_pe *pe, enum clo_hash hash,
                                                  struct clo_digest *out, struct clo_error *err);

/* Signs in place: the image is padded to 8, its CheckSum renewed, and one certificate table attached,
 * holding one PKCS#7 signature without a signing time, so that the same inputs give the same file
 * (RSA; ECDSA draws a fresh nonce). Earlier signatures are dropped. A failure leaves it as it was. */
CLO_API CLO_MUST_USE bool clo_authenticode_sign(struct clo_buffer *image,
                                                const struct clo_private_key *key,
                                                const struct clo_certificate *certificate,
                                                enum clo_hash hash, struct clo_error *err);

/* Is one of the file's signatures made with this certificate's key, over this file? Names the hash
 * that was signed. CLO_ERR_REFUSED if not. Dates and chains are not looked at, as firmware does. */
CLO_API CLO_MUST_USE bool clo_authenticode_verify(const struct clo_pe *pe,
                                                  const struct clo_certificate *certificate,
                                                  enum clo_hash *hash, struct clo_error *err);

/* The certificates that come inside the signatures, for people: DER of the n-th; false at the end. */
CLO_API bool clo_authenticode_certificate(const struct clo_pe *pe, size_t index,
                                          struct clo_buffer *der);

#endif
