#include "cloister/evidence.h"

#include "fuzz.h"

/* What parses writes back to a bundle that parses to the same members. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (!clo_evidence_parse(clo_bytes(data, size), &evidence, &err))
        return 0;
    MUST(clo_evidence_write(evidence, &text, &err));
    MUST(clo_evidence_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(clo_evidence_count(again) == clo_evidence_count(evidence));
    for (size_t i = 0; i < clo_evidence_count(evidence); i++) {
        const char *type;
        struct clo_bytes bytes;
        const char *label = clo_evidence_at(evidence, i, &type, &bytes);
        MUST(clo_evidence_has(again, label));
        MUST(clo_bytes_equal(clo_evidence_get(again, label), bytes));
    }
    return 0;
}
