#include "cloister/uki.h"

#include "fuzz.h"

/* What parses names each measured section once, and all of it is in the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_bytes in = clo_bytes(data, size);
    const struct clo_pe_section *section;
    struct clo_error err;
    char release[128];

    MUST(uki != NULL);
    (void)clo_kernel_release(in, release, sizeof release);
    if (!clo_uki_parse(in, uki, &err))
        return 0;
    MUST(clo_pe_section_find(&uki->pe, ".linux") != NULL);
    for (size_t i = 0; (section = clo_uki_measured(uki, i)) != NULL; i++) {
        MUST(lies_within(section->data, in) && section->data.size == section->virtual_size);
        MUST(clo_uki_is_measured(uki->stub_version, section->name));
        MUST(i < uki->pe.section_count);
    }
    return 0;
}
