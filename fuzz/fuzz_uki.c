#include "cloister/uki.h"

#include <string.h>

#include "fuzz.h"

static void check_measured(const struct clo_uki *uki, struct clo_bytes in)
{
    const struct clo_pe_section *section;

    for (size_t p = 0; p < uki->profile_count + 1; p++) {
        for (size_t i = 0; (section = clo_uki_measured_in(uki, p, i)) != NULL; i++) {
            MUST(lies_within(section->data, in) && section->data.size == section->virtual_size);
            MUST(clo_uki_is_measured(uki->stub_version, section->name));
            MUST(i < uki->pe.section_count);
        }
    }
}

/* A section as a loader puts it into memory (UEFI 2.10, 2.1.1; EDK2's BasePeCoff): zeros follow what is in the file.
 * So the file may have more of them than before, up to its alignment, but nothing else. */
static bool are_same_in_memory(const struct clo_pe_section *before,
                               const struct clo_pe_section *after)
{
    struct clo_bytes kept = clo_bytes_slice(after->data, 0, before->data.size);

    for (size_t i = kept.size; i < after->data.size; i++)
        if (after->data.data[i] != 0)
            return false;
    return after->virtual_size == before->virtual_size && clo_bytes_equal(kept, before->data);
}

/* The same sections, laid out again, are the same in memory and are a UKI again. */
static void check_again(const struct clo_uki *uki, struct clo_bytes in)
{
    CLO_CLEANUP(clo_freep) struct clo_uki_parts_list *list = calloc(1, sizeof *list);
    CLO_CLEANUP(clo_freep) struct clo_uki *again = malloc(sizeof *again);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    struct clo_error err;

    MUST(list != NULL && again != NULL);
    MUST(clo_uki_parts_of(&uki->pe, again, list, &err));
    bool ok = clo_pe_lay_out(&uki->pe, list->items, list->count, &head, &pieces, &err);
    clo_uki_parts_free(list);
    if (!ok || pieces.size > 1 << 24)
        return;
    for (size_t i = 0; i < pieces.count; i++) {
        const struct clo_piece *piece = &pieces.items[i];
        if (piece->bytes.data != NULL)
            clo_buffer_append(&file, piece->bytes);
        else if (piece->source != NULL)
            clo_buffer_append(&file, clo_bytes_slice(in, (size_t)piece->offset, piece->size));
        else
            clo_buffer_zero(&file, piece->size);
    }
    MUST(clo_uki_parse(clo_buffer_bytes(&file), again, &err));
    MUST(again->pe.section_count == uki->pe.section_count);
    for (size_t i = 0; i < uki->pe.section_count; i++)
        MUST(are_same_in_memory(&uki->pe.sections[i], &again->pe.sections[i]));
}

/* What parses names each measured section once in a profile, and all of it is in the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sbat = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;
    char release[128];

    MUST(uki != NULL);
    (void)clo_kernel_release(in, release, sizeof release);
    if (clo_kernel_banner(in, release, sizeof release))
        MUST(memmem(data, size, release, strlen(release)) != NULL);
    if (clo_sbat_merge(&in, 1, &sbat, &err))
        MUST(sbat.size > 1 && memchr(sbat.data, 0, sbat.size) == sbat.data + sbat.size - 1);
    (void)clo_uki_field(in, "ID", release, sizeof release);
    if (!clo_uki_parse(in, uki, &err))
        return 0;
    MUST(clo_pe_section_find(&uki->pe, ".linux") != NULL);
    check_measured(uki, in);
    check_again(uki, in);
    return 0;
}
