#include "cloister/snp.h"

#include "fuzz.h"

/* What parses has views inside its input, and can always be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_bytes raw;
    struct clo_bytes table;
    struct clo_snp_report report;
    struct clo_error err;

    if (!clo_snp_unwrap(in, &raw, &table, &err))
        return 0;
    MUST(lies_within(raw, in) && lies_within(table, in));
    if (!clo_snp_parse(raw, &report, &err))
        return 0;
    MUST(report.version >= CLO_SNP_VERSION_MIN);
    MUST(lies_within(report.report_data, raw) && report.report_data.size == 64);
    MUST(lies_within(report.measurement, raw) && report.measurement.size == 48);
    MUST(lies_within(report.chip_id, raw) && report.chip_id.size == 64);
    MUST(lies_within(report.signature, raw) && report.signature.size == 512);
    MUST(report.raw.data == raw.data && report.raw.size == CLO_SNP_REPORT_SIZE);
    json_t *json = clo_snp_report_json(&report, clo_snp_report_product(&report));
    MUST(json != NULL);
    json_decref(json);
    return 0;
}
