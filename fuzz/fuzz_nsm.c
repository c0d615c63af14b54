#include "device/nsm.h"

#include "fuzz.h"

/* A document lies inside of the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_bytes document;
    struct clo_error err;

    if (clo_nsm_answer_parse(in, &document, &err))
        MUST(document.size > 0 && lies_within(document, in));
    return 0;
}
