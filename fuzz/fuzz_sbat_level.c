#include "cloister/sbat_level.h"

#include <string.h>

#include "fuzz.h"

/* Walking ends, and a level never forbids what it was made of. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size > 8192 ? 8192 : size };
    struct clo_sbat_verdict verdict;
    struct clo_sbat_entry entry;
    struct clo_error err;
    size_t at = 0;

    for (size_t before = 0; clo_sbat_next(in, &at, &entry, &err) == CLO_NEXT_ITEM; before = at) {
        MUST(at > before && entry.name[0] != '\0' && entry.generation > 0);
        MUST(strlen(entry.name) < sizeof entry.name && lies_within(entry.rest, in));
    }
    if (clo_sbat_check(clo_bytes(NULL, 0), in, &verdict, &err))
        MUST(!verdict.is_allowed);
    return 0;
}
