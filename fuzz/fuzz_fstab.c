#include "image/fstab.h"

#include "fuzz.h"

/* Whatever an fstab says, an adapted one names no disk but the root's, and adapting it again changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer once = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_fstab_line line;
    struct clo_error err;

    MUST(clo_fstab_adapt(clo_bytes(data, size), &once, &err));
    struct clo_bytes rest = clo_buffer_bytes(&once);
    while (clo_fstab_next(&rest, &line))
        MUST(clo_fstab_what(&line) == CLO_FSTAB_KEEP || clo_fstab_what(&line) == CLO_FSTAB_ROOT);
    MUST(clo_fstab_adapt(clo_buffer_bytes(&once), &twice, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&once), clo_buffer_bytes(&twice)));
    MUST(clo_crypttab_adapt(clo_bytes(data, size), &other, &err));
    MUST(clo_grub_cmdline(clo_bytes(data, size), &other, &err));
    return 0;
}
