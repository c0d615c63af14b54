#include "cloister/pe.h"

#include <string.h>

#define DOS_HEADER_SIZE          64
#define COFF_HEADER_SIZE         20
#define SECTION_HEADER_SIZE      40
#define OPTIONAL_MAGIC_PE32      0x10b
#define OPTIONAL_MAGIC_PE32_PLUS 0x20b
#define DIRECTORY_COUNT_OFFSET   108 /* in the optional header of PE32+; 16 less in PE32 */
#define DIRECTORY_CERTIFICATES   4

static const struct {
    uint16_t machine, magic;
    const char *name;
} machines[] = {
    { CLO_PE_MACHINE_X86_64, OPTIONAL_MAGIC_PE32_PLUS, "x86-64" },
    { CLO_PE_MACHINE_AARCH64, OPTIONAL_MAGIC_PE32_PLUS, "aarch64" },
    { CLO_PE_MACHINE_I386, OPTIONAL_MAGIC_PE32, "i386" },
    { CLO_PE_MACHINE_ARM, OPTIONAL_MAGIC_PE32, "arm" },
};

static size_t machine_index(uint16_t machine)
{
    size_t i = 0;

    while (i < CLO_COUNT(machines) && machines[i].machine != machine)
        i++;
    return i;
}

const char *clo_pe_machine_name(uint16_t machine)
{
    size_t i = machine_index(machine);

    return i < CLO_COUNT(machines) ? machines[i].name : "unknown";
}

/* Empty where not all of it was given. */
static struct clo_bytes view(const struct clo_pe *pe, uint64_t at, uint64_t size)
{
    if (at > pe->file.size || size > pe->file.size - at)
        return clo_bytes(NULL, 0);
    return clo_bytes_slice(pe->file, (size_t)at, (size_t)size);
}

static bool read_optional_header(struct clo_pe *pe, uint16_t size, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(pe->file, pe->optional_offset, size));

    uint16_t magic = clo_read_le16(&r);
    bool is_wide = magic == OPTIONAL_MAGIC_PE32_PLUS;
    clo_read_skip(&r, 22); /* linker version, code and data sizes, entry point, base of code */
    if (!is_wide)
        clo_read_skip(&r, 4); /* base of data */
    pe->image_base = is_wide ? clo_read_le64(&r) : clo_read_le32(&r);
    pe->section_alignment = clo_read_le32(&r);
    pe->file_alignment = clo_read_le32(&r);
    clo_read_skip(&r, 16); /* versions, Win32VersionValue */
    pe->size_of_image = clo_read_le32(&r);
    pe->size_of_headers = clo_read_le32(&r);
    pe->checksum_offset = pe->optional_offset + r.at;
    clo_read_skip(&r, (is_wide ? DIRECTORY_COUNT_OFFSET : DIRECTORY_COUNT_OFFSET - 16) - r.at);
    uint32_t directories = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "optional header: %u bytes", size);
    uint16_t expected = machines[machine_index(pe->machine)].magic;
    if (magic != expected)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "optional header: magic 0x%x, not PE32%s", magic,
                        expected == OPTIONAL_MAGIC_PE32_PLUS ? "+" : "");
    if (directories <= DIRECTORY_CERTIFICATES || directories > 16)
        return clo_fail(err, CLO_ERR_FORMAT, "optional header: %u data directories", directories);

    pe->certificate_entry_offset = pe->optional_offset + r.at + 8 * DIRECTORY_CERTIFICATES;
    clo_read_skip(&r, (size_t)8 * DIRECTORY_CERTIFICATES);
    uint32_t offset = clo_read_le32(&r);
    uint32_t length = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "optional header: no room for its directories");
    if (length == 0 && offset == 0)
        return true;
    /* The table is a file range and must be the last thing in the file: else a hash that leaves it
     * out would leave out something else. */
    if (offset > pe->file_size || pe->file_size - offset != length || offset % 8 != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "certificate table: %u bytes at 0x%x, the file has 0x%llx", length, offset,
                        (unsigned long long)pe->file_size);
    pe->certificate_offset = offset;
    pe->certificate_size = length;
    pe->certificates = view(pe, offset, length);
    return true;
}

static bool read_section(struct clo_reader *r, const struct clo_pe *pe, struct clo_pe_section *out,
                         struct clo_error *err)
{
    struct clo_pe_section section = { 0 };
    struct clo_bytes name = clo_read_bytes(r, 8);

