#include "cloister/userlog.h"

#include "fuzz.h"

/* What parses can be written again, and says the same then. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_pcr_bank bank;
    struct clo_pcr_bank other;
    struct clo_error err;

    if (!clo_userlog_parse(clo_bytes(data, size), &log, &err))
        return 0;
    for (size_t i = 0; i < clo_userlog_count(log); i++)
        MUST(clo_userlog_append(clo_userlog_at(log, i), &text, &err));
    MUST(clo_userlog_parse(clo_buffer_bytes(&text), &again, &err));
    MUST(clo_userlog_count(again) == clo_userlog_count(log));
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_reset(&other, CLO_HASH_SHA256);
    MUST(clo_userlog_replay(log, &bank, &err) == clo_userlog_replay(again, &other, &err));
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        MUST(clo_digest_equal(&bank.values[pcr], &other.values[pcr]));
    return 0;
}
