/* Microsoft's endorsement of the utility VM that Azure Container Instances start containers in (the file reference-info-base64
 * of a guest's security context): which launch measurement a build of it has, signed. docs/formats/uvm.md. */
#ifndef CLOISTER_LIB_CLOUD_UVM_ENDORSEMENT_H
#define CLOISTER_LIB_CLOUD_UVM_ENDORSEMENT_H

#include "cloister/checks.h"
#include "lib/cose/cose_internal.h"
#include "lib/crypto/did_x509.h"

#define CLO_UVM_CERTIFICATES_MAX 8
#define CLO_UVM_MEASUREMENT_SIZE 48

/* Views live as long as it does. */
struct clo_uvm_endorsement {
    struct cose_message message;
    struct clo_bytes issuer;                                 /* did:x509 */
    struct did_x509 did;                                     /* the same, parsed */
    struct clo_bytes feed;                                   /* which line of builds it is of */
    struct clo_bytes certificates[CLO_UVM_CERTIFICATES_MAX]; /* DER, of the key that signed first */
    size_t certificate_count;
    int64_t signed_at; /* Unix time, as the signer says; 0: it does not say */
    uint64_t svn;
    uint8_t measurement[CLO_UVM_MEASUREMENT_SIZE];
};

/* In both forms that Microsoft signs. To be freed. */
CLO_MUST_USE bool clo_uvm_endorsement_parse(struct clo_bytes in, struct clo_uvm_endorsement *out,
                                            struct clo_error *err);
void clo_uvm_endorsement_free(struct clo_uvm_endorsement *endorsement); /* for CLO_CLEANUP */

/* What the caller knows beforehand. Without an issuer and a feed nothing is authentic. */
struct clo_uvm_endorsement_trust {
    const char *const *issuers; /* did:x509, to the letter */
    size_t issuer_count;
    const char *const *feeds;
    size_t feed_count;
    const struct clo_digest
            *roots; /* SHA-256 of the CA's SubjectPublicKeyInfo; none: the issuer's is enough */
    size_t root_count;
    const struct clo_crl *const *crls;
    size_t crl_count;
    int64_t at;
};
/* Checks endorsement.signature, .issuer, .feed, .time, .chain, .root, .validity, .revocation. True if none failed. */
CLO_MUST_USE bool clo_uvm_endorsement_verify(const struct clo_uvm_endorsement *endorsement,
                                             const struct clo_uvm_endorsement_trust *trust,
                                             struct clo_checks *checks, struct clo_error *err);

#endif
