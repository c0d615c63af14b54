#include "device/qgs.h"

#include "fuzz.h"

/* The quote lies at the end of the message, and nothing but the message is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_bytes quote;
    struct clo_error err;

    if (!clo_qgs_response_parse(in, &quote, &err)) {
        MUST(err.status != CLO_OK);
        return 0;
    }
    MUST(quote.size > 0 && lies_within(quote, in));
    MUST(quote.data + quote.size == data + size);
    return 0;
}
