#include "pe_maker.h"

/* Each with one thing changed in an image of two sections at 0x400 and 0x600, 0x200 bytes each. */
static void test_one_each(void **state)
{
    enum {
        SECOND = PE_SECTIONS + 40
    };
    static const struct {
        size_t at, size;
        uint32_t value;
        uint64_t offset;
        const char *text;
    } cases[] = {
        { PE_SECTIONS + 36, 4, 0xe0000020, PE_SECTIONS + 36,
          "section .text is writable and executable" },
        { PE_OPTIONAL + 36, 4, 0x80, PE_OPTIONAL + 36, "FileAlignment 0x80" },
        { PE_OPTIONAL + 36, 4, 300, PE_OPTIONAL + 36, "FileAlignment 0x12c" },
        { PE_OPTIONAL + 32, 4, 0x100, PE_OPTIONAL + 32, "SectionAlignment 0x100" },
        { PE_OPTIONAL + 32, 4, 0x200, PE_OPTIONAL + 32,
          "SectionAlignment 0x200: sections share pages, so firmware cannot protect them" },
        { SECOND + 12, 4, 0x2010, SECOND + 12,
          "section .sdmagic: address 0x2010 is not aligned to SectionAlignment 0x1000" },
        { PE_OPTIONAL + 56, 4, 0x2000, SECOND + 8,
          "section .sdmagic ends beyond SizeOfImage 0x2000" },
        { SECOND + 16, 4, 0x1f0, SECOND + 16,
          "section .sdmagic: 0x1f0 bytes at 0x600 are not aligned to FileAlignment 0x200" },
    };
    struct clo_pe_warning warning;
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
        CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
        CHECK(!clo_pe_warning_at(&pe, 0, &warning), warning.text);
        pe_put(&file, cases[i].at, cases[i].value, cases[i].size);
        CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
        CHECK(clo_pe_warning_at(&pe, 0, &warning), cases[i].text);
        CHECK(strcmp(warning.text, cases[i].text) == 0, warning.text);
        CHECK(warning.offset == cases[i].offset, cases[i].text);
    }
}

static void test_gaps(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe_warning warning;
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    clo_buffer_zero(&file, 0x300);
    pe_put(&file, PE_SECTIONS + 40 + 20, 0x800, 4);
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(clo_pe_warning_at(&pe, 0, &warning), "a gap");
    CHECK(warning.offset == 0x600 &&
                  strcmp(warning.text, "0x200 bytes before section .sdmagic belong to no "
                                       "section") == 0,
          warning.text);
    CHECK(clo_pe_warning_at(&pe, 1, &warning), "a tail");
    CHECK(warning.offset == 0xa00 &&
                  strcmp(warning.text, "0x100 bytes after the last section") == 0,
          warning.text);
    CHECK(!clo_pe_warning_at(&pe, 2, &warning), "no more");
}

/* What pads a file to 8 before its certificate table is not a tail. */
static void test_padding(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe_warning warning;
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    pe_put(&file, PE_SECTIONS + 40 + 16, 0x1fc, 4);
    pe_put(&file, PE_DIRECTORIES + 32, 0x800, 4);
    pe_put(&file, PE_DIRECTORIES + 36, 8, 4);
    clo_buffer_le64(&file, 8);
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(clo_pe_warning_at(&pe, 0, &warning) && strstr(warning.text, "aligned") != NULL,
          "of the alignment only");
    CHECK(!clo_pe_warning_at(&pe, 1, &warning), warning.text);
}

/* A head is enough, and says the same; views after it are empty. */
static void test_head(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_pe whole, head;
    struct clo_error err;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    struct clo_bytes in = clo_buffer_bytes(&file);
    CHECK(clo_pe_parse(in, &whole, &err), err.text);
    CHECK(clo_pe_parse_head(clo_bytes_slice(in, 0, 0x610), in.size, &head, &err), err.text);
    CHECK(head.section_count == whole.section_count && head.file_size == in.size, "the same");
    CHECK(head.sections[0].data.size == 4 && head.sections[1].data.size == 0, "views");
    for (size_t size = 0; size < PE_HEADERS_SIZE; size++)
        CHECK(!clo_pe_parse_head(clo_bytes_slice(in, 0, size), in.size, &head, &err), "cut");
    CHECK(!clo_pe_parse_head(in, in.size - 1, &head, &err), "a file that ends in a section");
    CHECK(strcmp(err.text, "section .sdmagic: 0x200 bytes at 0x600, the file has 0x7ff") == 0,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_each),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
