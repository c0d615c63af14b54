/* The parts of clo_appraise_missing(), for a verifier that holds more than it lends to one appraisal. */
#ifndef CLOISTER_LIB_APPRAISE_MISSING_H
#define CLOISTER_LIB_APPRAISE_MISSING_H

#include "cloister/missing.h"

/* The report's chain as the appraisal finds it: among the caller's certificates, the policy's, AMD's, then the
 * evidence's. `all` keeps what the chain points to; without a leaf the chain is empty. */
CLO_MUST_USE bool clo_appraise_snp_chain(const struct clo_evidence *evidence,
                                         const struct clo_appraise_inputs *inputs,
                                         const struct clo_snp_report *report,
                                         struct clo_snp_certificates *all,
                                         struct clo_snp_chain *chain, struct clo_error *err);
/* What the chain lacks, with these lists. */
CLO_MUST_USE bool clo_missing_snp(const struct clo_snp_report *report,
                                  const struct clo_snp_chain *chain,
                                  const struct clo_crl *const *crls, size_t crl_count, int64_t at,
                                  struct clo_requests *out, struct clo_error *err);
/* What the requests for a platform's collateral are called. */
void clo_request_name_tdx(const struct clo_tdx_pck *pck, char out[CLO_REQUEST_NAME]);
/* What was not among the sets that the choice was made of. */
CLO_MUST_USE bool clo_missing_tdx(const struct clo_tdx_pck *pck,
                                  const struct clo_tdx_choice *choice, struct clo_requests *out,
                                  struct clo_error *err);

#endif