    section.virtual_size = clo_read_le32(r);
    section.virtual_address = clo_read_le32(r);
    section.raw_size = clo_read_le32(r);
    section.raw_offset = clo_read_le32(r);
    clo_read_skip(r, 12); /* relocations and line numbers: none in an image */
    section.characteristics = clo_read_le32(r);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "section table cut short");
    memcpy(section.name, name.data, 8);
    clo_sanitize(section.name);

    uint64_t end = pe->file_size - pe->certificate_size;
    if (section.raw_size > 0 &&
        (section.raw_offset < pe->size_of_headers || section.raw_offset > end ||
         section.raw_size > end - section.raw_offset))
        return clo_fail(err, CLO_ERR_FORMAT, "section %s: 0x%x bytes at 0x%x, the file has 0x%llx",
                        section.name, section.raw_size, section.raw_offset,
                        (unsigned long long)end);
    uint32_t size =
            section.virtual_size < section.raw_size ? section.virtual_size : section.raw_size;
    section.data = view(pe, section.raw_offset, size);
    *out = section;
    return true;
}

/* No two sections share a byte of the file or of memory, and memory order is the table's. */
static bool check_overlaps(const struct clo_pe *pe, struct clo_error *err)
{
    uint64_t memory_end = pe->size_of_headers;

    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *a = &pe->sections[i];
        if (a->virtual_address < memory_end)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "section %s: at address 0x%x, after which another ends", a->name,
                            a->virtual_address);
        memory_end = (uint64_t)a->virtual_address + a->virtual_size;
        for (size_t k = 0; k < i; k++) {
            const struct clo_pe_section *b = &pe->sections[k];
            if (a->raw_size > 0 && b->raw_size > 0 &&
                a->raw_offset < (uint64_t)b->raw_offset + b->raw_size &&
                b->raw_offset < (uint64_t)a->raw_offset + a->raw_size)
                return clo_fail(err, CLO_ERR_FORMAT,
                                "sections %s and %s overlap in the file, at 0x%x", b->name, a->name,
                                a->raw_offset > b->raw_offset ? a->raw_offset : b->raw_offset);
        }
    }
    return true;
}

bool clo_pe_parse(struct clo_bytes in, struct clo_pe *out, struct clo_error *err)
{
    return clo_pe_parse_head(in, in.size, out, err);
}

bool clo_pe_parse_head(struct clo_bytes in, uint64_t file_size, struct clo_pe *out,
                       struct clo_error *err)
{
    struct clo_pe pe = { .file = in, .file_size = file_size };
    struct clo_reader r = clo_reader(in);

    if (in.size < DOS_HEADER_SIZE || memcmp(in.data, "MZ", 2) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a PE file: \"MZ\" is missing");
    r.at = 0x3c;
    uint32_t pe_offset = clo_read_le32(&r); /* e_lfanew */
    if (pe_offset < DOS_HEADER_SIZE || pe_offset > in.size)
        return clo_fail(err, CLO_ERR_FORMAT, "PE header: e_lfanew is 0x%x", pe_offset);
    r.at = pe_offset;
    struct clo_bytes signature = clo_read_bytes(&r, 4);
    if (!clo_reader_ok(&r) || memcmp(signature.data, "PE\0\0", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a PE file: \"PE\" is missing at 0x%x",
                        pe_offset);

    pe.coff_offset = r.at;
    pe.machine = clo_read_le16(&r);
    uint16_t sections = clo_read_le16(&r);
    clo_read_skip(&r, 12); /* time, symbol table */
    uint16_t optional_size = clo_read_le16(&r);
    clo_read_skip(&r, 2); /* characteristics */
    pe.optional_offset = r.at;
    clo_read_skip(&r, optional_size);
    pe.section_table_offset = r.at;
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "PE header: truncated at 0x%zx", r.at);
    if (machine_index(pe.machine) == CLO_COUNT(machines))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "PE header: machine 0x%04x", pe.machine);
    if (sections > CLO_PE_SECTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "PE header: %u sections, at most %d", sections,
                        CLO_PE_SECTIONS_MAX);
    if (!read_optional_header(&pe, optional_size, err))
        return false;
    size_t table_end = pe.section_table_offset + (size_t)SECTION_HEADER_SIZE * sections;
    if (pe.size_of_headers > in.size || table_end > pe.size_of_headers)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "PE header: SizeOfHeaders 0x%x, sections end at 0x%zx, the file at 0x%zx",
                        pe.size_of_headers, table_end, in.size);
    for (size_t i = 0; i < sections; i++)
        if (!read_section(&r, &pe, &pe.sections[pe.section_count++], err))
            return false;
    if (!check_overlaps(&pe, err))
        return false;
    *out = pe;
    return true;
}

const struct clo_pe_section *clo_pe_section_find(const struct clo_pe *pe, const char *name)
{
    for (size_t i = 0; i < pe->section_count; i++)
        if (strcmp(pe->sections[i].name, name) == 0)
            return &pe->sections[i];
    return NULL;
}
