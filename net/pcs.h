/* Intel's Provisioning Certification Service, version 4, and any caching service (PCCS) that answers
 * like it (Intel SGX and TDX PCS API v4; Intel PCCS Design Guide).
 *
 * Documents are kept byte for byte: their signatures cover what was served. What comes back is
 * checked to be of the right kind, so that nothing else is cached; verifying it is lib/tdx's. */
#ifndef CLOISTER_NET_PCS_H
#define CLOISTER_NET_PCS_H

#include "net/source.h"

#define CLO_PCS_BASE     "https://api.trustedservices.intel.com"
#define CLO_PCS_ROOT_CRL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

enum clo_pcs_part {
    CLO_PCS_TCB_INFO,
    CLO_PCS_TCB_INFO_CHAIN,
    CLO_PCS_QE_IDENTITY,
    CLO_PCS_QE_IDENTITY_CHAIN,
    CLO_PCS_PCK_CRL, /* DER, as the root's */
    CLO_PCS_PCK_CRL_CHAIN,
    CLO_PCS_ROOT_CA_CRL,
    CLO_PCS_PARTS,
};
/* Its name in a folder of collateral: "tcb_info.json", as `verify tdx --collateral` takes it. */
const char *clo_pcs_part_file(enum clo_pcs_part part);

struct clo_pcs_collateral {
    struct clo_buffer parts[CLO_PCS_PARTS];
};
void clo_pcs_collateral_free(struct clo_pcs_collateral *collateral); /* for CLO_CLEANUP */

struct clo_pcs_request {
    struct clo_bytes fmspc; /* 6 bytes, of the PCK certificate */
    const char *ca;         /* who issued that: "platform" or "processor" */
    const char *update;     /* "standard" or "early"; NULL: not said, which is standard */
};
/* All seven parts. `base` NULL is Intel's own service. A platform that it does not know is
 * CLO_ERR_UNVERIFIED. */
CLO_MUST_USE bool clo_pcs_get(struct clo_source *source, const char *base,
                              const struct clo_pcs_request *request, struct clo_pcs_collateral *out,
                              struct clo_error *err);
/* A folder of them, for a verification elsewhere without a network. Made if absent. */
CLO_MUST_USE bool clo_pcs_save(const struct clo_pcs_collateral *collateral, const char *folder,
                               struct clo_error *err);

/* The issuer chain in an answer's headers, as PEM: percent-encoded there, and named differently by
 * the versions of the service. */
enum clo_pcs_chain {
    CLO_PCS_CHAIN_TCB_INFO,
    CLO_PCS_CHAIN_QE_IDENTITY,
    CLO_PCS_CHAIN_PCK_CRL,
};
CLO_MUST_USE bool clo_pcs_chain_read(struct clo_bytes headers, enum clo_pcs_chain which,
                                     struct clo_buffer *out, struct clo_error *err);
/* A revocation list in DER, PEM, or hex or base64 of DER, as DER. */
CLO_MUST_USE bool clo_pcs_crl_read(struct clo_bytes in, struct clo_buffer *out, int64_t *expires,
                                   struct clo_error *err);

#endif
