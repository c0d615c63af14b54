/* What evidence lacks, from the makers' services or the cache: answers the requests of cloister/missing.h. */
#ifndef CLOISTER_NET_ENDORSEMENTS_H
#define CLOISTER_NET_ENDORSEMENTS_H

#include "cloister/missing.h"
#include "net/pcs.h"

/* Whom to ask; NULL: AMD's and Intel's own services, and what is in force. */
struct clo_makers {
    struct clo_source *source;
    const char *kds, *pcs;
    const struct clo_pcs_edition *edition;
};

/* What came, parsed and not verified. A zeroed struct is empty. */
struct clo_answer {
    struct clo_snp_certificates certificates;
    struct clo_crl *crl;
    struct clo_tdx_collateral collateral;
    bool has_collateral;
};
void clo_answer_free(struct clo_answer *answer); /* for CLO_CLEANUP */

CLO_MUST_USE bool clo_makers_get(const struct clo_makers *makers, const struct clo_request *request,
                                 struct clo_answer *out, struct clo_error *err);
/* All that the list asks for, each name once; `take` moves an answer to where it is wanted. */
typedef bool clo_answer_take(void *context, struct clo_answer *answer, struct clo_error *err);
CLO_MUST_USE bool clo_makers_get_all(const struct clo_makers *makers,
                                     const struct clo_requests *requests, clo_answer_take *take,
                                     void *context, struct clo_error *err);

#endif
