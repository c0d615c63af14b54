/* Google's launch endorsement (gce-tcb-verifier, proto/endorsement.proto): which measurements a build of its firmware has,
 * signed. docs/formats/gce.md. */
#ifndef CLOISTER_LIB_CLOUD_GCE_ENDORSEMENT_H
#define CLOISTER_LIB_CLOUD_GCE_ENDORSEMENT_H

#include "cloister/checks.h"
#include "cloister/crypto.h"

#define CLO_GCE_ENDORSEMENT_LIMIT ((size_t)1 << 20)
#define CLO_GCE_MEASUREMENTS_MAX  256
#define CLO_GCE_MEASUREMENT_SIZE  48

/* Views into what was parsed. */
struct clo_gce_endorsement {
    struct clo_bytes golden; /* what is signed */
    struct clo_bytes signature;
    struct clo_bytes certificate; /* DER, of the key that signed */
    struct clo_bytes bundle;      /* PEM, above it; empty: none */
    struct clo_bytes digest;      /* SHA-384 of the firmware */
    int64_t timestamp;            /* Unix time */
    bool has_snp, has_tdx;
    uint32_t snp_svn, tdx_svn;
    uint64_t snp_policy;                            /* 0: not said */
    struct clo_bytes snp[CLO_GCE_MEASUREMENTS_MAX]; /* MEASUREMENT, by the number of vCPUs: */
    uint64_t snp_vcpus[CLO_GCE_MEASUREMENTS_MAX];
    size_t snp_count;
    struct clo_bytes tdx[CLO_GCE_MEASUREMENTS_MAX]; /* MRTD */
    size_t tdx_count;
};

CLO_MUST_USE bool clo_gce_endorsement_parse(struct clo_bytes in, struct clo_gce_endorsement *out,
                                            struct clo_error *err);

struct clo_gce_endorsement_trust {
    const struct clo_digest *roots; /* SHA-256 of SubjectPublicKeyInfo */
    size_t root_count;
    const struct clo_certificate *const *certificates; /* more issuers, the roots' own among them */
    size_t certificate_count;
    const struct clo_crl *const *crls;
    size_t crl_count;
    int64_t at;
};
/* Checks endorsement.signature, .chain, .root, .validity, .revocation. True if none failed. */
CLO_MUST_USE bool clo_gce_endorsement_verify(const struct clo_gce_endorsement *endorsement,
                                             const struct clo_gce_endorsement_trust *trust,
                                             struct clo_checks *checks, struct clo_error *err);

#endif
