/* Azure's HCL report: what the paravisor puts into the vTPM's NV index 0x01400001. (OpenHCL,
 * openhcl_attestation_protocol/src/igvm_attest/get.rs; FORMAT: docs/formats/hcl.md.)
 *
 * It carries a hardware report and the JSON claims that the report's REPORT_DATA binds; among them
 * the vTPM's attestation key. Believe the claims once the hardware report is verified and
 * clo_hcl_bind() has said that it is about them. */
#ifndef CLOISTER_HCL_H
#define CLOISTER_HCL_H

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"

CLO_BEGIN_C

#define CLO_HCL_NV_INDEX      0x01400001u
#define CLO_HCL_HARDWARE_AT   0x20
#define CLO_HCL_HARDWARE_SIZE 1184
#define CLO_HCL_REQUEST_AT    0x4c0

enum clo_hcl_type {
    CLO_HCL_VBS = 1,
    CLO_HCL_SNP = 2,
    CLO_HCL_TVM = 3,
    CLO_HCL_TDX = 4,
};

/* Views into the bytes given to clo_hcl_parse(). */
struct clo_hcl {
    uint32_t version;
    uint32_t request_type;
    enum clo_hcl_type report_type;
    enum clo_hash hash;               /* by which the claims are bound */
    struct clo_bytes hardware_report; /* SNP: 1184 bytes; TDX: a TDREPORT of 1024 */
    struct clo_bytes claims;          /* JSON, exactly the bytes that are bound */
};

/* What follows the claims (a NV index may be larger) is ignored. */
CLO_API CLO_MUST_USE bool clo_hcl_parse(struct clo_bytes in, struct clo_hcl *out,
                                        struct clo_error *err);
/* Is REPORT_DATA the hash of the claims, followed by zeros? */
CLO_API CLO_MUST_USE bool clo_hcl_bind(const struct clo_hcl *hcl, struct clo_bytes report_data,
                                       struct clo_error *err);

/* Claims of a report that is verified and binds them. */
struct clo_hcl_verified;
/* Only for the report inside this HCL report: another one is CLO_ERR_UNVERIFIED. */
CLO_API CLO_MUST_USE bool clo_hcl_verify(const struct clo_hcl *hcl,
                                         const struct clo_snp_verified *report,
                                         struct clo_hcl_verified **out, struct clo_error *err);
/* Of TDX: the claims that a verified quote's REPORTDATA binds. The TDREPORT inside is not believed. */
CLO_API CLO_MUST_USE bool clo_hcl_verify_tdx(const struct clo_hcl *hcl,
                                             const struct clo_tdx_verified *quote,
                                             struct clo_hcl_verified **out, struct clo_error *err);
CLO_API const struct clo_public_key *clo_hcl_ak(const struct clo_hcl_verified *hcl);
CLO_API const json_t *clo_hcl_claims(const struct clo_hcl_verified *hcl);
CLO_API void clo_hcl_verified_free(struct clo_hcl_verified *hcl);
CLO_API void clo_hcl_verified_freep(struct clo_hcl_verified **hcl);

CLO_END_C

#endif
