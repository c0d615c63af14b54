/* What certificates and revocation lists have in common (RFC 5280, sections 4.1 and 5.1). */
#ifndef CLOISTER_LIB_CRYPTO_X509_H
#define CLOISTER_LIB_CRYPTO_X509_H

#include "cloister/crypto.h"
#include "lib/base/der.h"

#define X509_NAME_TEXT 256

struct x509_algorithm {
    bool is_known; /* one that we verify, its parameters as they must be */
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
};

/* SEQUENCE { what is signed, algorithm, signature }: the outer shell of both. */
struct x509_signed {
    struct clo_bytes message;   /* with its tag and length: what is signed */
    struct clo_bytes algorithm; /* the AlgorithmIdentifier, whole */
    struct clo_bytes signature;
};

/* Exactly one element in `in`. `what` begins the error. */
bool x509_signed_read(const char *what, struct clo_bytes in, struct x509_signed *out,
                      struct clo_error *err);
/* What a whole AlgorithmIdentifier names; unknown ones are not an error. False if it is not DER. */
bool x509_algorithm_read(struct clo_bytes whole, struct x509_algorithm *out);
bool x509_signed_with(const struct x509_algorithm *algorithm, enum clo_signature_scheme scheme,
                      enum clo_hash hash);

/* The next of the extensions in `r`, which latches what is malformed. */
bool x509_extension_read(struct clo_reader *r, struct clo_certificate_extension *out);
/* Walks all of them: each is well formed, and none is there twice. */
bool x509_extensions_check(struct clo_bytes extensions);
/* Is this OID id-ce `arc` (2.5.29.arc)? */
bool x509_is_ce(struct clo_bytes oid, uint8_t arc);
bool x509_authority_key_read(struct clo_bytes value, struct clo_bytes *key_identifier);

/* May it vouch for certificates, with so many below it that do so as well (RFC 5280, sections 4.2.1.9, 4.2.1.3)? What
 * kind of key it has is for the caller to demand. */
bool x509_may_issue(const struct clo_certificate *issuer, int below, struct clo_error *err);

/* A Name in one line, RFC 2253 style, control characters replaced; false if it is not a Name. */
bool x509_name_text(struct clo_bytes name, char out[X509_NAME_TEXT]);

#endif
