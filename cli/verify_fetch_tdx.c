/* Intel's collateral for the quote in the evidence, from its service or the cache. */
#include "cloister/tdx.h"
#include "net/pcs.h"

#include "verify.h"

static bool is_complete(const struct clo_tdx_collateral *collateral)
{
    static const enum clo_tdx_piece needed[] = {
        CLO_TDX_TCB_INFO,    CLO_TDX_TCB_INFO_ISSUER_CHAIN,
        CLO_TDX_QE_IDENTITY, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
        CLO_TDX_PCK_CRL,     CLO_TDX_ROOT_CA_CRL,
    };

    for (size_t i = 0; i < CLO_COUNT(needed); i++)
        if (collateral->pieces[needed[i]].size == 0)
            return false;
    return true;
}

/* What was given stays. */
static bool take(const struct clo_tdx_collateral *fetched, struct clo_tdx_collateral *out,
                 struct clo_error *err)
{
    for (size_t i = 0; i < CLO_TDX_PIECES; i++) {
        if (out->pieces[i].size > 0)
            continue;
        clo_buffer_append(&out->pieces[i], clo_buffer_bytes(&fetched->pieces[i]));
        if (!clo_buffer_ok(&out->pieces[i]))
            return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    }
    return true;
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

    if (bytes.data == NULL || inputs->inputs.without_tcb || is_complete(&inputs->collateral) ||
        !clo_tdx_parse(bytes, &quote, &ignored))
        return true;
    struct clo_bytes chain =
            quote.chain.size > 0 ? quote.chain
                                 : clo_buffer_bytes(&inputs->collateral.pieces[CLO_TDX_PCK_CHAIN]);
    if (!clo_tdx_pck_from_chain(chain, &pck, &ignored))
        return true; /* for the appraisal to refuse */
    if (pck.ca == CLO_TDX_CA_UNKNOWN)
        return true;
    inputs->inputs.tdx_collateral = &inputs->collateral;
    return clo_pcs_get(source, options->pcs, &pck, options->update, &fetched, err) &&
           take(&fetched, &inputs->collateral, err);
}
