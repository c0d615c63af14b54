#include "device/sev_guest.h"

#include "fuzz.h"

/* A report lies within the answer, a table within its buffer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_bytes report;
    struct clo_error err;
    size_t table;

    if (clo_sev_guest_response_parse(in, &report, &err))
        MUST(report.size > 0 && lies_within(report, in));
    if (clo_sev_guest_table_size(in, &table, &err))
        MUST(table <= size);
    return 0;
}
