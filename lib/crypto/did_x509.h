/* did:x509 identifiers: whom a chain of certificates speaks for (did:x509 Method Specification, version 0, github.com/microsoft/did-x509).
 *
 * The identifier names a CA by its certificate's digest, and what the leaf below it must say of itself. It is nobody's word
 * until it is resolved against a chain that was verified. docs/formats/uvm.md. */
#ifndef CLOISTER_LIB_CRYPTO_DID_X509_H
#define CLOISTER_LIB_CRYPTO_DID_X509_H

#include "cloister/crypto.h"

#define DID_X509_TEXT_MAX       1024
#define DID_X509_PREDICATES_MAX 16

enum did_x509_kind {
    DID_X509_SUBJECT,
    DID_X509_SAN,
    DID_X509_EKU,
    DID_X509_FULCIO_ISSUER,
};

/* Views into what was parsed. */
struct did_x509 {
    struct clo_digest ca; /* of the certificate's DER */
    struct {
        enum did_x509_kind kind;
        struct clo_bytes value; /* well formed, percent-encoded still */
    } predicates[DID_X509_PREDICATES_MAX];
    size_t count;
};

/* The whole of `text` is an identifier; a DID URL (path, query, fragment) is not one. */
CLO_MUST_USE bool did_x509_parse(struct clo_bytes text, struct did_x509 *out,
                                 struct clo_error *err);
bool did_x509_is_ca(const struct did_x509 *did, const struct clo_certificate *certificate);
/* Is a verified chain, leaf first, one of those that it stands for? Signatures and dates were looked at before. */
CLO_MUST_USE bool did_x509_resolve(const struct did_x509 *did,
                                   const struct clo_certificate *const *chain, size_t count,
                                   struct clo_error *err);

#endif
