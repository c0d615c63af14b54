#include "cloister/tdx.h"

#include "fuzz.h"

static void check_body(const struct clo_tdx_body *body, struct clo_bytes in)
{
    MUST(lies_within(body->mr_td, in) && body->mr_td.size == 48);
    MUST(lies_within(body->rtmr[3], in) && body->rtmr[3].size == 48);
    MUST(lies_within(body->report_data, in) && body->report_data.size == 64);
    MUST(lies_within(body->tee_tcb_svn, in) && body->tee_tcb_svn.size == 16);
    MUST(!body->has_td15 || (lies_within(body->tee_tcb_svn2, in) && body->tee_tcb_svn2.size == 16));
    MUST(!body->has_extended ||
         (lies_within(body->cur_servtd_attrs, in) && body->cur_servtd_attrs.size == 8));
}

/* What parses has views inside its input, sizes that add up, and can always be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_tdx_quote quote;
    struct clo_tdx_report report;
    struct clo_error err;

    if (clo_tdx_parse(in, &quote, &err)) {
        check_body(&quote.body, in);
        MUST(quote.signed_part.data == data && quote.signed_part.size < size);
        MUST(lies_within(quote.signature, in) && quote.signature.size == 64);
        MUST(lies_within(quote.attestation_key, in) && quote.attestation_key.size == 64);
        MUST(lies_within(quote.qe_report.raw, in) && quote.qe_report.raw.size == 384);
        MUST(lies_within(quote.qe_auth_data, in));
        MUST(quote.chain.size == 0 || lies_within(quote.chain, in));
        MUST(lies_within(quote.trailing, in));
        json_t *json = clo_tdx_quote_json(&quote);
        MUST(json != NULL);
        json_decref(json);
    }
    if (clo_tdx_report_parse(in, &report, &err)) {
        check_body(&report.body, in);
        json_t *json = clo_tdx_report_json(&report);
        MUST(json != NULL);
        json_decref(json);
    }
    return 0;
}
