#include "cloister/event_fields.h"
#include "cloister/pcr.h"

#include "fuzz.h"
#include "lib/tcg/event_facts.h"

/* What parses has its events inside its input, can be described and taken apart, and replays the same twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;

    if (!clo_eventlog_parse(in, &log, &err))
        return 0;
    MUST(clo_eventlog_padding(log) <= size);
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        const struct clo_event *event = clo_eventlog_at(log, i);
        MUST(lies_within(event->data, in) && event->offset < size);
        MUST(lies_within(event->digests, in));
        struct clo_event_digest digest;
        size_t count = 0;
        while (clo_event_digest_at(event, count, &digest)) {
            MUST(digest.bytes.size > 0 && lies_within(digest.bytes, event->digests));
            count++;
        }
        MUST(count <= CLO_EVENT_DIGESTS_MAX);
        clo_event_describe(event, &text);
        MUST(clo_buffer_ok(&text) && text.size < 1000);
        for (size_t k = 0; k < text.size; k++)
            MUST(text.data[k] >= 0x20 && text.data[k] != 0x7f);
        (void)clo_event_data_is_measured(event, CLO_HASH_SHA256);
        CLO_CLEANUP(clo_json_freep) json_t *fields = clo_event_fields(event, CLO_HASH_SHA256);
        CLO_CLEANUP(clo_json_freep) json_t *uncovered = clo_event_fields(event, CLO_HASH_NONE);
        MUST(json_object_size(fields) > 0 && json_object_size(uncovered) > 0);
        CLO_CLEANUP(clo_json_freep) json_t *facts = event_facts(event);
        MUST(facts == NULL || json_object_size(facts) > 0);
    }
    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        struct clo_pcr_bank bank;
        struct clo_pcr_bank again;
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (!clo_eventlog_replay(log, hash, &bank, &err))
            continue;
        MUST(clo_eventlog_replay(log, hash, &again, &err) && bank.touched == again.touched);
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
            MUST(clo_digest_equal(&bank.values[pcr], &again.values[pcr]));
    }
    return 0;
}
