#include "net/endorsements.h"

#include <string.h>

#include "net/kds_client.h"

void clo_answer_free(struct clo_answer *answer)
{
    clo_snp_certificates_free(&answer->certificates);
    clo_crl_free(answer->crl);
    clo_tdx_collateral_free(&answer->collateral);
    *answer = (struct clo_answer){ 0 };
}

static bool get_vcek(const struct clo_makers *makers, const char *base,
                     const struct clo_request *request, struct clo_answer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_snp_report report;

    return clo_snp_parse(clo_buffer_bytes(&request->about), &report, err) &&
           clo_kds_get_vcek(makers->source, base, &report, &der, err) &&
           clo_snp_certificates_add(&out->certificates, clo_buffer_bytes(&der), err);
}

static bool get_kds(const struct clo_makers *makers, const char *base,
                    const struct clo_request *request, struct clo_answer *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *about = NULL;
    bool is_crl = request->kind == CLO_REQUEST_SNP_CRL;
    enum clo_kds_kind kind =
            is_crl ? (request->is_of_vlek ? CLO_KDS_VLEK_CRL : CLO_KDS_VCEK_CRL)
                   : (request->is_of_vlek ? CLO_KDS_VLEK_CHAIN : CLO_KDS_VCEK_CHAIN);

    if (!clo_certificate_parse(clo_buffer_bytes(&request->about), &about, err) ||
        !clo_kds_get(makers->source, base, kind, request->product, about, &body, err))
        return false;
    return is_crl ? clo_crl_parse(clo_buffer_bytes(&body), &out->crl, err)
                  : clo_snp_certificates_add(&out->certificates, clo_buffer_bytes(&body), err);
}

bool clo_makers_get(const struct clo_makers *makers, const struct clo_request *request,
                    struct clo_answer *out, struct clo_error *err)
{
    const char *kds = makers->kds == NULL ? CLO_KDS_BASE : makers->kds;

    switch (request->kind) {
    case CLO_REQUEST_VLEK:
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "the report is signed by a VLEK: its certificate can only come from the "
                        "cloud that runs the guest (--cert)");
    case CLO_REQUEST_VCEK:
        return get_vcek(makers, kds, request, out, err);
    case CLO_REQUEST_SNP_CHAIN:
    case CLO_REQUEST_SNP_CRL:
        return get_kds(makers, kds, request, out, err);
    default:
        out->has_collateral = clo_pcs_get(makers->source, makers->pcs, &request->pck,
                                          makers->edition, &out->collateral, err);
        return out->has_collateral;
    }
}

bool clo_makers_get_all(const struct clo_makers *makers, const struct clo_requests *requests,
                        clo_answer_take *take, void *context, struct clo_error *err)
{
    for (size_t i = 0; i < requests->count; i++) {
        CLO_CLEANUP(clo_answer_free) struct clo_answer answer = { 0 };
        const struct clo_request *request = &requests->items[i];
        if (i > 0 && strcmp(requests->items[i - 1].name, request->name) == 0)
            continue;
        if (!clo_makers_get(makers, request, &answer, err) || !take(context, &answer, err))
            return false;
    }
    return true;
}
