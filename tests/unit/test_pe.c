#include "pe_maker.h"

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe pe;
    struct clo_error err;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(pe.machine == CLO_PE_MACHINE_X86_64 && pe.image_base == 0x140000000, "machine");
    CHECK(pe.section_alignment == 0x1000 && pe.file_alignment == 0x200, "alignments");
    CHECK(pe.size_of_image == 0x10000 && pe.size_of_headers == PE_HEADERS_SIZE, "sizes");
    CHECK(pe.coff_offset == PE_COFF && pe.optional_offset == PE_OPTIONAL &&
                  pe.checksum_offset == PE_CHECKSUM &&
                  pe.certificate_entry_offset == PE_DIRECTORIES + 32 &&
                  pe.section_table_offset == PE_SECTIONS,
          "offsets");
    CHECK(pe.section_count == 2 && pe.certificates.size == 0, "sections");
    const struct clo_pe_section *section = clo_pe_section_find(&pe, ".sdmagic");
    CHECK(section == &pe.sections[1] && section->data.size == sizeof PE_SDMAGIC, ".sdmagic");
    CHECK(section->raw_offset == 0x600 && section->virtual_address == 0x2000, "place");
    CHECK(clo_pe_section_find(&pe, ".linux") == NULL, "none of that name");
}

/* The headers may not be cut; sections may not leave the file. */
static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe pe;
    struct clo_error err;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    for (size_t size = 0; size < file.size; size++) {
        CHECK(!clo_pe_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size), &pe, &err), "cut");
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
}

static void test_refused(void **state)
{
    enum {
        FIRST = PE_SECTIONS, /* .text, then .sdmagic */
        SECOND = PE_SECTIONS + 40,
        CERTIFICATES = PE_DIRECTORIES + 32,
    };
    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
        size_t size;
        const char *error;
    } cases[] = {
        { "no MZ", 0, 'N', 1, "is not a PE file: \"MZ\" is missing" },
        { "header inside the DOS header", 60, 32, 4, "PE header: e_lfanew is 0x20" },
        { "header beyond the file", 60, 0x7fffffff, 4, "PE header: e_lfanew is 0x7fffffff" },
        { "no PE", PE_AT, 'N', 1, "is not a PE file: \"PE\" is missing at 0x40" },
        { "another machine", PE_COFF, 0x200, 2, "PE header: machine 0x0200" },
        { "a machine of PE32", PE_COFF, 0x14c, 2, "optional header: magic 0x20b, not PE32" },
        { "too many sections", PE_COFF + 2, 97, 2, "PE header: 97 sections, at most 96" },
        { "sections beyond the headers", PE_COFF + 2, 20, 2,
          "PE header: SizeOfHeaders 0x400, sections end at 0x468, the file at 0x800" },
        { "short optional header", PE_COFF + 16, 100, 2, "optional header: 100 bytes" },
        { "no room for directories", PE_COFF + 16, 120, 2,
          "optional header: no room for its directories" },
        { "PE32", PE_OPTIONAL, 0x10b, 2, "optional header: magic 0x10b, not PE32+" },
        { "no certificate directory", PE_OPTIONAL + 108, 4, 4,
          "optional header: 4 data directories" },
        { "too many directories", PE_OPTIONAL + 108, 17, 4,
          "optional header: 17 data directories" },
        { "SizeOfHeaders beyond the file", PE_OPTIONAL + 60, 0x10000, 4,
          "PE header: SizeOfHeaders 0x10000, sections end at 0x198, the file at 0x800" },
        { "certificates beyond the file", CERTIFICATES, 0x900, 4,
          "certificate table: 0 bytes at 0x900, the file has 0x800" },
        { "certificates not at the end", CERTIFICATES, 0x600, 4,
          "certificate table: 0 bytes at 0x600, the file has 0x800" },
        { "section in the headers", FIRST + 20, 0x200, 4,
          "section .text: 0x200 bytes at 0x200, the file has 0x800" },
        { "section beyond the file", FIRST + 20, 0x700, 4,
          "section .text: 0x200 bytes at 0x700, the file has 0x800" },
        { "section whose end wraps", FIRST + 16, 0xffffff00, 4,
          "section .text: 0xffffff00 bytes at 0x400, the file has 0x800" },
        { "sections share the file", SECOND + 20, 0x500, 4,
          "sections .text and .sdmagic overlap in the file, at 0x500" },
        { "sections share memory", SECOND + 12, 0x1003, 4,
          "section .sdmagic: at address 0x1003, after which another ends" },
        { "section over the headers", FIRST + 12, 0x100, 4,
          "section .text: at address 0x100, after which another ends" },
        { "a name that is not text", FIRST, 0x1b, 1,
          NULL /* read, and made harmless: see below */ },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_pe pe;
        struct clo_error err;
        pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
        pe_put(&file, cases[i].at, cases[i].value, cases[i].size);
        bool ok = clo_pe_parse(clo_buffer_bytes(&file), &pe, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!ok || strcmp(pe.sections[0].name, "?text") == 0, cases[i].name);
    }
}

/* A table at the very end of the file is the certificates'; what lies before it is not cut off. */
static void test_certificates(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe pe;
    struct clo_error err;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    size_t at = file.size;
    clo_buffer_zero(&file, 16);
    pe_put(&file, PE_DIRECTORIES + 32, (uint32_t)at, 4);
    pe_put(&file, PE_DIRECTORIES + 36, 16, 4);
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(pe.certificates.data == file.data + at && pe.certificates.size == 16, "table");
    pe_put(&file, PE_DIRECTORIES + 36, 8, 4);
    CHECK(!clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), "bytes beyond the table");
    pe_put(&file, PE_DIRECTORIES + 32, (uint32_t)at + 4, 4);
    pe_put(&file, PE_DIRECTORIES + 36, 12, 4);
    CHECK(!clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), "not at a multiple of 8");
}

/* Words with end-around carry and the size: worked by hand. */
static void test_checksum(void **state)
{
    static const uint8_t bytes[] = { 0x01, 0x00, 0xff, 0xff, 0x55, 0x55, 0x55, 0x55, 0x02, 0x00 };

    (void)state;
    CHECK(clo_pe_checksum(clo_bytes(bytes, 10), 4) == 1 + 2 + 10, "carry, the field left out");
    CHECK(clo_pe_checksum(clo_bytes(bytes, 9), 4) == 1 + 2 + 9, "odd length");
    CHECK(clo_pe_checksum(clo_bytes(bytes, 2), 4) == 1 + 2, "field beyond the end");
    CHECK(clo_pe_checksum(clo_bytes("\x01\x55\x55\x55\x55\x01", 6), 1) == 0x101 + 6, "odd field");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_checksum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
