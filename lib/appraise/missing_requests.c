/* What a report or a quote lacks, as requests. */
#include "cloister/missing.h"

#include <stdio.h>

#include "cloister/encoding.h"
#include "cloister/tdx_collateral.h"

#include "lib/appraise/tee.h"

void clo_requests_free(struct clo_requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        clo_buffer_free(&requests->items[i].about);
    requests->count = 0;
}

static struct clo_request *add(struct clo_requests *out, enum clo_request_kind kind,
                               struct clo_bytes about, struct clo_error *err)
{
    if (out->count == CLO_REQUESTS_MAX) {
        clo_fail(err, CLO_ERR_SYSTEM, "more than %d requests", CLO_REQUESTS_MAX);
        return NULL;
    }
    struct clo_request *request = &out->items[out->count++];
    *request = (struct clo_request){ .kind = kind };
    clo_buffer_append(&request->about, about);
    if (clo_buffer_ok(&request->about))
        return request;
    clo_out_of_memory(err);
    return NULL;
}

/* --- SEV-SNP --- */

/* The report is nobody's word yet. All that the request is made of is in its name, so that one who makes a report up
 * with another's chip and TCB asks for something else. */
static bool add_leaf(const struct clo_snp_report *report, struct clo_requests *out,
                     struct clo_error *err)
{
    bool is_vlek = report->signing_key == CLO_SNP_VLEK;
    struct clo_request *request =
            add(out, is_vlek ? CLO_REQUEST_VLEK : CLO_REQUEST_VCEK, report->raw, err);
    enum clo_snp_product product = clo_snp_report_product(report);
    char chip[2 * 8 + 1];
    char tcb[2 * 8 + 1];
    struct clo_digest digest;

    if (request == NULL)
        return false;
    request->product = product;
    request->is_of_vlek = is_vlek;
    clo_hash(CLO_HASH_SHA256, report->chip_id, &digest);
    clo_hex_text(clo_bytes(digest.bytes, 8), chip);
    clo_hex_text(clo_bytes(report->reported_tcb.raw, 8), tcb);
    snprintf(request->name, sizeof request->name, "%s of chip %s with TCB %s%s%s",
             is_vlek ? "VLEK" : "VCEK", chip, tcb, product == CLO_SNP_UNKNOWN ? "" : " of ",
             product == CLO_SNP_UNKNOWN ? "" : clo_snp_product_name(product));
    return true;
}

static bool add_of_leaf(enum clo_request_kind kind, const struct clo_snp_leaf *leaf,
                        const struct clo_certificate *about, struct clo_requests *out,
                        struct clo_error *err)
{
    struct clo_request *request = add(out, kind, clo_certificate_der(about), err);

    if (request == NULL)
        return false;
    request->product = leaf->product;
    request->is_of_vlek = leaf->is_vlek;
    snprintf(request->name, sizeof request->name, "%s of %s's %s",
             kind == CLO_REQUEST_SNP_CRL ? "revocation list" : "certificate chain",
             clo_snp_product_name(leaf->product), leaf->is_vlek ? "VLEK" : "VCEK");
    return true;
}

bool clo_missing_snp(const struct clo_snp_report *report, const struct clo_snp_chain *chain,
                     const struct clo_crl *const *crls, size_t crl_count, int64_t at,
                     struct clo_requests *out, struct clo_error *err)
{
    unsigned lacks = clo_snp_chain_lacks(report, chain, crls, crl_count, at);
    struct clo_error ignored;
    struct clo_snp_leaf leaf;

    if ((lacks & CLO_SNP_LACKS_LEAF) != 0)
        return add_leaf(report, out, err);
    if (!clo_snp_leaf_parse(chain->leaf, &leaf, &ignored))
        return true;
    if ((lacks & CLO_SNP_LACKS_ISSUERS) != 0) {
        if (!add_of_leaf(CLO_REQUEST_SNP_CHAIN, &leaf, chain->leaf, out, err))
            return false;
        out->items[out->count - 1].is_named = chain->intermediate != NULL && chain->root != NULL;
        return true;
    }
    return (lacks & CLO_SNP_LACKS_CRL) == 0 ||
           add_of_leaf(CLO_REQUEST_SNP_CRL, &leaf, chain->root, out, err);
}

/* --- TDX --- */

void clo_request_name_tdx(const struct clo_tdx_pck *pck, char out[CLO_REQUEST_NAME])
{
    struct clo_tdx_fetch plan;

    clo_tdx_fetch_plan(pck, &plan);
    snprintf(out, CLO_REQUEST_NAME, "TDX collateral of FMSPC %s (%s CA)", plan.fmspc, plan.ca);
}

bool clo_missing_tdx(const struct clo_tdx_pck *pck, const struct clo_tdx_choice *choice,
                     struct clo_requests *out, struct clo_error *err)
{
    static const struct {
        enum clo_tdx_piece piece;
        enum clo_request_kind kind;
    } documents[] = {
        { CLO_TDX_TCB_INFO, CLO_REQUEST_TCB_INFO },
        { CLO_TDX_QE_IDENTITY, CLO_REQUEST_QE_IDENTITY },
        { CLO_TDX_PCK_CRL, CLO_REQUEST_PCK_CRL },
        { CLO_TDX_ROOT_CA_CRL, CLO_REQUEST_ROOT_CRL },
    };

    if (choice->lacks == 0 || pck->ca == CLO_TDX_CA_UNKNOWN)
        return true;
    for (size_t i = 0; i < CLO_COUNT(documents); i++) {
        if ((choice->lacks >> documents[i].piece & 1) == 0)
            continue;
        struct clo_request *request = add(out, documents[i].kind, (struct clo_bytes){ 0 }, err);
        if (request == NULL)
            return false;
        request->pck = *pck;
        clo_request_name_tdx(pck, request->name);
    }
    return true;
}
