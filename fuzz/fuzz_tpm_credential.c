#include "lib/tcg/tpm_credential.h"

#include "fuzz.h"

/* What parses lies inside it, and is all of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_tpm_credential credential;
    struct clo_error err;

    if (clo_tpm_credential_parse(in, &credential, &err)) {
        MUST(lies_within(credential.object, in) && lies_within(credential.seed, in));
        MUST(4 + 4 + 2 + credential.object.size + 2 + credential.seed.size == size);
    }
    return 0;
}
