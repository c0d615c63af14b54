#include "cloister/igvm.h"
#include "lib/base/put.h"

#include <string.h>

#include "fuzz.h"

/* Tried as it is, and with its checksum made right: headers lie in the file, platforms have one bit
 * each and no two the same, and what can be measured is measured alike twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) uint8_t *copy = malloc(size == 0 ? 1 : size);
    struct clo_igvm_launch launch, again;
    struct clo_igvm igvm;
    struct clo_error err;
    uint32_t masks = 0;

    MUST(copy != NULL);
    if (size != 0)
        memcpy(copy, data, size);
    struct clo_bytes in = clo_bytes(copy, size);
    if (!clo_igvm_parse(in, &igvm, &err)) {
        /* The text ends in the checksum that is wanted. */
        const char *wanted = strstr(err.text, "have 0x");
        if (wanted == NULL)
            return 0;
        clo_put_le32(copy + 20, (uint32_t)strtoul(wanted + 5, NULL, 16));
        if (!clo_igvm_parse(in, &igvm, &err))
            return 0;
    }
    MUST(lies_within(igvm.headers, in) && igvm.platform_count <= CLO_IGVM_PLATFORMS_MAX);
    for (size_t i = 0; i < igvm.platform_count; i++) {
        uint32_t mask = igvm.platforms[i].compatibility_mask;
        MUST(__builtin_popcount(mask) == 1 && (masks & mask) == 0);
        masks |= mask;
    }
    if (!clo_igvm_measure(&igvm, CLO_VMM_HYPERV, &launch, &err))
        return 0;
    MUST(clo_igvm_measure(&igvm, CLO_VMM_HYPERV, &again, &err));
    MUST(clo_digest_equal(&launch.digest, &again.digest));
    (void)!clo_igvm_measure(&igvm, CLO_VMM_QEMU, &launch, &err);
    return 0;
}
