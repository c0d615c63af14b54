#include "net/kds_client.h"

#include <stdio.h>
#include <string.h>

#define CERTIFICATE_LIMIT ((size_t)64 << 10)
#define CRL_LIMIT         ((size_t)16 << 20)

/* What a document has to be of. */
struct wanted {
    const struct clo_snp_report *report;
    const struct clo_certificate *about;
};

/* --- Is it what was asked for? --- */

static bool accept_vcek(void *context, const struct clo_fetched *document, int64_t *expires,
                        struct clo_error *err)
{
    const struct clo_snp_report *report = ((const struct wanted *)context)->report;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_snp_leaf leaf;

    if (!clo_certificate_parse(clo_buffer_bytes(&document->body), &certificate, err) ||
        !clo_snp_leaf_parse(certificate, &leaf, err))
        return clo_wrap(err, "no VCEK certificate");
    if (leaf.is_vlek ||
        !clo_bytes_equal(leaf.hw_id, clo_bytes_slice(report->chip_id, 0, leaf.hw_id.size)))
        return clo_fail(err, CLO_ERR_FORMAT, "the VCEK certificate of another chip");
    if (!clo_snp_leaf_fits(certificate, report))
        return clo_fail(err, CLO_ERR_FORMAT, "the VCEK certificate of another TCB");
    *expires = clo_certificate_not_after(certificate);
    return true;
}

static bool accept_chain(void *context, const struct clo_fetched *document, int64_t *expires,
                         struct clo_error *err)
{
    const struct clo_certificate *leaf = ((const struct wanted *)context)->about;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    bool is_of_leaf = leaf == NULL;

    if (!clo_snp_certificates_add(&chain, clo_buffer_bytes(&document->body), err))
        return clo_wrap(err, "no certificate chain");
    if (chain.count != 2)
        return clo_fail(err, CLO_ERR_FORMAT, "a chain of %zu certificates, 2 expected",
                        chain.count);
    *expires = INT64_MAX;
    for (size_t i = 0; i < chain.count; i++) {
        struct clo_error ignored;
        if (clo_certificate_not_after(chain.items[i]) < *expires)
            *expires = clo_certificate_not_after(chain.items[i]);
        is_of_leaf = is_of_leaf || clo_certificate_verify(leaf, chain.items[i], CLO_RSASSA_PSS,
                                                          CLO_HASH_SHA384, &ignored);
    }
    return is_of_leaf ||
           clo_fail(err, CLO_ERR_FORMAT, "a chain that has not issued the certificate at hand");
}

static bool accept_crl(void *context, const struct clo_fetched *document, int64_t *expires,
                       struct clo_error *err)
{
    const struct clo_certificate *issuer = ((const struct wanted *)context)->about;
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;

    if (!clo_crl_parse(clo_buffer_bytes(&document->body), &crl, err))
        return clo_wrap(err, "no revocation list");
    if (issuer != NULL && !clo_crl_verify(crl, issuer, CLO_RSASSA_PSS, CLO_HASH_SHA384, err))
        return false;
    *expires = clo_crl_next_update(crl);
    return true;
}

/* --- The documents --- */

static bool get_body(struct clo_source *source, const char *base,
                     const struct clo_kds_request *request, struct wanted *wanted,
                     struct clo_buffer *out, unsigned *status, struct clo_error *err)
{
    static const struct {
        clo_source_accept *accept;
        size_t limit;
    } kinds[] = {
        [CLO_KDS_VCEK] = { accept_vcek, CERTIFICATE_LIMIT },
        [CLO_KDS_VCEK_CHAIN] = { accept_chain, CERTIFICATE_LIMIT },
        [CLO_KDS_VLEK_CHAIN] = { accept_chain, CERTIFICATE_LIMIT },
        [CLO_KDS_VCEK_CRL] = { accept_crl, CRL_LIMIT },
        [CLO_KDS_VLEK_CRL] = { accept_crl, CRL_LIMIT },
    };
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched document = { 0 };
    char path[CLO_KDS_PATH_MAX];
    char url[CLO_FETCH_URL_MAX];

    *status = 0;
    if (!clo_kds_path(request, path, err) || !clo_fetch_url(base, path, url, err))
        return clo_wrap(err, "AMD KDS");
    bool ok = clo_source_get(source, url, kinds[request->kind].limit, kinds[request->kind].accept,
                             wanted, &document, err);
    *status = document.status;
    if (!ok && *status == 404 && request->kind == CLO_KDS_VCEK)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "AMD KDS: %s: AMD knows no such chip and TCB (status 404): the report is "
                        "not of a genuine processor, or its fields were changed",
                        url);
    if (!ok)
        return clo_wrap(err, "AMD KDS");
    clo_buffer_append(out, clo_buffer_bytes(&document.body));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_kds_get_vcek(struct clo_source *source, const char *base,
                      const struct clo_snp_report *report, struct clo_buffer *out,
                      struct clo_error *err)
{
    static const enum clo_snp_product unnamed[] = { CLO_SNP_MILAN, CLO_SNP_GENOA };
    static const enum clo_snp_product short_id = CLO_SNP_TURIN;
    bool has_short_id = clo_bytes_all(clo_bytes_slice(report->chip_id, 8, 64), 0);
    bool is_named = clo_snp_report_product(report) != CLO_SNP_UNKNOWN;
    const enum clo_snp_product *products = has_short_id ? &short_id : unnamed;
    size_t count = is_named || has_short_id ? 1 : CLO_COUNT(unnamed);
    struct wanted wanted = { .report = report };
    struct clo_kds_request request;
    unsigned status;

    for (size_t i = 0; i < count; i++) {
        if (!clo_kds_request_of(report, products[i], &request, err))
            return false;
        if (get_body(source, base, &request, &wanted, out, &status, err))
            return true;
        /* Unknown there, or not in the cache: it may be of the other product. */
        if (status != 404 && source->transport != NULL)
            return false;
    }
    return false;
}

bool clo_kds_get(struct clo_source *source, const char *base, enum clo_kds_kind kind,
                 enum clo_snp_product product, const struct clo_certificate *about,
                 struct clo_buffer *out, struct clo_error *err)
{
    const struct clo_kds_request request = { .kind = kind, .product = product };
    struct wanted wanted = { .about = about };
    unsigned status;

    return get_body(source, base, &request, &wanted, out, &status, err);
}
