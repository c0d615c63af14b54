/* Sealed messages: what the key opens is what was sealed to it, and nothing else opens. */
#include "cloister/jose.h"

#include "fuzz_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    if (!clo_json_parse(clo_bytes(data, size), &jwe, &err))
        return 0;
    if (clo_jwe_open(jwe, fuzz_key(), &secret, &err))
        MUST(clo_bytes_equal(clo_secret_bytes(secret),
                             clo_bytes_text("disk key of 32 bytes, or nearly!")));
    else
        MUST(secret == NULL);
    return 0;
}
