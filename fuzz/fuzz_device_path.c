#include "lib/efi/device_path.h"

#include "fuzz.h"

/* The text is one line, and at most some multiple of what it tells. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)clo_device_path_text(clo_bytes(data, size), &out);
    MUST(clo_buffer_ok(&out) && out.size <= 64 * (size + 8));
    for (size_t i = 0; i < out.size; i++)
        MUST(out.data[i] >= ' ' && out.data[i] != 0x7f);
    return 0;
}
