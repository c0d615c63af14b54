/* SEV-SNP reports (AMD 56860, table 23, version 3) and HCL reports around them, as a pretend platform
 * makes them. */
#ifndef CLOISTER_SIM_REPORT_H
#define CLOISTER_SIM_REPORT_H

#include "sim/platform.h"

struct sim_report_spec {
    uint64_t policy;
    uint32_t vmpl;
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
};

/* What a guest without debugging would show: policy 0x30000, all else zero. */
extern const struct sim_report_spec sim_report_default;

/* Appends the 1184 bytes, signed by the platform's VCEK. */
CLO_MUST_USE bool sim_report(const struct sim_platform *platform,
                             const struct sim_report_spec *spec, struct clo_buffer *out,
                             struct clo_error *err);
/* Appends an HCL report that binds the attestation key. */
CLO_MUST_USE bool sim_hcl_report(const struct sim_platform *platform,
                                 const struct clo_public_key *ak, struct clo_buffer *out,
                                 struct clo_error *err);

#endif
