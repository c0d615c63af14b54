/* Writes HCL reports, for pretend platforms and tests. */
#ifndef CLOISTER_LIB_HCL_WRITE_H
#define CLOISTER_LIB_HCL_WRITE_H

#include "cloister/hcl.h"

/* Lays out an HCL report as Azure's paravisor does and appends it to `out`. `report` is 1184 bytes; `claims` goes in as it is. */
CLO_MUST_USE bool clo_hcl_write(enum clo_hcl_type type, struct clo_bytes report,
                                struct clo_bytes claims, struct clo_buffer *out,
                                struct clo_error *err);

#endif
