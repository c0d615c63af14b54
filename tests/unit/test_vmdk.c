#include "lib/disk/vmdk.h"

#include <string.h>

#include "test.h"

#define FILE_SIZE ((uint64_t)1 << 20)
#define SECTORS   81920ULL

static void put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* A disk of 40 MiB, grains of 64 KiB: as qemu-img writes it. */
static void make(uint8_t header[CLO_VMDK_HEADER_SIZE])
{
    memset(header, 0, CLO_VMDK_HEADER_SIZE);
    memcpy(header, "KDMV", 4);
    put(header + 4, 4, 1);
    put(header + 8, 4, 3);
    put(header + 12, 8, SECTORS);
    put(header + 20, 8, 128);
    put(header + 28, 8, 1);
    put(header + 36, 8, 20);
    put(header + 44, 4, 512);
    put(header + 56, 8, 30);
    memcpy(header + 73, "\n \r\n", 4);
}

static void test_header(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", 0, 0, 0, NULL },
        { "another magic", 0, 1, 'k', "VMDK: \"KDMV\" is missing" },
        { "version 4", 4, 4, 4, "VMDK: version 4: 1 to 3 are read" },
        { "unknown flags", 8, 4, 0x103, "VMDK: flags 0x100 are not known" },
        { "compressed without markers", 8, 4, 0x10003,
          "VMDK: is compressed in a way that is not known" },
        { "no sectors", 12, 8, 0, "VMDK: a disk of 0 sectors" },
        { "2^63 sectors", 12, 8, 1ULL << 63, "VMDK: a disk of 9223372036854775808 sectors" },
        { "grains of 3 sectors", 20, 8, 3, "VMDK: grains of 3 sectors" },
        { "grains of no sectors", 20, 8, 0, "VMDK: grains of 0 sectors" },
        { "large grains", 20, 8, 1ULL << 40, "VMDK: grains of 1099511627776 sectors" },
        { "tables of 256", 44, 4, 256, "VMDK: tables of 256 entries: 512 expected" },
        { "more tables than are read", 12, 8, 1ULL << 37,
          "VMDK: its directory is not in the file" },
        { "a directory beyond", 56, 8, 1ULL << 60, "VMDK: its directory is not in the file" },
        { "a directory at the end", 56, 8, FILE_SIZE / 512,
          "VMDK: its directory is not in the file" },
        { "a directory at 0", 56, 8, 0, "VMDK: its directory is not in the file" },
        { "a description beyond", 28, 8, 1ULL << 60, "VMDK: its description is not in the file" },
        { "a long description", 36, 8, 500, "VMDK: its description is not in the file" },
        { "open", 72, 1, 1, "VMDK: was not closed: shut its machine down first" },
        { "line ends", 75, 1, '\n', "VMDK: was changed by a transfer as text" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t header[CLO_VMDK_HEADER_SIZE];
        struct clo_vmdk vmdk;
        struct clo_error err = { 0 };
        make(header);
        put(header + cases[i].at, cases[i].size, cases[i].value);
        bool ok = clo_vmdk_parse(clo_bytes(header, sizeof header), FILE_SIZE, &vmdk, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

#define TEXT(parent, type, extent)                                                             \
    "# Disk DescriptorFile\nversion=1\nCID=7cb5ab76\nparentCID=" parent "\ncreateType=\"" type \
    "\"\n\n" extent "\n"

static void test_text(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "sparse", TEXT("ffffffff", "monolithicSparse", "RW 81920 SPARSE \"s.vmdk\""), NULL },
        { "flat", TEXT("ffffffff", "monolithicFlat", "RW 81920 FLAT \"a b-flat.vmdk\" 0"), NULL },
        { "a snapshot", TEXT("7cb5ab76", "monolithicSparse", "RW 81920 SPARSE \"s.vmdk\""),
          "VMDK: is the difference to another disk: 'qemu-img convert' joins the two" },
        { "two files",
          TEXT("ffffffff", "twoGbMaxExtentFlat", "RW 1 FLAT \"a\" 0\nRW 1 FLAT \"b\" 0"),
          "VMDK: is a twoGbMaxExtentFlat of 2 files: 'qemu-img convert -O qcow2' gives one that is "
          "read" },
        { "a path", TEXT("ffffffff", "monolithicFlat", "RW 81920 FLAT \"/etc/shadow\" 0"),
          "VMDK: \"/etc/shadow\": not a file next to it" },
        { "the folder above", TEXT("ffffffff", "monolithicFlat", "RW 81920 FLAT \"..\" 0"),
          "VMDK: \"..\": not a file next to it" },
        { "no sectors", TEXT("ffffffff", "monolithicFlat", "RW 0 FLAT \"a\" 0"),
          "VMDK: \"RW 0 FLAT \"a\" 0\" does not describe a part of a disk" },
        { "a number too large",
          TEXT("ffffffff", "monolithicFlat", "RW 99999999999999999999 FLAT \"a\" 0"),
          "VMDK: \"RW 99999999999999999999 FLAT \"a\" 0\" does not describe a part of a disk" },
        { "nothing", "# Disk DescriptorFile\n",
          "VMDK: is a disk of 0 files: 'qemu-img convert -O qcow2' gives one that is read" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_vmdk_text text;
        struct clo_error err = { 0 };
        bool ok = clo_vmdk_parse_text(clo_bytes_text(cases[i].text), &text, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok ? text.size == SECTORS * 512 : strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_grains(void **state)
{
    const struct clo_vmdk plain = { .file_size = FILE_SIZE, .grain = 65536 };
    const struct clo_vmdk zeroed = { .file_size = FILE_SIZE,
                                     .grain = 65536,
                                     .has_zero_grains = true };
    struct clo_error err = { 0 };
    uint64_t at = 1;

    (void)state;
    CHECK(clo_vmdk_table(&plain, 0, &at, &err) && at == 0, "no table");
    CHECK(clo_vmdk_table(&plain, 2044, &at, &err) && at == 2044 * 512, "the last table");
    CHECK(!clo_vmdk_table(&plain, 2045, &at, &err), "a table that is cut short");
    CHECK(strcmp(err.text, "VMDK: a table at byte 1047040: beyond the file's end") == 0, err.text);
    CHECK(clo_vmdk_grain(&zeroed, 1, &at, &err) && at == 0, "zeros");
    CHECK(clo_vmdk_grain(&plain, 1, &at, &err) && at == 512, "a grain at sector 1");
    CHECK(clo_vmdk_grain(&plain, 1920, &at, &err) && at == 1920 * 512, "the last grain");
    CHECK(!clo_vmdk_grain(&plain, 1921, &at, &err), "a grain that is cut short");
    CHECK(!clo_vmdk_grain(&plain, UINT32_MAX, &at, &err), "a grain beyond");
    CHECK(strcmp(err.text, "VMDK: a grain at byte 2199023255040: beyond the file's end") == 0,
          err.text);
}

static void test_markers(void **state)
{
    static const struct {
        const char *name;
        uint64_t sector, size;
        const char *error;
    } cases[] = {
        { "as it is", 256, 1000, NULL },
        { "of another place", 128, 1000, "VMDK: a grain at byte 512: is of another place" },
        { "empty", 256, 0, "VMDK: a grain at byte 512: of 0 bytes" },
        { "larger than its grain", 256, 1 << 20, "VMDK: a grain at byte 512: of 1048576 bytes" },
    };
    const struct clo_vmdk vmdk = { .file_size = FILE_SIZE, .grain = 65536, .is_compressed = true };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t marker[CLO_VMDK_MARKER_SIZE];
        struct clo_error err = { 0 };
        size_t size = 0;
        put(marker, 8, cases[i].sector);
        put(marker + 8, 4, cases[i].size);
        bool ok = clo_vmdk_marker(&vmdk, clo_bytes(marker, sizeof marker), 2, 512, &size, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok ? size == cases[i].size : strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!clo_vmdk_marker(&vmdk, clo_bytes(marker, sizeof marker), 2, FILE_SIZE - 12, &size,
                               &err),
              "at the file's end");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_grains),
        cmocka_unit_test(test_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
