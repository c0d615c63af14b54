#include "net/pcs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "cloister/json.h"
#include "device/file.h"

#define JSON_LIMIT  ((size_t)4 << 20)
#define CRL_LIMIT   ((size_t)8 << 20)
#define CHAIN_LIMIT ((size_t)64 << 10)

const char *clo_pcs_part_file(enum clo_pcs_part part)
{
    static const char *const files[CLO_PCS_PARTS] = {
        [CLO_PCS_TCB_INFO] = "tcb_info.json",
        [CLO_PCS_TCB_INFO_CHAIN] = "tcb_info_issuer_chain.pem",
        [CLO_PCS_QE_IDENTITY] = "qe_identity.json",
        [CLO_PCS_QE_IDENTITY_CHAIN] = "qe_identity_issuer_chain.pem",
        [CLO_PCS_PCK_CRL] = "pck_crl.der",
        [CLO_PCS_PCK_CRL_CHAIN] = "pck_crl_issuer_chain.pem",
        [CLO_PCS_ROOT_CA_CRL] = "root_ca_crl.der",
    };

    return files[part];
}

void clo_pcs_collateral_free(struct clo_pcs_collateral *collateral)
{
    for (size_t i = 0; i < CLO_PCS_PARTS; i++)
        clo_buffer_free(&collateral->parts[i]);
}

/* --- Reading what came --- */

