#include "verifier/kbs/session_result.h"

#include <string.h>

#include "fuzz.h"

/* What a row says of a session is taken as we write it: what is read writes back, and reads equal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_session_result_free) struct clo_session_result result = { 0 };
    CLO_CLEANUP(clo_session_result_free) struct clo_session_result again = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
    struct clo_error err;

    if (!clo_session_result_read(clo_bytes(data, size), &result, &err))
        return 0;
    MUST(result.tee_pubkey != NULL && result.tee != NULL);
    MUST(clo_session_result_write(&result, &text, &err));
    MUST(clo_session_result_read(clo_buffer_bytes(&text), &again, &err));
    MUST(clo_session_result_write(&again, &twice, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&text), clo_buffer_bytes(&twice)));
    MUST(again.term_count == result.term_count);
    return 0;
}
