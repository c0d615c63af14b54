#include "cloister/kconfig.h"
#include "lib/audit/kernel.h"

#include <string.h>

#include "fuzz.h"

/* A configuration that is found lies between the marks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes kernel = { data, size };
    struct clo_bytes inner;
    struct clo_error err;
    bool found;

    if (!clo_kernel_unpack(kernel, &plain, &inner, &err))
        return 0;
    MUST(lies_within(inner, kernel) || lies_within(inner, clo_buffer_bytes(&plain)));
    if (clo_kernel_config(inner, &text, &found, &err) && found)
        MUST(memmem(inner.data, inner.size, "IKCFG_ED", 8) != NULL);
    return 0;
}
