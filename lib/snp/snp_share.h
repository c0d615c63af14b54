/* Certificates that others have read already. */
#ifndef CLOISTER_LIB_SNP_SHARE_H
#define CLOISTER_LIB_SNP_SHARE_H

#include "cloister/snp.h"

/* Adds one that another one holds as well, without reading it again. */
CLO_MUST_USE bool clo_snp_certificates_share(struct clo_snp_certificates *certificates,
                                             const struct clo_certificate *certificate,
                                             struct clo_error *err);

#endif
