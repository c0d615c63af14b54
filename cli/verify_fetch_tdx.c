/* Intel's collateral for the quote in the evidence, from its service or the cache. */
#include <string.h>

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

/* What was given stays; files have the same names on both sides. */
static bool take(const struct clo_pcs_collateral *fetched, struct clo_tdx_collateral *out,
                 struct clo_error *err)
{
    for (size_t i = 0; i < CLO_TDX_PIECES; i++) {
        enum clo_tdx_piece piece = (enum clo_tdx_piece)i;
        for (size_t k = 0; out->pieces[i].size == 0 && k < CLO_PCS_PARTS; k++)
            if (strcmp(clo_tdx_piece_file(piece), clo_pcs_part_file((enum clo_pcs_part)k)) == 0 &&
                !clo_tdx_collateral_set(out, piece, clo_buffer_bytes(&fetched->parts[k]), err))
                return false;
    }
    return true;
}

bool verify_fetch_tdx(struct clo_source *source, const char *base,
                      const struct clo_evidence *evidence, struct verify_inputs *inputs,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_pcs_collateral_free) struct clo_pcs_collateral fetched = { 0 };
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
    const struct clo_pcs_request request = {
        .fmspc = clo_bytes(pck.fmspc, sizeof pck.fmspc),
        .ca = clo_tdx_ca_name(pck.ca),
    };
    if (pck.ca == CLO_TDX_CA_UNKNOWN)
        return true;
    inputs->inputs.tdx_collateral = &inputs->collateral;
    return clo_pcs_get(source, base, &request, &fetched, err) &&
           take(&fetched, &inputs->collateral, err);
}
