#include "lib/disk/vhd.h"

#include "test.h"
#include "vhd_maker.h"

#define DISK ((uint64_t)4 << 20)

static void test_footer(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", 0, 0, 0, NULL },
        { "format 2", 12, 4, 0x20000, "VHD: format 0x00020000: 0x00010000 is read" },
        { "a difference", 60, 4, 4,
          "VHD: is the difference to another disk: 'qemu-img convert' joins the two" },
        { "type 7", 60, 4, 7, "VHD: type 7: 2 (fixed) or 3 (dynamic) expected" },
        { "no bytes", 48, 8, 0, "VHD: a disk of 0 bytes" },
        { "half a sector", 48, 8, 256, "VHD: a disk of 256 bytes" },
        { "2^63 bytes", 48, 8, 1ULL << 63, "VHD: a disk of 9223372036854775808 bytes" },
        { "more than the file has", 48, 8, DISK + 512,
          "VHD: a disk of 4194816 bytes in a file of 4194816" },
        { "another magic", 0, 1, 'k', "VHD: \"conectix\" is missing" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t footer[CLO_VHD_FOOTER_SIZE];
        struct clo_vhd vhd;
        struct clo_error err = { 0 };
        vhd_maker_footer(footer, DISK, 2);
        qcow2_maker_put(footer + cases[i].at, cases[i].size, cases[i].value);
        vhd_maker_sum(footer, sizeof footer, 64);
        bool ok = clo_vhd_parse(clo_bytes(footer, sizeof footer), DISK + 512, &vhd, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        footer[100] ^= 1;
        CHECK(!clo_vhd_parse(clo_bytes(footer, sizeof footer), DISK + 512, &vhd, &err), "the sum");
    }
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
        { "another magic", 0, 1, 'k', "VHD: \"cxsparse\" is missing" },
        { "blocks of 1000 bytes", 32, 4, 1000, "VHD: blocks of 1000 bytes" },
        { "blocks of no bytes", 32, 4, 0, "VHD: blocks of 0 bytes" },
        { "blocks of 2 GiB", 32, 4, 1U << 31, "VHD: blocks of 2147483648 bytes" },
        { "a short table", 28, 4, 1, "VHD: a table of 1 entries, the disk needs 2" },
        { "a table at the end", 16, 8, VHD_MAKER_FILE - 4,
          "VHD: its table is beyond the file's end" },
        { "a table at 2^64", 16, 8, UINT64_MAX, "VHD: its table is beyond the file's end" },
    };
    uint8_t footer[CLO_VHD_FOOTER_SIZE];
    struct clo_error err = { 0 };

    (void)state;
    vhd_maker_footer(footer, DISK, 3);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t header[CLO_VHD_HEADER_SIZE];
        struct clo_vhd vhd;
        CHECK(clo_vhd_parse(clo_bytes(footer, sizeof footer), VHD_MAKER_FILE, &vhd, &err),
              err.text);
        vhd_maker_header(header, 2);
        qcow2_maker_put(header + cases[i].at, cases[i].size, cases[i].value);
        vhd_maker_sum(header, sizeof header, 36);
        bool ok = clo_vhd_parse_header(clo_bytes(header, sizeof header), &vhd, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        header[500] ^= 1;
        CHECK(!clo_vhd_parse_header(clo_bytes(header, sizeof header), &vhd, &err), "the sum");
    }
}

static void test_blocks(void **state)
{
    uint8_t footer[CLO_VHD_FOOTER_SIZE], header[CLO_VHD_HEADER_SIZE];
    struct clo_vhd vhd;
    struct clo_error err;
    uint64_t at;

    (void)state;
    vhd_maker_footer(footer, DISK, 3);
    vhd_maker_header(header, 2);
    CHECK(clo_vhd_parse(clo_bytes(footer, sizeof footer), VHD_MAKER_FILE, &vhd, &err), err.text);
    CHECK(clo_vhd_parse_header(clo_bytes(header, sizeof header), &vhd, &err), err.text);
    CHECK(clo_vhd_block(&vhd, 4, &at, &err) && at == 5 * 512, "after its bitmap");
    CHECK(!clo_vhd_block(&vhd, 0x7fffffff, &at, &err), "beyond");
    CHECK(strcmp(err.text, "VHD: a block at byte 1099511627776: beyond the file's end") == 0,
          err.text);
}

/* What we write is read, by ourselves here and by qemu-img in tests/cli/container.sh. */
static void test_write(void **state)
{
    static const uint64_t wrong[] = { 0, DISK + 512, (uint64_t)2041 << 30 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer footer = { 0 };
    const struct clo_guid id = { { 1 } };
    struct clo_vhd vhd;
    struct clo_error err;

    (void)state;
    CHECK(clo_vhd_write_footer(DISK, &id, 1700000000, &footer, &err), err.text);
    CHECK(footer.size == CLO_VHD_FOOTER_SIZE, "its size");
    CHECK(clo_vhd_parse(clo_buffer_bytes(&footer), DISK + 512, &vhd, &err), err.text);
    CHECK(vhd.size == DISK && !vhd.is_dynamic, "read back");
    for (size_t i = 0; i < CLO_COUNT(wrong); i++)
        CHECK(!clo_vhd_write_footer(wrong[i], &id, 0, &footer, &err), "a size that Azure refuses");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_footer),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
