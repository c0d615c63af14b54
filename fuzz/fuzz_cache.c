#include "net/cache.h"

#include <string.h>

#include "fuzz.h"

/* What parses lies within the input, and writes back to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_bytes in = { data, size };
    struct clo_cache_entry entry;
    struct clo_error err;

    if (!clo_cache_parse(in, &entry, &err))
        return 0;
    MUST(lies_within(entry.url, in) && lies_within(entry.headers, in));
    MUST(lies_within(entry.body, in));
    if (!clo_cache_write(&entry, &again, &err))
        return 0; /* larger than what we would keep */
    MUST(clo_bytes_equal(clo_buffer_bytes(&again), in));
    return 0;
}