static bool read_chain(struct clo_bytes value, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { .limit = CHAIN_LIMIT };
    size_t at = 0;
    size_t count = 0;

    if (!clo_percent_read(value, &pem, err))
        return false;
    for (;; count++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        *err = (struct clo_error){ 0 };
        if (!clo_pem_next(clo_buffer_bytes(&pem), "CERTIFICATE", &at, &der, err))
            break;
        if (!clo_certificate_parse(clo_buffer_bytes(&der), &certificate, err))
            return clo_wrap(err, "certificate %zu", count);
    }
    if (err->status != CLO_OK)
        return false;
    if (count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "holds no certificate");
    clo_buffer_append(out, clo_buffer_bytes(&pem));
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

bool clo_pcs_chain_read(struct clo_bytes headers, enum clo_pcs_chain which, struct clo_buffer *out,
                        struct clo_error *err)
{
    static const char *const names[][2] = {
        [CLO_PCS_CHAIN_TCB_INFO] = { "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain" },
        [CLO_PCS_CHAIN_QE_IDENTITY] = { "SGX-Enclave-Identity-Issuer-Chain",
                                        "Enclave-Identity-Issuer-Chain" },
        [CLO_PCS_CHAIN_PCK_CRL] = { "SGX-PCK-CRL-Issuer-Chain", "PCK-CRL-Issuer-Chain" },
    };
    struct clo_bytes value;

    if (!clo_fetch_header(headers, names[which][0], &value) &&
        !clo_fetch_header(headers, names[which][1], &value))
        return clo_fail(err, CLO_ERR_FORMAT, "the answer has no header %s", names[which][0]);
    return read_chain(value, out, err) || clo_wrap(err, "header %s", names[which][0]);
}

/* What a caching service may have made of the DER. */
static bool decode_crl(struct clo_bytes in, struct clo_buffer *der, struct clo_error *err)
{
    struct clo_error ignored = { 0 };
    size_t at = 0;

    /* Spaces behind a text; DER, which begins with 0x30, may end in any byte. */
    while (in.size > 0 && in.data[0] != 0x30 && strchr(" \t\r\n", in.data[in.size - 1]) != NULL)
        in.size--;
    if (in.size > 1 && in.data[0] == '"' && in.data[in.size - 1] == '"')
        in = clo_bytes_slice(in, 1, in.size - 2);
    if (in.size > 0 && in.data[0] == '-')
        return clo_pem_next(in, "X509 CRL", &at, der, &ignored) ||
               clo_fail(err, CLO_ERR_FORMAT, "no revocation list in the PEM");
    if (clo_hex_read(in, der, &ignored))
        return true;
    der->size = 0;
    if (clo_base64_read(in, der, &ignored))
        return true;
    der->size = 0;
    clo_buffer_append(der, in);
    return clo_buffer_ok(der) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

bool clo_pcs_crl_read(struct clo_bytes in, struct clo_buffer *out, int64_t *expires,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { .limit = CRL_LIMIT };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;

    if (!decode_crl(in, &der, err) || !clo_crl_parse(clo_buffer_bytes(&der), &crl, err))
        return false;
    *expires = clo_crl_next_update(crl);
    if (out != NULL)
        clo_buffer_append(out, clo_buffer_bytes(&der));
    return out == NULL || clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* --- Is it what was asked for? --- */

/* nextUpdate as Intel writes it: 2026-03-01T12:00:00Z. */
static bool read_next_update(const json_t *object, int64_t *out, struct clo_error *err)
{
    const char *text;
    struct tm parts = { 0 };

    if (!clo_json_get_string(object, "nextUpdate", &text, err))
        return false;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == NULL || *end != '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "nextUpdate: no time");
    *out = (int64_t)timegm(&parts);
    return true;
}

struct json_kind {
    const char *member; /* of the outer object, beside its signature */
    const char *id;
    enum clo_pcs_chain chain;
    const char *fmspc; /* in hex, upper case; NULL: none */
};

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
           clo_pcs_chain_read(clo_buffer_bytes(&document->headers), CLO_PCS_CHAIN_PCK_CRL, &chain,
                              err);
}

/* --- The requests --- */

static bool get_json(struct clo_source *source, const char *base, const char *path,
                     struct json_kind *kind, struct clo_buffer *body, struct clo_buffer *chain,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };
    char url[CLO_FETCH_URL_MAX];

    if (!clo_fetch_url(base, path, url, err))
        return false;
    if (!clo_source_get(source, url, JSON_LIMIT, accept_json, kind, &document, err)) {
        if (document.status != 404)
            return false;
        return clo_fail(err, CLO_ERR_UNVERIFIED, "%s: not known there (status 404)", url);
    }
    if (!clo_pcs_chain_read(clo_buffer_bytes(&document.headers), kind->chain, chain, err))
        return false;
    clo_buffer_append(body, clo_buffer_bytes(&document.body));
    return clo_buffer_ok(body) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

static bool get_crl(struct clo_source *source, const char *url, clo_source_accept *accept,
                    struct clo_buffer *crl, struct clo_buffer *chain, struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };
    int64_t expires;

    return clo_source_get(source, url, CRL_LIMIT, accept, NULL, &document, err) &&
           clo_pcs_crl_read(clo_buffer_bytes(&document.body), crl, &expires, err) &&
           (chain == NULL || clo_pcs_chain_read(clo_buffer_bytes(&document.headers),
                                                CLO_PCS_CHAIN_PCK_CRL, chain, err));
}

static bool get_all(struct clo_source *source, const char *base,
                    const struct clo_pcs_request *request, struct clo_pcs_collateral *out,
                    struct clo_error *err)
{
    const char *update = request->update == NULL ? "" : request->update;
    const char *mark = request->update == NULL ? "" : "update=";
    char fmspc[2 * 6 + 1];
    char path[256];
    char url[CLO_FETCH_URL_MAX];
    char root[CLO_FETCH_URL_MAX] = CLO_PCS_ROOT_CRL;
    struct json_kind tcb = { "tcbInfo", "TDX", CLO_PCS_CHAIN_TCB_INFO, fmspc };
    struct json_kind qe = { "enclaveIdentity", "TD_QE", CLO_PCS_CHAIN_QE_IDENTITY, NULL };

    clo_hex_text(request->fmspc, fmspc);
    snprintf(path, sizeof path, "/tdx/certification/v4/tcb?fmspc=%s%s%s%s", fmspc,
             *mark == '\0' ? "" : "&", mark, update);
    if (!get_json(source, base, path, &tcb, &out->parts[CLO_PCS_TCB_INFO],
                  &out->parts[CLO_PCS_TCB_INFO_CHAIN], err))
        return false;
    snprintf(path, sizeof path, "/tdx/certification/v4/qe/identity%s%s%s", *mark == '\0' ? "" : "?",
             mark, update);
    if (!get_json(source, base, path, &qe, &out->parts[CLO_PCS_QE_IDENTITY],
                  &out->parts[CLO_PCS_QE_IDENTITY_CHAIN], err))
        return false;
    snprintf(path, sizeof path, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der", request->ca);
    if (!clo_fetch_url(base, path, url, err) ||
        !get_crl(source, url, accept_pck_crl, &out->parts[CLO_PCS_PCK_CRL],
                 &out->parts[CLO_PCS_PCK_CRL_CHAIN], err))
        return false;
    /* Intel's service has the root's list where the certificates say; caching services have it
     * beside the rest. */
    if (strcmp(base, CLO_PCS_BASE) != 0 &&
        !clo_fetch_url(base, "/sgx/certification/v4/rootcacrl", root, err))
        return false;
    return get_crl(source, root, accept_root_crl, &out->parts[CLO_PCS_ROOT_CA_CRL], NULL, err);
}

bool clo_pcs_get(struct clo_source *source, const char *base, const struct clo_pcs_request *request,
                 struct clo_pcs_collateral *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_pcs_collateral_free) struct clo_pcs_collateral collateral = { 0 };

    if (request->fmspc.size != 6)
        return clo_fail(err, CLO_ERR_USAGE, "Intel PCS: FMSPC of %zu bytes, 6 expected",
                        request->fmspc.size);
    if (strcmp(request->ca, "platform") != 0 && strcmp(request->ca, "processor") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "Intel PCS: no such certification authority: %s",
                        request->ca);
    if (request->update != NULL && strcmp(request->update, "standard") != 0 &&
        strcmp(request->update, "early") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "Intel PCS: update is standard or early, not %s",
                        request->update);
    if (!get_all(source, base == NULL ? CLO_PCS_BASE : base, request, &collateral, err))
        return clo_wrap(err, "Intel PCS");
    *out = collateral;
    collateral = (struct clo_pcs_collateral){ 0 };
    return true;
}

bool clo_pcs_save(const struct clo_pcs_collateral *collateral, const char *folder,
                  struct clo_error *err)
{
    char path[4200];

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    for (enum clo_pcs_part i = 0; i < CLO_PCS_PARTS; i++) {
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, clo_pcs_part_file(i)) >=
            sizeof path)
            return clo_fail(err, CLO_ERR_USAGE, "%.100s…: path too long", folder);
        if (!clo_file_write(path, clo_buffer_bytes(&collateral->parts[i]), 0644, err))
            return false;
    }
    return true;
}
