/* Intel's collateral for the quote in the evidence, from its service or the cache. */
#include "cli/verify/common.h"
#include "cloister/tdx.h"
#include "net/pcs.h"

/* Is everything given that this quote's platform needs, and current? */
static bool is_whole(const struct verify_inputs *inputs, struct clo_bytes chain)
{
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    size_t count = inputs->inputs.endorsements.tdx_collateral_count;
    struct clo_error ignored;

    return clo_tdx_collateral_choose(inputs->sets, count, count, chain, inputs->inputs.at, &choice,
                                     &ignored) &&
           choice.is_whole;
}

/* A quote without a chain has it in the collateral. */
static struct clo_bytes chain_of(const struct clo_tdx_quote *quote,
                                 const struct verify_inputs *inputs)
{
    struct clo_bytes chain = quote->chain;

    for (size_t i = 0; chain.size == 0 && i < CLO_COUNT(inputs->collateral); i++)
        chain = clo_buffer_bytes(&inputs->collateral[i].pieces[CLO_TDX_PCK_CHAIN]);
    return chain;
}

bool verify_fetch_tdx(struct clo_source *source, const struct fetch_options *options,
                      const struct clo_evidence *evidence, struct verify_inputs *inputs,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral fetched = { 0 };
    struct clo_bytes bytes = clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE);
    struct clo_tdx_quote quote;
    struct clo_tdx_pck pck;
    struct clo_error ignored;

    if (bytes.data == NULL || inputs->inputs.without_tcb || !clo_tdx_parse(bytes, &quote, &ignored))
        return true;
    struct clo_bytes chain = chain_of(&quote, inputs);
    if (is_whole(inputs, chain))
        return true;
    if (!clo_tdx_pck_from_chain(chain, &pck, &ignored))
        return true; /* for the appraisal to refuse */
    if (pck.ca == CLO_TDX_CA_UNKNOWN)
        return true;
    return clo_pcs_get(source, options->pcs, &pck, &options->edition, &fetched, err) &&
           verify_add_collateral(inputs, &fetched, err);
}
