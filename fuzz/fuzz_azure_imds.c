#include "lib/cloud/azure_imds.h"

#include "fuzz.h"

/* What is taken says so when it is asked what it is, and stays within its bounds; a quote is never longer than the text
 * that it came in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;

    if (clo_azure_thim_parse(in, &certificates, &err)) {
        MUST(certificates.count > 0 && certificates.count <= 8);
        MUST(clo_azure_is_thim(in) || size > 0);
    } else {
        MUST(certificates.count == 0);
    }
    if (clo_azure_tdquote_parse(in, &quote, &err))
        MUST(quote.size > 0 && quote.size < size);
    return 0;
}
