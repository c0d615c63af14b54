/* The one seam to the crypto libraries: hashes, MACs, keys, signatures, certificate chains.
 *
 * Only algorithms that are needed here are named; everything else is CLO_ERR_UNSUPPORTED. A foreign
 * call with three results becomes a bool inside lib/crypto and nowhere else. */
#ifndef CLOISTER_CRYPTO_H
#define CLOISTER_CRYPTO_H

#include "cloister/base.h"

CLO_BEGIN_C

/* --- Hashes -------------------------------------------------------------------------------- */

enum clo_hash {
    CLO_HASH_NONE = 0,
    CLO_HASH_SHA1,
    CLO_HASH_SHA256,
    CLO_HASH_SHA384,
    CLO_HASH_SHA512,
    CLO_HASH_COUNT, /* CLO_HASH_NONE included */
};
#define CLO_HASH_SIZE_MAX 64

struct clo_digest {
    enum clo_hash hash;
    uint8_t bytes[CLO_HASH_SIZE_MAX];
};

CLO_API size_t clo_hash_size(enum clo_hash hash);
CLO_API const char *clo_hash_name(enum clo_hash hash); /* "sha256" */
CLO_API enum clo_hash clo_hash_from_name(const char *name);
CLO_API enum clo_hash clo_hash_from_tpm(uint16_t algorithm); /* TPM_ALG_ID; NONE if unknown */
CLO_API uint16_t clo_hash_to_tpm(enum clo_hash hash);
CLO_API struct clo_bytes clo_digest_bytes(const struct clo_digest *digest);
CLO_API bool clo_digest_equal(const struct clo_digest *a, const struct clo_digest *b);

/* Hashes one view. Cannot fail for the algorithms above (a broken libcrypto aborts). */
CLO_API void clo_hash(enum clo_hash hash, struct clo_bytes in, struct clo_digest *out);
/* Hashes the concatenation of several views. */
CLO_API void clo_hash_many(enum clo_hash hash, const struct clo_bytes *parts, size_t count,
                           struct clo_digest *out);

struct clo_hasher; /* for data that comes in pieces */
CLO_API struct clo_hasher *clo_hasher_new(enum clo_hash hash);
CLO_API void clo_hasher_add(struct clo_hasher *hasher, struct clo_bytes in);
CLO_API void clo_hasher_get(struct clo_hasher *hasher, struct clo_digest *out); /* and restarts */
CLO_API void clo_hasher_free(struct clo_hasher *hasher);
CLO_API void clo_hasher_freep(struct clo_hasher **hasher);

CLO_API void clo_hmac(enum clo_hash hash, struct clo_bytes key, struct clo_bytes in,
                      struct clo_digest *out);

/* --- Public keys and signatures ------------------------------------------------------------- */

enum clo_signature_scheme {
    CLO_RSASSA_PKCS1,
    CLO_RSASSA_PSS,
    CLO_ECDSA_RAW, /* r || s, big endian, each of the curve's size */
    CLO_ECDSA_DER,
};

enum clo_key_kind {
    CLO_KEY_RSA,
    CLO_KEY_P256,
    CLO_KEY_P384,
    CLO_KEY_P521,
};

struct clo_public_key;

CLO_API CLO_MUST_USE bool clo_public_key_from_rsa(struct clo_bytes modulus,
                                                  struct clo_bytes exponent,
                                                  struct clo_public_key **out,
                                                  struct clo_error *err);
/* x and y big endian, each of the curve's size; the point is checked. */
CLO_API CLO_MUST_USE bool clo_public_key_from_ec(enum clo_key_kind curve, struct clo_bytes x,
                                                 struct clo_bytes y, struct clo_public_key **out,
                                                 struct clo_error *err);
