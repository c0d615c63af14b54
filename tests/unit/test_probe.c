#include "lib/disk/probe.h"

#include "test.h"

#define UUID "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"

static void test_contents(void **state)
{
    static const struct {
        const char *name;
        size_t at[3];
        const char *bytes[3];
        size_t size[3];
        enum clo_content content;
        const char *uuid, *label;
    } cases[] = {
        { "nothing", { 0 }, { 0 }, { 0 }, CLO_CONTENT_UNKNOWN, "", "" },
        { "ext4",
          { 0x438, 0x468, 0x478 },
          { "\x53\xef", UUID, "root" },
          { 2, 16, 4 },
          CLO_CONTENT_EXT,
          "01234567-89ab-cdef-0123-456789abcdef",
          "root" },
        { "XFS",
          { 0, 32, 108 },
          { "XFSB", UUID, "twelve chars" },
          { 4, 16, 12 },
          CLO_CONTENT_XFS,
          "01234567-89ab-cdef-0123-456789abcdef",
          "twelve chars" },
        { "btrfs",
          { 0x10040, 0x10020, 0x1012b },
          { "_BHRfS_M", UUID, "data" },
          { 8, 16, 4 },
          CLO_CONTENT_BTRFS,
          "01234567-89ab-cdef-0123-456789abcdef",
          "data" },
        { "FAT32",
          { 510, 0x52, 0x43 },
          { "\x55\xaa", "FAT32   ",
            "\xa2\x44\x1b\x7c"
            "EFI        " },
          { 2, 8, 15 },
          CLO_CONTENT_FAT,
          "7C1B-44A2",
          "EFI" },
        { "FAT16",
          { 510, 0x36, 0x27 },
          { "\x55\xaa", "FAT16   ",
            "\xa2\x44\x1b\x7c"
            "ESP        " },
          { 2, 8, 15 },
          CLO_CONTENT_FAT,
          "7C1B-44A2",
          "ESP" },
        { "swap",
          { 4086, 1036, 1052 },
          { "SWAPSPACE2", UUID, "s" },
          { 10, 16, 1 },
          CLO_CONTENT_SWAP,
          "01234567-89ab-cdef-0123-456789abcdef",
          "s" },
        { "LVM",
          { 0x200, 0x220, 0 },
          { "LABELONE", "abcdef", "" },
          { 8, 6, 0 },
          CLO_CONTENT_LVM,
          "abcdef",
          "" },
        { "LUKS2",
          { 0, 168, 0 },
          { "LUKS\xba\xbe\0\x02", "a-uuid", "" },
          { 8, 6, 0 },
          CLO_CONTENT_LUKS2,
          "",
          "" },
        { "a label that moves the cursor",
          { 0x438, 0x478, 0 },
          { "\x53\xef", "a\x1b[2J", "" },
          { 2, 5, 0 },
          CLO_CONTENT_EXT,
          "00000000-0000-0000-0000-000000000000",
          "a?[2J" },
        { "a boot sector",
          { 510, 0, 0 },
          { "\x55\xaa", "", "" },
          { 2, 0, 0 },
          CLO_CONTENT_BOOT_SECTOR,
          "",
          "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        static uint8_t head[CLO_PROBE_SIZE];
        struct clo_probe found;
        memset(head, 0, sizeof head);
        for (size_t k = 0; k < 3; k++)
            if (cases[i].size[k] > 0)
                memcpy(head + cases[i].at[k], cases[i].bytes[k], cases[i].size[k]);
        clo_probe(clo_bytes(head, sizeof head), &found);
        CHECK(found.content == cases[i].content, cases[i].name);
        if (cases[i].uuid[0] != '\0')
            CHECK(strcmp(found.uuid, cases[i].uuid) == 0, found.uuid);
        CHECK(strcmp(found.label, cases[i].label) == 0, found.label);
        for (size_t size = 0; size < sizeof head; size += 509)
            clo_probe(clo_bytes(head, size), &found);
    }
}

static void test_mbr(void **state)
{
    uint8_t sector[512] = { 0 };
    struct clo_mbr_partition found[CLO_MBR_PARTITIONS];

    (void)state;
    CHECK(!clo_mbr_parse(clo_bytes(sector, sizeof sector), found), "zeros");
    sector[510] = 0x55;
    sector[511] = 0xaa;
    CHECK(!clo_mbr_parse(clo_bytes(sector, sizeof sector), found), "no partition");
    sector[446] = 0x80;
    sector[446 + 4] = 0x83;
    sector[446 + 9] = 8; /* sector 2048 */
    sector[446 + 13] = 16;
    CHECK(clo_mbr_parse(clo_bytes(sector, sizeof sector), found), "one");
    CHECK(found[0].type == 0x83 && found[0].first_lba == 2048 && found[0].sectors == 4096,
          "what it is");
    CHECK(!clo_mbr_parse(clo_bytes(sector, 511), found), "cut");
    sector[446] = 0x33;
    CHECK(!clo_mbr_parse(clo_bytes(sector, sizeof sector), found), "code, not a table");
    sector[446] = 0;
    sector[446 + 4] = 0xee;
    CHECK(!clo_mbr_parse(clo_bytes(sector, sizeof sector), found), "protective");
    CHECK(clo_mbr_is_extended(5) && clo_mbr_is_extended(0x0f) && !clo_mbr_is_extended(0x83),
          "extended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_mbr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
