#include "lib/launch/direct_boot.h"

#include <string.h>

#include "cloister/crypto.h"
#include "fuzz.h"

/* What is patched keeps its size and all that lies beyond the setup sectors, and patching it again
 * changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer once = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
    struct clo_direct_boot from = { .kernel = clo_bytes(data, size),
                                    .initrd_size = size < 8 ? 0 : data[7] * 4096U,
                                    .memory = (uint64_t)(1 + (size < 7 ? 0 : data[6])) << 26,
                                    .cmdline = "ro quiet" };
    struct clo_error err;

    if (!clo_direct_boot_kernel(&from, &once, &err)) {
        MUST(once.size == 0);
        return 0;
    }
    MUST(once.size == size);
    size_t setup = ((data[0x1f1] == 0 ? 4U : data[0x1f1]) + 1) * 512U;
    MUST(memcmp(once.data + setup, data + setup, size - setup) == 0);
    from.kernel = clo_buffer_bytes(&once);
    MUST(clo_direct_boot_kernel(&from, &twice, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&once), clo_buffer_bytes(&twice)));
    return 0;
}
