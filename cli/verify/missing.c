/* What the evidence lacks, from the maker's service or the cache: for `cloister verify`. */
#include <string.h>

#include "net/endorsements.h"

#include "cli/verify/common.h"

#define ROUNDS_MAX 4 /* leaf, chain, list; and one that finds nothing more to ask for */

static bool take_crl(struct verify_inputs *inputs, struct clo_answer *answer, struct clo_error *err)
{
    if (inputs->crl_count == CLO_LIST_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "too many revocation lists");
    inputs->crls[inputs->crl_count++] = CLO_TAKE(answer->crl);
    inputs->inputs.endorsements.crls = (const struct clo_crl *const *)inputs->crls;
    inputs->inputs.endorsements.crl_count = inputs->crl_count;
    return true;
}

static bool take(void *context, struct clo_answer *answer, struct clo_error *err)
{
    struct verify_inputs *inputs = context;

    for (size_t i = 0; i < answer->certificates.count; i++)
        if (!clo_snp_certificates_add(&inputs->certificates,
                                      clo_certificate_der(answer->certificates.items[i]), err))
            return false;
    return (answer->crl == NULL || take_crl(inputs, answer, err)) &&
           (!answer->has_collateral || verify_add_collateral(inputs, &answer->collateral, err));
}

/* What was asked for once, and is missing still, is for the appraisal to refuse. */
static bool is_asked_again(const struct clo_requests *before, const struct clo_requests *now)
{
    return before->count > 0 && now->count > 0 && before->items[0].kind == now->items[0].kind;
}

bool verify_fetch(const struct verify_options *o, const struct clo_evidence *evidence,
                  struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(fetcher_close) struct fetcher fetcher = { .curl = NULL };
    CLO_CLEANUP(clo_requests_free) struct clo_requests before = { 0 };

    if (!fetch_is_asked(&o->fetch)) {
        if (o->fetch.kds == NULL && o->fetch.pcs == NULL && o->fetch.ca == NULL &&
            o->fetch.edition.update == NULL && o->fetch.edition.evaluation_number == 0)
            return true;
        return clo_fail(err, CLO_ERR_USAGE,
                        "--kds, --pcs, --update, --tcb-evaluation-data-number and --ca are for "
                        "--fetch");
    }
    if (!fetcher_open(&o->fetch, inputs->inputs.at, &fetcher, err))
        return false;
    const struct clo_makers makers = { .source = &fetcher.source,
                                       .kds = o->fetch.kds,
                                       .pcs = o->fetch.pcs,
                                       .edition = &o->fetch.edition };
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        CLO_CLEANUP(clo_requests_free) struct clo_requests now = { 0 };
        if (!clo_appraise_missing(evidence, &inputs->inputs, &now, err))
            return false;
        if (now.count == 0 || is_asked_again(&before, &now))
            return true;
        if (!clo_makers_get_all(&makers, &now, take, inputs, err))
            return false;
        clo_requests_free(&before);
        before = now;
        now = (struct clo_requests){ 0 };
    }
    return true;
}
