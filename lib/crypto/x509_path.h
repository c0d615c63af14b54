/* A chain of certificates from a leaf up to a root that is trusted (RFC 5280, section 6), found in what came along: for
 * makers whose chains have no form of their own. */
#ifndef CLOISTER_LIB_CRYPTO_X509_PATH_H
#define CLOISTER_LIB_CRYPTO_X509_PATH_H

#include "cloister/checks.h"
#include "lib/crypto/x509.h"

#define X509_PATH_MAX 8

/* What may be between leaf and root, and what counts as a root. */
struct x509_trust {
    const struct clo_certificate *const *certificates;
    size_t certificate_count;
    const struct clo_crl *const *crls; /* of any issuers */
    size_t crl_count;
    const struct clo_digest *roots; /* SHA-256 of SubjectPublicKeyInfo */
    size_t root_count;
    const char *const *known; /* extensions of the leaf that may be critical */
    size_t known_count;
    int64_t at;
    /* When what it vouches for was signed, where that is known: dates are held against it, revocation against `at`. 0: `at`. */
    int64_t signed_at;
};

/* What the checks are called. */
struct x509_path_ids {
    const char *chain, *root, *validity, *revocation;
};

struct x509_path {
    const struct clo_certificate *items[X509_PATH_MAX]; /* the leaf first; borrowed */
    size_t count;
    struct clo_digest root; /* of the last one's key */
    int64_t until;          /* when the first of them runs out */
};

/* Makes four checks; true if none failed. A leaf that is a CA's is refused. */
bool x509_path_check(const struct clo_certificate *leaf, const struct x509_trust *trust,
                     const struct x509_path_ids *ids, struct clo_checks *checks,
                     struct x509_path *out);

#endif
