#include "cloister/reference.h"

#include "fuzz.h"

/* What parses is written and read again as the same, and its values can be asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (!clo_reference_parse(clo_bytes(data, size), &reference, &err))
        return 0;
    MUST(clo_reference_name(reference) != NULL && clo_reference_origin(reference) != NULL);
    MUST(clo_reference_write(reference, &text, &err));
    MUST(clo_reference_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(json_equal(clo_reference_json(reference), clo_reference_json(again)));
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        struct clo_reference_event event;
        struct clo_digest value;
        bool has = clo_reference_value(reference, CLO_HASH_SHA256, pcr, CLO_PHASE_READY, &value);
        MUST(has ==
             ((clo_reference_mask(reference, CLO_HASH_SHA256, CLO_PHASE_READY) >> pcr & 1) != 0));
        for (size_t i = 0; clo_reference_event_at(reference, pcr, CLO_PHASE_READY, i, &event); i++)
            MUST(event.name != NULL && event.type != NULL);
    }
    for (unsigned n = 0; n < CLO_RTMR_COUNT; n++) {
        struct clo_reference_event event;
        for (size_t i = 0; clo_reference_event_at(reference, CLO_REGISTER_RTMR(n), "", i, &event);
             i++)
            MUST(event.name != NULL && event.type != NULL);
    }
    return 0;
}
