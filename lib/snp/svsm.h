/* What a service module at VMPL 0 (SVSM) says of its services: the manifest that a report's REPORT_DATA binds together with a nonce
 * (AMD 58019, "Secure VM Service Module for SEV-SNP Guests", section 7).
 *
 * It counts once a verified report of VMPL 0 binds it. */
#ifndef CLOISTER_LIB_SVSM_H
#define CLOISTER_LIB_SVSM_H

#include "cloister/crypto.h"
#include "cloister/encoding.h"

#define CLO_SVSM_NONCE_SIZE   64
#define CLO_SVSM_SERVICES_MAX 32

struct clo_svsm_service {
    struct clo_guid guid;
    struct clo_bytes manifest; /* may be empty: it is there, and says nothing */
};

struct clo_svsm_manifest {
    struct clo_svsm_service services[CLO_SVSM_SERVICES_MAX];
    size_t count;
};

extern const struct clo_guid clo_svsm_vtpm; /* its manifest: TPMT_PUBLIC of the endorsement key */

/* The table of all services; views. What is there twice, overlaps, or is left over is refused. */
CLO_MUST_USE bool clo_svsm_parse(struct clo_bytes in, struct clo_svsm_manifest *out,
                                 struct clo_error *err);
/* Its manifest; data NULL: there is no such service. */
struct clo_bytes clo_svsm_find(const struct clo_svsm_manifest *manifest,
                               const struct clo_guid *guid);
/* Is this SHA-512(nonce || manifest)? The nonce is filled up to 64 bytes with zeros. */
bool clo_svsm_binds(struct clo_bytes report_data, struct clo_bytes nonce,
                    struct clo_bytes manifest);

#endif
