#include "lib/snp/svsm.h"

#include "fuzz.h"

/* What the services say lies inside, and with the table is all of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_svsm_manifest manifest;
    struct clo_error err;
    size_t sum = 24;

    if (!clo_svsm_parse(in, &manifest, &err))
        return 0;
    for (size_t i = 0; i < manifest.count; i++) {
        MUST(lies_within(manifest.services[i].manifest, in));
        sum += 24 + manifest.services[i].manifest.size;
    }
    MUST(sum == size);
    return 0;
}
