#include "lib/unpack/lzo.h"

#include <string.h>

#include "fuzz.h"

#define ROOM 4096U

/* What comes of it fits; with less room it is refused, and never cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[ROOM + 1], less[ROOM + 1];
    size_t got = 0, again = 0;
    struct clo_error err;

    out[ROOM] = less[ROOM] = 0xa5;
    if (!clo_lzo_unpack(clo_bytes(data, size), out, ROOM, &got, &err))
        return 0;
    MUST(got <= ROOM && out[ROOM] == 0xa5);
    MUST(clo_lzo_unpack(clo_bytes(data, size), less, got, &again, &err));
    MUST(again == got && memcmp(out, less, got) == 0);
    MUST(got == 0 || !clo_lzo_unpack(clo_bytes(data, size), less, got - 1, &again, &err));
    return 0;
}
