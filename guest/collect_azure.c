#include "guest/collect_azure.h"

#include <time.h>

#include "lib/cloud/azure_imds.h"
#include "net/imds.h"

#define TIMEOUT_MS  3000
#define TRIES       3 /* the service throttles, and takes a moment after a boot */
#define PAUSE_MS    500
#define QUOTE_LIMIT ((size_t)64 << 10)

/* Of one exchange; a status that asks to wait is tried again, which no machine without the service waits for. */
static bool ask(const struct clo_collector *from, const char *path, struct clo_bytes body,
                struct clo_buffer *out, struct clo_error *err)
{
    const struct clo_imds_request request = { .url = from->imds,
                                              .path = path,
                                              .body = body,
                                              .timeout_ms = TIMEOUT_MS,
                                              .limit = CLO_AZURE_IMDS_LIMIT };

    if (from->imds == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "IMDS: not to be asked");
    for (unsigned i = 1;; i++) {
        out->size = 0;
        if (clo_imds_get(&request, out, err))
            return true;
        if (err->status != CLO_ERR_UNAVAILABLE || i == TRIES)
            return false;
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
    }
}

/* --- SEV-SNP --- */

/* The leaf that fits the report, and the issuers: the rest is not worth sending. */
static bool add_fitting(struct clo_evidence *evidence, const struct clo_snp_report *report,
                        const struct clo_snp_certificates *found, bool *has_leaf,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    *has_leaf = false;
    for (size_t i = 0; i < found->count; i++) {
        const struct clo_certificate *item = found->items[i];
        bool fits = clo_snp_leaf_fits(item, report);
        *has_leaf = *has_leaf || fits;
        if ((fits || clo_certificate_is_ca(item, NULL)) &&
            !clo_pem_write("CERTIFICATE", clo_certificate_der(item), &pem, err))
            return false;
    }
    return !*has_leaf ||
           clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&pem), err);
}

/* The simulator's vTPM has no host that would answer: it keeps them in indexes of its own. On a cloud's the
 * indexes are not there, and what a host might put there has to fit the report like the rest. */
static void read_indexes(struct clo_tpm *tpm, struct clo_snp_certificates *out)
{
    static const uint32_t indexes[] = { CLO_TPM_NV_VCEK, CLO_TPM_NV_ASK };
    struct clo_error ignored;

    for (size_t i = 0; i < CLO_COUNT(indexes); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        if (!clo_tpm_nv_read(tpm, indexes[i], CLO_TPM_NV_LIMIT, &der, &ignored) ||
            !clo_snp_certificates_add(out, clo_buffer_bytes(&der), &ignored))
            continue;
    }
}

static void read_thim(const struct clo_collector *from, struct clo_snp_certificates *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_error ignored;

    if (!ask(from, CLO_AZURE_THIM_PATH, (struct clo_bytes){ 0 }, &json, &ignored) ||
        !clo_azure_thim_parse(clo_buffer_bytes(&json), out, &ignored))
        return; /* the verifier asks AMD */
}

static bool collect_snp(const struct clo_collector *from, const struct clo_hcl *hcl,
                        struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates kept = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates given = { 0 };
    struct clo_snp_report report;
    bool has_leaf;

    if (!clo_snp_parse(hcl->hardware_report, &report, err))
        return clo_wrap(err, "HCL report");
    read_indexes(from->tpm, &kept);
    if (!add_fitting(evidence, &report, &kept, &has_leaf, err))
        return false;
    if (has_leaf)
        return true;
    read_thim(from, &given);
    return add_fitting(evidence, &report, &given, &has_leaf, err);
}

/* --- TDX --- */

static bool collect_tdx(const struct clo_collector *from, const struct clo_hcl *hcl,
                        struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = QUOTE_LIMIT };
    struct clo_tdx_report report;
    struct clo_tdx_quote quote;

    if (!clo_tdx_report_parse(hcl->hardware_report, &report, err))
        return clo_wrap(err, "HCL report");
    if (!clo_azure_tdquote_write(hcl->hardware_report, &request, err) ||
        !ask(from, CLO_AZURE_TDQUOTE_PATH, clo_buffer_bytes(&request), &json, err) ||
        !clo_azure_tdquote_parse(clo_buffer_bytes(&json), &bytes, err) ||
        !clo_tdx_parse(clo_buffer_bytes(&bytes), &quote, err))
        return clo_wrap(err, "TDX quote");
    if (!clo_tdx_report_matches(&report, &quote.body))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "TDX quote: IMDS gave one of another TD than this one");
    return clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&bytes), err);
}

bool clo_collect_azure(const struct clo_collector *from, const struct clo_hcl *hcl,
                       struct clo_evidence *evidence, struct clo_error *err)
{
    return hcl->report_type == CLO_HCL_TDX ? collect_tdx(from, hcl, evidence, err)
                                           : collect_snp(from, hcl, evidence, err);
}
