#include "net/pcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cloister/json.h"
#include "lib/base/civil_time.h"

#define JSON_LIMIT ((size_t)4 << 20)
#define CRL_LIMIT  ((size_t)8 << 20)

/* --- Reading what came --- */

/* Certificates, at least one, and each of them readable. */
static bool check_chain(struct clo_bytes pem, struct clo_error *err)
{
    size_t at = 0;
    size_t count = 0;

    for (;; count++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        enum clo_next next = clo_pem_next(pem, "CERTIFICATE", &at, &der, err);
        if (next == CLO_NEXT_FAILED)
            return false;
        if (next == CLO_NEXT_END)
            break;
        if (!clo_certificate_parse(clo_buffer_bytes(&der), &certificate, err))
            return clo_wrap(err, "certificate %zu", count);
    }
    return count > 0 || clo_fail(err, CLO_ERR_FORMAT, "holds no certificate");
}

bool clo_pcs_chain_read(struct clo_bytes headers, enum clo_tdx_piece piece, struct clo_buffer *out,
                        struct clo_error *err)
{
    static const char *const names[CLO_TDX_PIECE_COUNT][2] = {
        [CLO_TDX_TCB_INFO_ISSUER_CHAIN] = { "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain" },
        [CLO_TDX_QE_IDENTITY_ISSUER_CHAIN] = { "SGX-Enclave-Identity-Issuer-Chain",
                                               "Enclave-Identity-Issuer-Chain" },
        [CLO_TDX_PCK_CRL_ISSUER_CHAIN] = { "SGX-PCK-CRL-Issuer-Chain", "PCK-CRL-Issuer-Chain" },
    };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    const char *const *name = names[piece];
    struct clo_bytes value;

    if (!clo_fetch_header(headers, name[0], &value) && !clo_fetch_header(headers, name[1], &value))
        return clo_fail(err, CLO_ERR_FORMAT, "the answer has no header %s", name[0]);
    if (!clo_tdx_collateral_set(&collateral, piece, value, err) ||
        !check_chain(clo_buffer_bytes(&collateral.pieces[piece]), err))
        return clo_wrap(err, "header %s", name[0]);
    clo_buffer_append(out, clo_buffer_bytes(&collateral.pieces[piece]));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_pcs_crl_read(struct clo_bytes in, struct clo_buffer *out, int64_t *expires,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_buffer *der = &collateral.pieces[CLO_TDX_ROOT_CA_CRL];

    if (!clo_tdx_collateral_set(&collateral, CLO_TDX_ROOT_CA_CRL, in, err) ||
        !clo_crl_parse(clo_buffer_bytes(der), &crl, err))
        return clo_wrap(err, "no revocation list");
    *expires = clo_crl_next_update(crl);
    if (out != NULL)
        clo_buffer_append(out, clo_buffer_bytes(der));
    return out == NULL || clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Is it what was asked for? --- */

/* nextUpdate as Intel writes it: 2026-03-01T12:00:00Z. */
static bool read_next_update(const json_t *object, int64_t *out, struct clo_error *err)
{
    const char *text;
    const char *end;

    if (!clo_json_get_string(object, "nextUpdate", &text, err))
        return false;
    return (clo_civil_time_read(text, out, &end) && strcmp(end, "Z") == 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "nextUpdate: no time");
}

struct json_kind {
    const char *member; /* of the outer object, next to its signature */
    const char *id;
    enum clo_tdx_piece chain;
    const char *fmspc; /* in hex; NULL: none */
    uint64_t number;   /* TCB evaluation data number; 0: any */
};

/* A caching service may not know the parameter, and answer with what it has. */
static bool check_number(const json_t *inner, const struct json_kind *kind, struct clo_error *err)
{
    uint64_t number;

    if (kind->number == 0)
        return true;
    if (!clo_json_get_u64(inner, "tcbEvaluationDataNumber", &number, err))
        return false;
    return number == kind->number ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "%s: of TCB evaluation data number %" PRIu64 ", asked for %" PRIu64,
                    kind->member, number, kind->number);
}

static bool accept_json(void *context, const struct clo_fetched *document, int64_t *expires,
                        struct clo_error *err)
{
    const struct json_kind *kind = context;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer chain = { 0 };
    const char *id;
    const char *signature;
    json_t *inner;

    if (!clo_json_parse(clo_buffer_bytes(&document->body), &json, err) ||
        !clo_json_get_object(json, kind->member, &inner, err) ||
        !clo_json_get_string(json, "signature", &signature, err) ||
        !clo_json_get_string(inner, "id", &id, err) || !read_next_update(inner, expires, err))
        return false;
    if (strcmp(id, kind->id) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: id is \"%.20s\", expected \"%s\"", kind->member,
                        id, kind->id);
    if (!check_number(inner, kind, err))
        return false;
    if (kind->fmspc != NULL) {
        const char *fmspc;
        if (!clo_json_get_string(inner, "fmspc", &fmspc, err))
            return false;
        if (strcasecmp(fmspc, kind->fmspc) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: of FMSPC %.20s, asked for %s", kind->member,
                            fmspc, kind->fmspc);
    }
    return clo_pcs_chain_read(clo_buffer_bytes(&document->headers), kind->chain, &chain, err);
}

static bool accept_root_crl(void *context, const struct clo_fetched *document, int64_t *expires,
                            struct clo_error *err)
{
    (void)context;
    return clo_pcs_crl_read(clo_buffer_bytes(&document->body), NULL, expires, err);
}

static bool accept_pck_crl(void *context, const struct clo_fetched *document, int64_t *expires,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer chain = { 0 };

    return accept_root_crl(context, document, expires, err) &&
           clo_pcs_chain_read(clo_buffer_bytes(&document->headers), CLO_TDX_PCK_CRL_ISSUER_CHAIN,
                              &chain, err);
}

/* --- The requests --- */

static bool keep(struct clo_bytes bytes, struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_append(out, bytes);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool get_json(struct clo_source *source, const char *url, struct json_kind *kind,
                     enum clo_tdx_piece piece, struct clo_tdx_collateral *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };

    if (!clo_source_get(source, url, JSON_LIMIT, accept_json, kind, &document, err)) {
        if (document.status == 410 && kind->number != 0)
            return clo_fail(err, CLO_ERR_UNVERIFIED,
                            "%s: TCB evaluation data number %" PRIu64
                            " is no longer served (status 410)",
                            url, kind->number);
        if (document.status != 404)
            return false;
        return clo_fail(err, CLO_ERR_UNVERIFIED, "%s: not known there (status 404)", url);
    }
    return clo_pcs_chain_read(clo_buffer_bytes(&document.headers), kind->chain,
                              &out->pieces[kind->chain], err) &&
           keep(clo_buffer_bytes(&document.body), &out->pieces[piece], err);
}

static bool get_pck_crl(struct clo_source *source, const char *url, struct clo_tdx_collateral *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };
    int64_t expires;

