/* What verifying evidence still lacks of what the makers publish, as a list of requests: certificates, revocation lists,
 * collateral. Nothing is fetched here; a caller that can (net/endorsements.h) goes through the list, adds what came to its
 * inputs, and asks again, for what comes next depends on it: the chain's revocation list on the chain.
 *
 * A request rests on evidence that is not verified yet. What must not be asked for at a stranger's word is for the
 * caller to leave out; what cannot be had is for the appraisal to refuse. */
#ifndef CLOISTER_MISSING_H
#define CLOISTER_MISSING_H

#include "cloister/appraise.h"
#include "cloister/tdx_collateral.h"

CLO_BEGIN_C

enum clo_request_kind {
    CLO_REQUEST_VCEK,      /* of the report's chip and reported TCB */
    CLO_REQUEST_VLEK,      /* only the cloud that runs the guest has it */
    CLO_REQUEST_SNP_CHAIN, /* ASK or ASVK, and ARK */
    CLO_REQUEST_SNP_CRL,   /* the ARK's list */
    CLO_REQUEST_TCB_INFO,
    CLO_REQUEST_QE_IDENTITY,
    CLO_REQUEST_PCK_CRL,
    CLO_REQUEST_ROOT_CRL,
};

#define CLO_REQUEST_NAME 160

struct clo_request {
    enum clo_request_kind kind;
    /* For people. Requests of one name are answered together: a platform's collateral is one set. */
    char name[CLO_REQUEST_NAME];
    /* SEV-SNP: the report that the VCEK is of; the leaf (DER) that the chain is of; the root that the list is of. */
    struct clo_buffer about;
    enum clo_snp_product product;
    bool is_of_vlek;
    bool is_named; /* issuers of the right names are there, which did not sign */
    struct clo_tdx_pck pck;
};

#define CLO_REQUESTS_MAX 8

struct clo_requests {
    struct clo_request items[CLO_REQUESTS_MAX];
    size_t count;
};
CLO_API void clo_requests_free(struct clo_requests *requests); /* for CLO_CLEANUP */

/* Of evidence that cannot be read nothing is asked for. `inputs` as for clo_appraise(). */
CLO_API CLO_MUST_USE bool clo_appraise_missing(const struct clo_evidence *evidence,
                                               const struct clo_appraise_inputs *inputs,
                                               struct clo_requests *out, struct clo_error *err);

CLO_END_C

#endif
