#include "cloister/hcl.h"
#include "lib/cloud/hcl_write.h"

#include "fuzz.h"

/* What parses has views inside its input; an SNP one writes back to what it was, up to its end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_hcl hcl;
    struct clo_hcl reparsed;
    struct clo_error err;

    if (!clo_hcl_parse(in, &hcl, &err))
        return 0;
    MUST(lies_within(hcl.hardware_report, in) && lies_within(hcl.claims, in));
    MUST(hcl.claims.size > 0);
    if (hcl.report_type != CLO_HCL_SNP)
        return 0;
    MUST(clo_hcl_write(hcl.report_type, hcl.hardware_report, hcl.claims, &again, &err));
    MUST(clo_hcl_parse(clo_buffer_bytes(&again), &reparsed, &err));
    MUST(clo_bytes_equal(reparsed.claims, hcl.claims));
    MUST(clo_bytes_equal(reparsed.hardware_report, hcl.hardware_report));
    return 0;
}
