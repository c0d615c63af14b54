/* From a parsed quote and a verified platform to a verified quote (DCAP QVL, sections 4.1.2.4.11 to
 * 4.1.2.4.17): two signatures, comparisons, and the TCB level. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tdx_internal.h"

/* What one call of clo_tdx_verify() works on. */
struct work {
    const struct clo_tdx_quote *quote;
    const struct clo_tdx_platform *platform;
    int64_t at;
    struct clo_checks *checks;
    struct clo_tdx_tcb tcb;
};

static void check_qe_report(struct work *w)
{
    static const char id[] = "tdx.qe_report";
    const struct clo_tdx_platform *p = w->platform;
    struct clo_error err;

    if (p->leaf == NULL) {
        clo_check_that(w->checks, id, false, "no PCK certificate to verify it with");
        return;
    }
    /* A quote that brings no chain is verified with the platform's. */
    if (w->quote->chain.size > 0 && p->chain.size > 0 &&
        !clo_bytes_equal(w->quote->chain, clo_buffer_bytes(&p->chain))) {
        clo_check_that(w->checks, id, false, "the quote is of another platform: its chain differs");
        return;
    }
    bool holds = tdx_p256_verify(p->pck_key, w->quote->qe_report.raw, w->quote->qe_report_signature,
                                 &err);
    clo_check_that(
            w->checks, id, holds, "%s",
            holds ? "the quoting enclave's report is signed by the PCK"
                  : "the quoting enclave's report is not signed by this PCK, or was changed");
}

/* The attestation key is the enclave's own: its hash, with whatever data the enclave put next to it,
 * is in the enclave's report. */
static void check_qe_binding(struct work *w)
{
    const struct clo_bytes parts[] = { w->quote->attestation_key, w->quote->qe_auth_data };
    struct clo_bytes report_data = w->quote->qe_report.report_data;
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    bool holds = clo_bytes_equal(clo_bytes_slice(report_data, 0, 32), clo_digest_bytes(&digest));
    clo_check_that(w->checks, "tdx.qe_binding", holds, "%s",
                   holds ? "the quoting enclave vouches for the attestation key"
                         : "the attestation key is not the one that the quoting enclave vouches "
                           "for");
}

static bool masked_equal(struct clo_bytes value, const uint8_t *mask, const uint8_t *expected)
{
    for (size_t i = 0; i < value.size; i++)
        if ((value.data[i] & mask[i]) != expected[i])
            return false;
    return true;
}

static void check_qe(struct work *w)
{
    static const char id[] = "tdx.qe";
    const struct tdx_qe_identity *identity = w->platform->qe_identity;
    const struct clo_tdx_qe_report *report = &w->quote->qe_report;

    if (identity == NULL) {
        clo_check_skip(w->checks, id,
                       "no QE identity: any enclave that may have a PCK's signature passes");
        return;
    }
    const char *differs =
            (report->miscselect & identity->miscselect_mask) != identity->miscselect ? "MISCSELECT"
            : !masked_equal(report->attributes, identity->attributes_mask, identity->attributes)
                    ? "ATTRIBUTES"
            : !clo_bytes_equal(report->mr_signer,
                               clo_bytes(identity->mr_signer, sizeof identity->mr_signer))
                    ? "MRSIGNER"
            : report->isv_prod_id != identity->isv_prod_id ? "ISVPRODID"
                                                           : NULL;
    clo_check_that(w->checks, id, differs == NULL,
                   differs == NULL ? "the quoting enclave is the one of the QE identity%s"
                                   : "the quoting enclave's %s is not that of the QE identity",
                   differs == NULL ? "" : differs);
}

static void check_quote_signature(struct work *w)
{
    struct clo_error err;

    bool holds = clo_p256_verify(w->quote->attestation_key, CLO_HASH_SHA256, w->quote->signed_part,
                                 w->quote->signature, &err);
    clo_check_that(w->checks, "tdx.quote_signature", holds, "%s",
                   holds ? "the quote is signed by the attestation key"
                         : "the quote is not signed by its attestation key, or was changed");
}

/* Intel's own library demands both: that the module's attributes are zero, and that they are those
 * of the TCB info. */
