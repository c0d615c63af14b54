#include "lib/disk/vhdx.h"

#include "test.h"
#include "vhdx_maker.h"

#define HEADER  (64 * VHDX_MAKER_KIB)
#define REGIONS (192 * VHDX_MAKER_KIB)

static uint8_t head[CLO_VHDX_HEAD_SIZE];

static void test_sum(void **state)
{
    (void)state;
    /* RFC 3720 appendix B.4. */
    CHECK(clo_crc32c(0, clo_bytes_text("123456789")) == 0xe3069283, "the check value");
}

static void test_head(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", 0, 0, 0, NULL },
        { "another magic", 0, 1, 'k', "VHDX: its headers are cut short" },
        { "version 2", HEADER + 66, 2, 2, "VHDX: version 2: 1 is read" },
        { "a log", HEADER + 48, 4, 1,
          "VHDX: was not closed, its log has to be written back: 'qemu-img check -r all' does so" },
        { "no header", HEADER, 1, 'k', "VHDX: neither header's checksum holds" },
        { "no regions", REGIONS, 1, 'k', "VHDX: neither region table's checksum holds" },
        { "2048 regions", REGIONS + 8, 4, 2048, "VHDX: 2048 regions" },
        { "one region", REGIONS + 8, 4, 1, "VHDX: has no metadata" },
        { "a region at byte 4096", REGIONS + 32, 8, 4096,
          "VHDX: a region at byte 4096: not at a MiB" },
        { "a region at the end", REGIONS + 32, 8, VHDX_MAKER_FILE,
          "VHDX: a region at byte 8388608: beyond the file's end" },
        { "an unknown region that is needed", REGIONS + 16, 1, 1,
          "VHDX: has a region that is not known" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_vhdx vhdx;
        struct clo_error err = { 0 };
        vhdx_maker_head(head);
        vhdx_maker_put(head + cases[i].at, cases[i].size, cases[i].value);
        vhdx_maker_sums(head);
        bool ok = clo_vhdx_parse(clo_bytes(head, sizeof head), VHDX_MAKER_FILE, &vhdx, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_two_headers(void **state)
{
    struct clo_vhdx vhdx;
    struct clo_error err = { 0 };

    (void)state;
    vhdx_maker_head(head);
    memcpy(head + 2 * HEADER, head + HEADER, 4096);
    vhdx_maker_put(head + 2 * HEADER + 8, 8, 8);
    vhdx_maker_put(head + 2 * HEADER + 48, 1, 1);
    vhdx_maker_sums(head);
    vhdx_maker_sum(head + 2 * HEADER, 4096);
    CHECK(!clo_vhdx_parse(clo_bytes(head, sizeof head), VHDX_MAKER_FILE, &vhdx, &err), "newer");
    CHECK(strstr(err.text, "was not closed") != NULL, err.text);
    vhdx_maker_put(head + 2 * HEADER + 8, 8, 7);
    vhdx_maker_sum(head + 2 * HEADER, 4096);
    CHECK(!clo_vhdx_parse(clo_bytes(head, sizeof head), VHDX_MAKER_FILE, &vhdx, &err), "equal");
    CHECK(strcmp(err.text, "VHDX: two headers of one age") == 0, err.text);
    vhdx_maker_put(head + 2 * HEADER + 8, 8, 6);
    vhdx_maker_sum(head + 2 * HEADER, 4096);
    CHECK(clo_vhdx_parse(clo_bytes(head, sizeof head), VHDX_MAKER_FILE, &vhdx, &err), err.text);
}

static void test_metadata(void **state)
{
    static const struct {
        const char *name;
        size_t at, size;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", 0, 0, 0, NULL },
        { "another magic", 0, 1, 'k', "VHDX: \"metadata\" is missing" },
        { "many items", 10, 2, 5000, "VHDX: 5000 items of metadata" },
        { "two items", 10, 2, 2, "VHDX: its metadata do not say how large it is" },
        { "an item in the table", 32 + 16, 4, 100,
          "VHDX: an item of its metadata is outside of them" },
        { "an item beyond", 32 + 16, 4, VHDX_MAKER_MIB,
          "VHDX: an item of its metadata is outside of them" },
        { "a short item", 32 + 20, 4, 4, "VHDX: an item of its metadata is outside of them" },
        { "an unknown item that is needed", 32, 1, 1, "VHDX: has metadata that are not known" },
    };
    static uint8_t table[CLO_VHDX_METADATA_SIZE];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_vhdx vhdx = { .metadata_at = VHDX_MAKER_MIB, .metadata_size = VHDX_MAKER_MIB };
        struct clo_error err = { 0 };
        vhdx_maker_metadata(table);
        vhdx_maker_put(table + cases[i].at, cases[i].size, cases[i].value);
        bool ok = clo_vhdx_parse_metadata(clo_bytes(table, sizeof table), &vhdx, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_items(void **state)
{
    static const struct {
        const char *name;
        enum clo_vhdx_item item;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "as it is", CLO_VHDX_SECTOR_SIZE, 512, NULL },
        { "a difference", CLO_VHDX_PARAMETERS, (2ULL << 32) + VHDX_MAKER_MIB,
          "VHDX: is the difference to another disk: 'qemu-img convert' joins the two" },
        { "4096-byte sectors", CLO_VHDX_SECTOR_SIZE, 4096,
          "VHDX: sectors of 4096 bytes: 512 are read" },
        { "blocks of 3 MiB", CLO_VHDX_PARAMETERS, 3 * VHDX_MAKER_MIB,
          "VHDX: blocks of 3145728 bytes" },
        { "blocks of no bytes", CLO_VHDX_PARAMETERS, 0, "VHDX: blocks of 0 bytes" },
        { "no bytes", CLO_VHDX_DISK_SIZE, 0, "VHDX: a disk of 0 bytes" },
        { "2^63 bytes", CLO_VHDX_DISK_SIZE, 1ULL << 63,
          "VHDX: a disk of 9223372036854775808 bytes" },
        { "a short table", CLO_VHDX_DISK_SIZE, 1ULL << 42,
          "VHDX: its table is too short for the disk" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_vhdx vhdx = { .file_size = VHDX_MAKER_FILE, .table_size = VHDX_MAKER_MIB };
        uint8_t items[CLO_VHDX_ITEM_COUNT][CLO_VHDX_ITEM_SIZE];
        struct clo_error err = { 0 };
        vhdx_maker_items(items);
        vhdx_maker_put(items[cases[i].item], CLO_VHDX_ITEM_SIZE, cases[i].value);
        bool ok = clo_vhdx_parse_items(items, &vhdx, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_blocks(void **state)
{
    static const struct {
        const char *name;
        uint64_t entry, at;
        const char *error;
    } cases[] = {
        { "not there", 0, 0, NULL },
        { "unmapped, with a place", (5ULL << 20) | 3, 0, NULL },
        { "present", (5ULL << 20) | 6, 5 * VHDX_MAKER_MIB, NULL },
        { "partly present", (5ULL << 20) | 7, 0, "VHDX: a block of state 7" },
        { "reserved bits", (5ULL << 20) | 0x46, 0, "VHDX: reserved bits in its table" },
        { "among the headers", 6, 0, "VHDX: a block at byte 0: among its headers" },
        { "beyond", (8ULL << 20) | 6, 0, "VHDX: a block at byte 8388608: beyond the file's end" },
    };
    const struct clo_vhdx vhdx = { .file_size = VHDX_MAKER_FILE,
                                   .block_size = VHDX_MAKER_MIB,
                                   .chunk = 4096 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err = { 0 };
        uint64_t at = 1;
        bool ok = clo_vhdx_block(&vhdx, cases[i].entry, &at, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok ? at == cases[i].at : strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CHECK(clo_vhdx_index(&vhdx, 4095) == 4095 && clo_vhdx_index(&vhdx, 4096) == 4097, "bitmaps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),         cmocka_unit_test(test_head),
        cmocka_unit_test(test_two_headers), cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_items),       cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
