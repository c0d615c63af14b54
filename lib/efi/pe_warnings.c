/* What a PE file may be and should not: nothing here changes what is loaded or hashed, but some
 * firmware refuses such files, and attackers like them. */
#include <stdarg.h>
#include <stdio.h>

#include "cloister/pe.h"

#define SCN_EXECUTE 0x20000000U
#define SCN_WRITE   0x80000000U
#define HEADER_SIZE 40

/* Counts what is found, and keeps the one that was asked for. */
struct finding {
    size_t wanted;
    size_t seen;
    struct clo_pe_warning *out;
};

static void found(struct finding *finding, uint64_t offset, const char *format, ...)
        CLO_PRINTF(3, 4);

static void found(struct finding *finding, uint64_t offset, const char *format, ...)
{
    va_list args;

    if (finding->seen++ != finding->wanted)
        return;
    va_start(args, format);
    vsnprintf(finding->out->text, sizeof finding->out->text, format, args);
    va_end(args);
    clo_sanitize(finding->out->text);
    finding->out->offset = offset;
}

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static void check_alignments(struct finding *finding, const struct clo_pe *pe)
{
    if (!is_power_of_two(pe->file_alignment) || pe->file_alignment < 512 ||
        pe->file_alignment > 65536)
        found(finding, pe->optional_offset + 36, "FileAlignment 0x%x", pe->file_alignment);
    if (!is_power_of_two(pe->section_alignment) || pe->section_alignment < pe->file_alignment)
        found(finding, pe->optional_offset + 32, "SectionAlignment 0x%x", pe->section_alignment);
    else if (pe->section_alignment < 4096)
        found(finding, pe->optional_offset + 32,
              "SectionAlignment 0x%x: sections share pages, so firmware cannot protect them",
              pe->section_alignment);
}

static void check_section(struct finding *finding, const struct clo_pe *pe, size_t index)
{
    const struct clo_pe_section *section = &pe->sections[index];
    uint64_t header = pe->section_table_offset + (uint64_t)HEADER_SIZE * index;

    if ((section->characteristics & SCN_EXECUTE) != 0 &&
        (section->characteristics & SCN_WRITE) != 0)
        found(finding, header + 36, "section %s is writable and executable", section->name);
    if (section->raw_size > 0 && is_power_of_two(pe->file_alignment) &&
        (section->raw_offset % pe->file_alignment != 0 ||
         section->raw_size % pe->file_alignment != 0))
        found(finding, header + 16,
              "section %s: 0x%x bytes at 0x%x are not aligned to FileAlignment 0x%x", section->name,
              section->raw_size, section->raw_offset, pe->file_alignment);
    if (is_power_of_two(pe->section_alignment) &&
        section->virtual_address % pe->section_alignment != 0)
        found(finding, header + 12,
              "section %s: address 0x%x is not aligned to SectionAlignment 0x%x", section->name,
              section->virtual_address, pe->section_alignment);
    if ((uint64_t)section->virtual_address + section->virtual_size > pe->size_of_image)
        found(finding, header + 8, "section %s ends beyond SizeOfImage 0x%x", section->name,
              pe->size_of_image);
}

/* Bytes of the file that belong to no section: between two, or after the last. */
static void check_gaps(struct finding *finding, const struct clo_pe *pe)
{
    uint64_t at = pe->size_of_headers;
    uint64_t end = pe->file_size - pe->certificate_size;

    for (;;) {
        const struct clo_pe_section *next = NULL;
        for (size_t i = 0; i < pe->section_count; i++)
            if (pe->sections[i].raw_size > 0 && pe->sections[i].raw_offset >= at &&
                (next == NULL || pe->sections[i].raw_offset < next->raw_offset))
                next = &pe->sections[i];
        if (next == NULL)
            break;
        if (next->raw_offset > at)
            found(finding, at, "0x%llx bytes before section %s belong to no section",
                  (unsigned long long)(next->raw_offset - at), next->name);
        at = (uint64_t)next->raw_offset + next->raw_size;
    }
    /* Up to 7 bytes make the certificate table lie at a multiple of 8. */
    if (end > at && !(pe->certificate_size > 0 && end - at < 8))
        found(finding, at, "0x%llx bytes after the last section", (unsigned long long)(end - at));
}

bool clo_pe_warning_at(const struct clo_pe *pe, size_t index, struct clo_pe_warning *out)
{
    struct finding finding = { .wanted = index, .out = out };

    check_alignments(&finding, pe);
    for (size_t i = 0; i < pe->section_count; i++)
        check_section(&finding, pe, i);
    check_gaps(&finding, pe);
    return finding.seen > index;
}
