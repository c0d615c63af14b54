/* Client of Intel's Provisioning Certification Service, version 4, and of any caching service (PCCS) that
 * answers like it (Intel SGX and TDX PCS API v4; Intel PCCS Design Guide); cloister/tdx_collateral.h has
 * the paths.
 *
 * Documents are kept byte for byte: their signatures cover what was served. What comes back is checked to
 * be what was asked for, so that nothing else is cached; verifying it is lib/tdx's. */
#ifndef CLOISTER_NET_PCS_H
#define CLOISTER_NET_PCS_H

#include "cloister/tdx_collateral.h"
#include "net/source.h"

#define CLO_PCS_BASE     "https://api.trustedservices.intel.com"
#define CLO_PCS_ROOT_CRL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

/* Which of the evaluations that Intel serves side by side. At most one of the two is said; neither: Intel's
 * standard. */
struct clo_pcs_edition {
    const char *update; /* "standard", or "early": announced and not yet in force; NULL: not said */
    uint64_t evaluation_number; /* tcbEvaluationDataNumber; 0: not said */
};

/* TCB info, QE identity and revocation lists for the platform of a PCK certificate, with the chains that
 * came in headers: seven pieces, in place of what `out` held of them. `base` NULL is Intel's own service;
 * `edition` NULL says nothing. A platform or number that the service does not know is CLO_ERR_UNVERIFIED. */
CLO_MUST_USE bool clo_pcs_get(struct clo_source *source, const char *base,
                              const struct clo_tdx_pck *pck, const struct clo_pcs_edition *edition,
                              struct clo_tdx_collateral *out, struct clo_error *err);

/* The issuer chain in an answer's headers, as PEM: percent-encoded there, and named differently by the
 * versions of the service. `piece` is one of the three issuer chains. */
CLO_MUST_USE bool clo_pcs_chain_read(struct clo_bytes headers, enum clo_tdx_piece piece,
                                     struct clo_buffer *out, struct clo_error *err);
/* A revocation list in any form that services have, as DER, and when the next is due. `out` may be NULL. */
CLO_MUST_USE bool clo_pcs_crl_read(struct clo_bytes in, struct clo_buffer *out, int64_t *expires,
                                   struct clo_error *err);

#endif