    return clo_source_get(source, url, CRL_LIMIT, accept_pck_crl, NULL, &document, err) &&
           clo_pcs_crl_read(clo_buffer_bytes(&document.body), &out->pieces[CLO_TDX_PCK_CRL],
                            &expires, err) &&
           clo_pcs_chain_read(clo_buffer_bytes(&document.headers), CLO_TDX_PCK_CRL_ISSUER_CHAIN,
                              &out->pieces[CLO_TDX_PCK_CRL_ISSUER_CHAIN], err);
}

static bool get_root_crl(struct clo_source *source, const char *url, struct clo_tdx_collateral *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };
    int64_t expires;

    return clo_source_get(source, url, CRL_LIMIT, accept_root_crl, NULL, &document, err) &&
           clo_pcs_crl_read(clo_buffer_bytes(&document.body), &out->pieces[CLO_TDX_ROOT_CA_CRL],
                            &expires, err);
}

/* A path of the plan, and after it which edition; NULL: the lists, of which there is one. */
static bool make_url(const char *base, const char *path, const struct clo_pcs_edition *edition,
                     char out[CLO_FETCH_URL_MAX], struct clo_error *err)
{
    const char *joint = strchr(path, '?') == NULL ? "?" : "&";
    char whole[180];

    if (edition != NULL && edition->update != NULL)
        snprintf(whole, sizeof whole, "%s%supdate=%s", path, joint, edition->update);
    else if (edition != NULL && edition->evaluation_number != 0)
        snprintf(whole, sizeof whole, "%s%stcbEvaluationDataNumber=%" PRIu64, path, joint,
                 edition->evaluation_number);
    else
        snprintf(whole, sizeof whole, "%s", path);
    return clo_fetch_url(base, whole, out, err);
}

static bool get_all(struct clo_source *source, const char *base, const struct clo_tdx_pck *pck,
                    const struct clo_pcs_edition *edition, struct clo_tdx_collateral *out,
                    struct clo_error *err)
{
    uint64_t number = edition == NULL ? 0 : edition->evaluation_number;
    char url[CLO_FETCH_URL_MAX];
    struct clo_tdx_fetch plan;

    clo_tdx_fetch_plan(pck, &plan);
    struct json_kind tcb = { "tcbInfo", "TDX", CLO_TDX_TCB_INFO_ISSUER_CHAIN, plan.fmspc, number };
    struct json_kind qe = { "enclaveIdentity", "TD_QE", CLO_TDX_QE_IDENTITY_ISSUER_CHAIN, NULL,
                            number };
    if (!make_url(base, plan.tcb_info, edition, url, err) ||
        !get_json(source, url, &tcb, CLO_TDX_TCB_INFO, out, err) ||
        !make_url(base, plan.qe_identity, edition, url, err) ||
        !get_json(source, url, &qe, CLO_TDX_QE_IDENTITY, out, err) ||
        !make_url(base, plan.pck_crl, NULL, url, err) || !get_pck_crl(source, url, out, err))
        return false;
    /* Intel's service has the root's list where the certificates say; caching services have it
     * next to the rest. */
    if (strcmp(base, CLO_PCS_BASE) == 0)
        return get_root_crl(source, CLO_PCS_ROOT_CRL, out, err);
    return make_url(base, plan.root_ca_crl, NULL, url, err) && get_root_crl(source, url, out, err);
}

bool clo_pcs_get(struct clo_source *source, const char *base, const struct clo_tdx_pck *pck,
                 const struct clo_pcs_edition *edition, struct clo_tdx_collateral *out,
                 struct clo_error *err)
{
    const char *update = edition == NULL ? NULL : edition->update;
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };

    if (update != NULL && strcmp(update, "standard") != 0 && strcmp(update, "early") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "Intel PCS: update is standard or early, not %s",
                        update);
    if (update != NULL && edition->evaluation_number != 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "Intel PCS: an update channel or a TCB evaluation data number, not both");
    if (!get_all(source, base == NULL ? CLO_PCS_BASE : base, pck, edition, &collateral, err))
        return clo_wrap(err, "Intel PCS");
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        if (collateral.pieces[i].size == 0)
            continue;
        clo_buffer_free(&out->pieces[i]);
        out->pieces[i] = collateral.pieces[i];
        collateral.pieces[i] = (struct clo_buffer){ 0 };
    }
    return true;
}
