#include "lib/tcg/certify.h"

#include "fuzz.h"

/* What parses lies inside its input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_certify certify;
    struct clo_error err;

    if (clo_certify_parse(in, &certify, &err)) {
        MUST(lies_within(certify.qualifying_data, in));
        MUST(lies_within(certify.name, in));
    }
    return 0;
}
