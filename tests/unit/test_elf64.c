#include "image/elf64.h"

#include "elf_maker.h"

static const struct elf_spec usual = { { "libc.so.6", "libm.so.6" }, "$ORIGIN/lib" };

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_elf elf;
    struct clo_error err;

    (void)state;
    elf_make(&file, &usual);
    CHECK(clo_elf_parse(clo_buffer_bytes(&file), &elf, &err), err.text);
    CHECK(elf.machine == EM_X86_64 && elf.needed_count == 2, "machine");
    CHECK(strcmp(elf.interpreter, ELF_INTERPRETER) == 0, elf.interpreter);
    CHECK(strcmp(elf.needed[0], "libc.so.6") == 0 && strcmp(elf.needed[1], "libm.so.6") == 0,
          "libraries");
    CHECK(strcmp(elf.search_path, "$ORIGIN/lib") == 0, elf.search_path);
}

/* Cut anywhere it is refused: what it names would lie outside. */
static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_elf elf;
    struct clo_error err;

    (void)state;
    elf_make(&file, &usual);
    for (size_t size = 0; size < file.size; size++) {
        CHECK(!clo_elf_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size), &elf, &err), "cut");
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { "no ELF", 0, 'x', "no 64-bit little-endian ELF file" },
        { "32 bits", EI_CLASS, ELFCLASS32, "no 64-bit little-endian ELF file" },
        { "big endian", EI_DATA, ELFDATA2MSB, "no 64-bit little-endian ELF file" },
        { "program headers outside", 33, 0xff, "ELF: program headers lie outside the file" },
        { "odd size of program headers", 54, 1, "ELF: program headers lie outside the file" },
        { "segment outside", ELF_INTERP_HEADER + 9, 0xff, "ELF: segment 1 lies outside the file" },
        { "segment that wraps", ELF_INTERP_HEADER + 39, 0xff,
          "ELF: segment 1 lies outside the file" },
        { "library name outside", ELF_DYNAMIC + 9, 0xff,
          "ELF: library name 0 lies outside the file" },
        { "library name that wraps", ELF_DYNAMIC + 15, 0xff,
          "ELF: library name 0 lies outside the file" },
        { "empty library name", ELF_DYNAMIC + 8, 0, "ELF: library name 0 lies outside the file" },
        { "no string table", ELF_DYNAMIC + 3 * 16, 0, "ELF: no string table" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_elf elf;
        struct clo_error err;
        elf_make(&file, &usual);
        file.data[cases[i].at] = cases[i].value;
        CHECK(!clo_elf_parse(clo_buffer_bytes(&file), &elf, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* What comes after the last segment is left out, and nothing points there. */
static void test_strip(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_elf elf;
    struct clo_error err;

    (void)state;
    elf_make(&file, &usual);
    size_t loaded = file.size;
    clo_buffer_text(&file, "symbols, and a table of sections");
    memset(file.data + offsetof(Elf64_Ehdr, e_shoff), 1, sizeof(Elf64_Off));
    memset(file.data + offsetof(Elf64_Ehdr, e_shnum), 1, sizeof(Elf64_Half));
    CHECK(clo_elf_strip(&file, &err), err.text);
    CHECK(file.size == loaded, "the end is gone");
    const Elf64_Ehdr *header = (const void *)file.data;
    CHECK(header->e_shoff == 0 && header->e_shnum == 0 && header->e_shstrndx == 0, "no sections");
    CHECK(clo_elf_parse(clo_buffer_bytes(&file), &elf, &err) && elf.needed_count == 2, err.text);
    clo_buffer_text(&other, "#!/bin/sh");
    CHECK(!clo_elf_strip(&other, &err) && other.size == 9, "a script is left as it is");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