CLO_API CLO_MUST_USE bool
clo_public_key_from_spki(struct clo_bytes der, struct clo_public_key **out, struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_public_key_from_pem(struct clo_bytes pem, struct clo_public_key **out,
                                                  struct clo_error *err);
CLO_API enum clo_key_kind clo_public_key_kind(const struct clo_public_key *key);
CLO_API unsigned clo_public_key_bits(const struct clo_public_key *key);
CLO_API CLO_MUST_USE bool clo_public_key_spki(const struct clo_public_key *key,
                                              struct clo_buffer *der, struct clo_error *err);
/* SHA-256 of the SubjectPublicKeyInfo: how keys are named and pinned here. */
CLO_API CLO_MUST_USE bool clo_public_key_fingerprint(const struct clo_public_key *key,
                                                     struct clo_digest *out, struct clo_error *err);
/* SHA-256 of what its BIT STRING holds (RSA: the RSAPublicKey of PKCS #1, RFC 8017 A.1.1): how systemd
 * names the keys of signed PCR policies, and no other format does. */
CLO_API void clo_public_key_inner_fingerprint(const struct clo_public_key *key,
                                              struct clo_digest *out);
/* RSA: modulus and exponent; EC: x and y. Big endian, EC coordinates of the curve's size. */
CLO_API CLO_MUST_USE bool clo_public_key_numbers(const struct clo_public_key *key,
                                                 struct clo_buffer *first,
                                                 struct clo_buffer *second, struct clo_error *err);
/* False with CLO_ERR_REFUSED for a signature that does not hold, another status otherwise. */
CLO_API CLO_MUST_USE bool clo_signature_verify(const struct clo_public_key *key,
                                               enum clo_signature_scheme scheme, enum clo_hash hash,
                                               struct clo_bytes message, struct clo_bytes signature,
                                               struct clo_error *err);
/* The same with a P-256 key that is used once: x || y, big endian; the point is checked. Signature:
 * r || s. Allocates nothing. */
CLO_API CLO_MUST_USE bool clo_p256_verify(struct clo_bytes point, enum clo_hash hash,
                                          struct clo_bytes message, struct clo_bytes signature,
                                          struct clo_error *err);
CLO_API void clo_public_key_free(struct clo_public_key *key);
CLO_API void clo_public_key_freep(struct clo_public_key **key);

struct clo_private_key;

CLO_API CLO_MUST_USE bool clo_private_key_new(enum clo_key_kind kind, unsigned rsa_bits,
                                              struct clo_private_key **out, struct clo_error *err);
CLO_API CLO_MUST_USE bool
clo_private_key_from_pem(struct clo_bytes pem, struct clo_private_key **out, struct clo_error *err);
/* The same of one that may be encrypted; an empty passphrase is none. One that is missing or wrong is
 * CLO_ERR_FORMAT. */
CLO_API CLO_MUST_USE bool clo_private_key_from_encrypted_pem(struct clo_bytes pem,
                                                             struct clo_bytes passphrase,
                                                             struct clo_private_key **out,
                                                             struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_private_key_pem(const struct clo_private_key *key,
                                              struct clo_secret **out, struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_private_key_public(const struct clo_private_key *key,
                                                 struct clo_public_key **out,
                                                 struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_signature_make(const struct clo_private_key *key,
                                             enum clo_signature_scheme scheme, enum clo_hash hash,
                                             struct clo_bytes message, struct clo_buffer *signature,
                                             struct clo_error *err);
CLO_API enum clo_key_kind clo_private_key_kind(const struct clo_private_key *key);
CLO_API void clo_private_key_free(struct clo_private_key *key);
CLO_API void clo_private_key_freep(struct clo_private_key **key);

/* RSAES-OAEP (PKCS #1 v2.2, section 7.1), MGF1 with the same hash, no label. */
CLO_API CLO_MUST_USE bool clo_oaep_seal(const struct clo_public_key *key, enum clo_hash hash,
                                        struct clo_bytes in, struct clo_buffer *out,
                                        struct clo_error *err);
/* CLO_ERR_REFUSED if it does not open, whatever the reason. */
CLO_API CLO_MUST_USE bool clo_oaep_open(const struct clo_private_key *key, enum clo_hash hash,
                                        struct clo_bytes in, struct clo_secret **out,
                                        struct clo_error *err);

/* --- Certificates --------------------------------------------------------------------------- */

/* X.509 (RFC 5280), read by ourselves: strict DER, one pass, no more of it than verifiers ask about.
 * docs/formats/certificate.md says what is tolerated. */
struct clo_certificate;

/* One DER certificate, exactly (trailing bytes are refused). */
CLO_API CLO_MUST_USE bool clo_certificate_parse(struct clo_bytes der, struct clo_certificate **out,
                                                struct clo_error *err);
CLO_API struct clo_bytes clo_certificate_der(const struct clo_certificate *certificate);
CLO_API const struct clo_public_key *clo_certificate_key(const struct clo_certificate *certificate);
CLO_API int64_t
clo_certificate_not_before(const struct clo_certificate *certificate); /* Unix time */
CLO_API int64_t clo_certificate_not_after(const struct clo_certificate *certificate);
/* One line, RFC 2253 style, control characters replaced; borrowed. */
CLO_API const char *clo_certificate_subject(const struct clo_certificate *certificate);
CLO_API const char *clo_certificate_issuer(const struct clo_certificate *certificate);
/* The same names as they are in the certificate, in DER: these are compared, byte for byte. */
CLO_API struct clo_bytes clo_certificate_subject_name(const struct clo_certificate *certificate);
CLO_API struct clo_bytes clo_certificate_issuer_name(const struct clo_certificate *certificate);
/* The contents of the INTEGER; 0 and negative numbers are let through, since AMD's VCEKs have 0. */
CLO_API struct clo_bytes clo_certificate_serial(const struct clo_certificate *certificate);
/* BasicConstraints with cA TRUE? `path_length` (may be NULL) gets the limit, -1 without one. */
CLO_API bool clo_certificate_is_ca(const struct clo_certificate *certificate, int *path_length);

/* KeyUsage's bits (RFC 5280, section 4.2.1.3). */
#define CLO_KEY_USAGE_DIGITAL_SIGNATURE (1U << 0)
#define CLO_KEY_USAGE_CERT_SIGN         (1U << 5)
#define CLO_KEY_USAGE_CRL_SIGN          (1U << 6)
/* False if it does not say: then any use is allowed. */
CLO_API bool clo_certificate_key_usage(const struct clo_certificate *certificate, unsigned *usage);
/* The key identifiers of the subject's and of its issuer's key; empty if absent. */
CLO_API struct clo_bytes clo_certificate_subject_key(const struct clo_certificate *certificate);
CLO_API struct clo_bytes clo_certificate_authority_key(const struct clo_certificate *certificate);

struct clo_certificate_extension {
    struct clo_bytes oid; /* contents; clo_der_oid_text() makes them readable */
    bool is_critical;
    struct clo_bytes value; /* the OCTET STRING's contents */
};
/* Walks the extensions: *at starts at 0. False at the end. */
CLO_API bool clo_certificate_extension_next(const struct clo_certificate *certificate, size_t *at,
                                            struct clo_certificate_extension *out);
/* The value of an extension by dotted OID (the OCTET STRING's contents); false if absent. */
CLO_API bool clo_certificate_extension(const struct clo_certificate *certificate, const char *oid,
                                       struct clo_bytes *out);
/* Refuses a certificate with a critical extension that is none of BasicConstraints and KeyUsage nor
 * of `known` (dotted OIDs), since a reader that does not know one must refuse it (RFC 5280, 4.2). */
CLO_API CLO_MUST_USE bool clo_certificate_critical_known(const struct clo_certificate *certificate,
                                                         const char *const *known, size_t count,
                                                         struct clo_error *err);
/* Does it say that it is signed with exactly this? RSASSA-PSS: with MGF1 of the same hash, a salt of
 * the hash's size and trailer 1. */
CLO_API bool clo_certificate_signed_with(const struct clo_certificate *certificate,
                                         enum clo_signature_scheme scheme, enum clo_hash hash);
/* Is `certificate` signed by `issuer`'s key, with exactly this scheme and hash, and do the names
 * match? Dates and extensions are not looked at. */
CLO_API CLO_MUST_USE bool clo_certificate_verify(const struct clo_certificate *certificate,
                                                 const struct clo_certificate *issuer,
                                                 enum clo_signature_scheme scheme,
                                                 enum clo_hash hash, struct clo_error *err);
CLO_API void clo_certificate_free(struct clo_certificate *certificate);
CLO_API void clo_certificate_freep(struct clo_certificate **certificate);

/* --- Revocation lists ------------------------------------------------------------------------ */

struct clo_crl;

/* One DER revocation list, exactly; every entry is looked at. */
CLO_API CLO_MUST_USE bool clo_crl_parse(struct clo_bytes der, struct clo_crl **out,
                                        struct clo_error *err);
CLO_API struct clo_bytes clo_crl_der(const struct clo_crl *crl);
CLO_API int64_t clo_crl_this_update(const struct clo_crl *crl); /* Unix time */
CLO_API int64_t clo_crl_next_update(const struct clo_crl *crl);
CLO_API const char *clo_crl_issuer(const struct clo_crl *crl); /* as a certificate's */
CLO_API struct clo_bytes clo_crl_issuer_name(const struct clo_crl *crl);
CLO_API struct clo_bytes clo_crl_authority_key(const struct clo_crl *crl); /* empty if absent */
CLO_API struct clo_bytes clo_crl_number(const struct clo_crl *crl); /* INTEGER; empty if absent */
CLO_API size_t clo_crl_count(const struct clo_crl *crl);            /* entries */
/* Is it `issuer`'s by name? */
CLO_API bool clo_crl_is_from(const struct clo_crl *crl, const struct clo_certificate *issuer);
/* Is it signed by `issuer`'s key, with exactly this scheme and hash, and do the names match? Dates
 * are not looked at. A critical extension that we do not know, of the list or of an entry, is
 * refused, and so is a list that does not stand for all that its issuer revoked (delta, indirect,
 * an issuing distribution point). */
CLO_API CLO_MUST_USE bool clo_crl_verify(const struct clo_crl *crl,
                                         const struct clo_certificate *issuer,
                                         enum clo_signature_scheme scheme, enum clo_hash hash,
                                         struct clo_error *err);
/* Does it list the certificate's serial number? Ask for certificates of its issuer only. */
CLO_API bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_certificate *certificate);
/* The same by serial number (an INTEGER's contents); `since` (may be NULL) gets the entry's date. */
CLO_API bool clo_crl_find(const struct clo_crl *crl, struct clo_bytes serial, int64_t *since);
CLO_API void clo_crl_free(struct clo_crl *crl);
CLO_API void clo_crl_freep(struct clo_crl **crl);

/* Walks PEM text: gives the DER of the next block labelled `label` ("CERTIFICATE") after *at and
 * moves *at past it. A malformed block is CLO_ERR_FORMAT. */
CLO_API CLO_MUST_USE enum clo_next clo_pem_next(struct clo_bytes pem, const char *label, size_t *at,
                                                struct clo_buffer *der, struct clo_error *err);

CLO_API CLO_MUST_USE bool clo_pem_write(const char *label, struct clo_bytes der,
                                        struct clo_buffer *pem, struct clo_error *err);

CLO_END_C

#endif
