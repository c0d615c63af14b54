#include "cloister/ccel.h"

#include "cloister/pcr.h"
#include "fuzz.h"

/* A table that parses is 56 bytes whose sum is zero. What JSON becomes is a CCEL log, of which every
 * event extends one of the four registers and replays. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_ccel_table table;
    struct clo_pcr_bank bank;
    struct clo_error err;

    if (clo_ccel_table_parse(in, &table, &err))
        MUST(size == 56 && clo_ccel_is_table(in));
    if (!clo_ccel_from_json(in, &binary, &err))
        return 0;
    MUST(clo_eventlog_parse(clo_buffer_bytes(&binary), &log, &err));
    MUST(clo_eventlog_is_ccel(log) && clo_eventlog_padding(log) == 0);
    for (size_t i = 1; i < clo_eventlog_count(log); i++)
        MUST(clo_eventlog_at(log, i)->pcr >= 1 && clo_eventlog_at(log, i)->pcr <= 4);
    MUST(clo_eventlog_replay(log, CLO_HASH_SHA384, &bank, &err));
    return 0;
}