static void check_module(struct work *w)
{
    static const char id[] = "tdx.module";
    const struct clo_tdx_body *body = &w->quote->body;
    unsigned major = body->tee_tcb_svn.data[1];

    if (w->platform->tcb_info == NULL) {
        clo_check_skip(w->checks, id, "no TCB info to hold the TDX module against");
        return;
    }
    const struct tdx_module *module = tdx_find_module(w->platform->tcb_info, major);
    if (module == NULL) {
        clo_check_that(w->checks, id, false, "TCB info does not know TDX modules of version %u",
                       major);
        return;
    }
    bool signer = clo_bytes_equal(body->mr_signer_seam,
                                  clo_bytes(module->mr_signer, sizeof module->mr_signer));
    bool attributes = clo_bytes_all(body->seam_attributes, 0) &&
                      clo_bytes_equal(body->seam_attributes,
                                      clo_bytes(module->attributes, sizeof module->attributes));
    clo_check_that(w->checks, id, signer && attributes, "%s",
                   signer && attributes ? "the TDX module has the signer and attributes of TCB info"
                   : signer             ? "SEAMATTRIBUTES are not zero, or not those of TCB info"
                            : "MRSIGNERSEAM is not the signer of TDX modules in TCB info");
}

/* What was forgiven when the platform was made is told with every quote. */
static void note_stale(struct work *w)
{
    const struct clo_tdx_platform *p = w->platform;

    w->tcb.at = w->at;
    if (w->at > p->documents_until)
        w->tcb.stale_documents = w->at - p->documents_until;
    if (w->at > p->lists_until)
        w->tcb.stale_lists = w->at - p->lists_until;
}

/* Out of date is for appraisal to judge; that there is no level, or that it is revoked, is not. */
static void check_tcb(struct work *w)
{
    static const char id[] = "tdx.tcb";
    struct clo_error why;

    if (w->platform->without_tcb) {
        clo_check_skip(w->checks, id, "TCB evaluation was left out");
        return;
    }
    if (w->platform->tcb_info == NULL || w->platform->qe_identity == NULL ||
        w->platform->leaf == NULL) {
        clo_check_that(w->checks, id, false, "no collateral to evaluate the TCB with");
        return;
    }
    tdx_evaluate(w->platform, w->quote, &w->tcb, &why);
    note_stale(w);
    bool holds = w->tcb.status != CLO_TDX_NOT_SUPPORTED && w->tcb.status != CLO_TDX_REVOKED;
    if (w->tcb.status == CLO_TDX_NOT_SUPPORTED)
        clo_check_that(w->checks, id, false,
                       "not supported: %s; that is neither up to date nor out of date", why.text);
    else
        clo_check_that(
                w->checks, id, holds, "%s (platform %s, TDX module %s, QE %s)",
                clo_tdx_status_name(w->tcb.status), clo_tdx_status_name(w->tcb.platform_status),
                clo_tdx_status_name(w->tcb.module_status), clo_tdx_status_name(w->tcb.qe_status));
}

static bool first_failure(const struct clo_checks *checks, size_t first, struct clo_error *err)
{
    for (size_t i = first; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            return clo_fail(err, CLO_ERR_UNVERIFIED, "%s: %s", checks->items[i].id,
                            checks->items[i].detail);
    return true;
}

bool clo_tdx_verify(const struct clo_tdx_quote *quote, const struct clo_tdx_platform *platform,
                    int64_t at, struct clo_checks *checks, struct clo_tdx_verified *out,
                    struct clo_error *err)
{
    struct work w = { .quote = quote, .platform = platform, .at = at, .checks = checks };
    size_t first = checks->count;

    check_qe_report(&w);
    check_qe_binding(&w);
    check_qe(&w);
    check_quote_signature(&w);
    check_module(&w);
    if (platform->is_ok && (at < platform->from || at > platform->until))
        clo_check_that(checks, "tdx.freshness", false,
                       "the platform's certificates or collateral are not current at this time");
    bool is_authentic = first_failure(checks, first, err);
    check_tcb(&w);
    if (checks->failed)
        return clo_out_of_memory(err);
    if (!is_authentic)
        return false;
    if (!platform->is_ok)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "its platform is not verified");
    *out = (struct clo_tdx_verified){
        .quote = *quote,
        .pck = platform->pck,
        .root = platform->root_fingerprint,
        .is_intel = clo_tdx_intel_root(&platform->root_fingerprint),
        .tcb = w.tcb,
    };
    return true;
}
