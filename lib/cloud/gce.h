/* Google Compute Engine: which instance a vTPM's certificate is of, and Google's word on which measurements its firmware
 * has (docs/formats/gce.md).
 *
 * On GCE the vTPM is the host's, outside of the confidential VM, also next to an SEV-SNP report or a TDX quote: what its
 * certificate vouches for is Google's word. */
#ifndef CLOISTER_LIB_CLOUD_GCE_H
#define CLOISTER_LIB_CLOUD_GCE_H

#include "cloister/checks.h"
#include "cloister/crypto.h"

#define CLO_GCE_NAME_MAX 128

struct clo_gce_instance {
    char zone[CLO_GCE_NAME_MAX], project_id[CLO_GCE_NAME_MAX], name[CLO_GCE_NAME_MAX];
    uint64_t project_number, id;
    uint64_t security_version;
    bool is_production; /* not said: it is not */
};

/* The extension 1.3.6.1.4.1.11129.2.1.21. CLO_ERR_UNAVAILABLE: the certificate has none. */
CLO_MUST_USE bool clo_gce_instance_parse(const struct clo_certificate *certificate,
                                         struct clo_gce_instance *out, struct clo_error *err);
/* Claims "gce_…"; NULL: out of memory. */
json_t *clo_gce_instance_json(const struct clo_gce_instance *instance);

/* Google's roots of vTPM certificates, by SHA-256 of their SubjectPublicKeyInfo. */
#define CLO_GCE_ROOTS 2
extern const struct clo_digest clo_gce_roots[CLO_GCE_ROOTS];

#endif
