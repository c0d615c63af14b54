#include "guest/partitions.h"

#include <string.h>

#include "cloister/eventlog.h"
#include "cloister/pcr.h"
#include "lib/base/put.h"

#include "fuzz.h"

#define ENTRIES ((size_t)128 * 128)

/* A table of the input, its checksums made right. */
static bool make_table(const uint8_t *data, size_t size, struct clo_gpt *gpt)
{
    static uint8_t head[CLO_GPT_HEAD_SIZE];
    uint8_t *header = head + CLO_GPT_SECTOR;
    struct clo_error err;

    memset(head, 0, sizeof head);
    if (size > 0)
        memcpy(header, data,
               size < sizeof head - CLO_GPT_SECTOR ? size : sizeof head - CLO_GPT_SECTOR);
    clo_put_le32(header + 88, clo_crc32(0, clo_bytes(head + 2 * CLO_GPT_SECTOR, ENTRIES)));
    clo_put_le32(header + 16, 0);
    clo_put_le32(header + 16, clo_crc32(0, clo_bytes(header, 92)));
    return clo_gpt_parse(clo_bytes(head, sizeof head), gpt, &err);
}

/* A table is the measured one when its event is among the measured ones, byte for byte, and never else. */
static void compare(const struct clo_gpt *gpt, const struct clo_table_events *events)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer mine = { 0 };
    bool is_among = false;
    struct clo_error err;

    MUST(clo_gpt_event(gpt, &mine, &err));
    for (size_t i = 0; i < events->count; i++)
        is_among = is_among || clo_bytes_equal(events->events[i], clo_buffer_bytes(&mine));
    MUST(clo_partitions_compare(gpt, events, &err) == is_among);
}

/* The first two bytes say how much of the input is a log; the rest is a table. Events that are taken lie within the
 * log, and a register that the log does not lead to is refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = { "esp", "root" };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *parsed = NULL;
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_table_register is = { .hash = CLO_HASH_SHA256, .index = 5 };
    struct clo_table_events events = { .count = 0 };
    struct clo_pcr_bank bank;
    struct clo_error err;

    MUST(gpt != NULL);
    if (size < 2)
        return 0;
    size_t part = (size_t)data[0] << 8 | data[1];
    struct clo_bytes log = clo_bytes(data + 2, part < size - 2 ? part : size - 2);
    if (clo_eventlog_parse(log, &parsed, &err) &&
        clo_eventlog_replay(parsed, CLO_HASH_SHA256, &bank, &err))
        is.value = bank.values[5];
    if (clo_partitions_measured(log, &is, &events, &err)) {
        MUST(events.count <= CLO_TABLE_EVENTS_MAX);
        for (size_t i = 0; i < events.count; i++)
            MUST(lies_within(events.events[i], log));
        is.value.bytes[31] ^= 1;
        MUST(!clo_partitions_measured(log, &is, &events, &err));
        is.value.bytes[31] ^= 1;
        MUST(clo_partitions_measured(log, &is, &events, &err));
    }
    if (!make_table(log.data + log.size, size - 2 - log.size, gpt))
        return 0;
    compare(gpt, &events);
    if (clo_partitions_check_kinds(gpt, kinds, CLO_COUNT(kinds), &err))
        MUST(gpt->count == CLO_COUNT(kinds));
    return 0;
}
