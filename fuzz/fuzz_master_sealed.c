/* Files with a sealed master key: what they hold is opened by the key that it was sealed to, or not at all. */
#include "lib/jose/held.h"
#include "verifier/store/master_sealed.h"

#include "fuzz_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_master_sealed_free) struct clo_master_sealed sealed = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    if (!clo_master_sealed_parse(clo_bytes(data, size), &sealed, &err)) {
        MUST(sealed.json == NULL);
        return 0;
    }
    MUST(sealed.key != NULL && json_is_object(sealed.message));
    if (clo_jwe_open_held(sealed.message, fuzz_key(), &secret, &err))
        MUST(clo_bytes_equal(clo_secret_bytes(secret),
                             clo_bytes_text("a master key that is 32 bytes...")));
    else
        MUST(secret == NULL);
    return 0;
}
