#include "lib/tcg/tpm_challenge.h"

#include "fuzz.h"

/* What parses writes back to what parses alike. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge first = { .ak = { 0 } };
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge second = { .ak = { 0 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (!clo_tpm_challenge_parse(clo_bytes(data, size), &first, &err))
        return 0;
    MUST(clo_tpm_challenge_write(&first, &text, &err));
    MUST(clo_tpm_challenge_parse(clo_buffer_bytes(&text), &second, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&first.ak), clo_buffer_bytes(&second.ak)));
    MUST(clo_bytes_equal(clo_buffer_bytes(&first.ek), clo_buffer_bytes(&second.ek)));
    MUST(clo_bytes_equal(clo_buffer_bytes(&first.certificates),
                         clo_buffer_bytes(&second.certificates)));
    MUST(clo_digest_equal(&first.answer, &second.answer));
    return 0;
}
