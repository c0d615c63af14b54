#include "cloister/pe.h"

#include "fuzz.h"

/* What parses has its sections inside the file and apart from each other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_pe_warning warning;
    struct clo_error err;
    uint64_t sum = 0;

    MUST(pe != NULL);
    if (!clo_pe_parse(in, pe, &err))
        return 0;
    MUST(pe->section_count <= CLO_PE_SECTIONS_MAX);
    MUST(lies_within(pe->certificates, in) && pe->checksum_offset + 4 <= size);
    MUST(pe->certificate_entry_offset + 8 <= size && pe->size_of_headers <= size);
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        MUST(lies_within(section->data, in));
        MUST(section->raw_size == 0 ||
             (uint64_t)section->raw_offset + section->raw_size <= size - pe->certificates.size);
        MUST(i == 0 || section->virtual_address >= pe->sections[i - 1].virtual_address);
        MUST(clo_pe_section_find(pe, section->name) != NULL);
    }
    for (size_t i = 0; clo_pe_warning_at(pe, i, &warning); i++)
        MUST(warning.offset <= size && warning.text[0] != '\0');
    /* In two pieces, the sum is the same. */
    clo_pe_checksum_add(&sum, size / 3, clo_bytes_slice(in, size / 3, size));
    clo_pe_checksum_add(&sum, 0, clo_bytes_slice(in, 0, size / 3));
    MUST(clo_pe_checksum_get(sum, size) == clo_pe_checksum(in, size));
    return 0;
}
