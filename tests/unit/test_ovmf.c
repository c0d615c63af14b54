#include "lib/launch/ovmf.h"

#include "ovmf_maker.h"

static const uint8_t four[] = { 0x40, 0, 0, 0 };
#define FOUR    \
    {           \
        four, 4 \
    }

static void test_table(void **state)
{
    const struct ovmf_item items[] = {
        { &clo_guid_ovmf_sev_metadata, FOUR, 0 },
        { &clo_guid_ovmf_sev_hashes, { four, 2 }, 0 },
        { &clo_guid_ovmf_svsm_info, { four, 0 }, 0 },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    const struct clo_ovmf_entry *entry;
    struct clo_bytes metadata;
    struct clo_ovmf ovmf;
    struct clo_error err;

    (void)state;
    make_ovmf(4096, items, CLO_COUNT(items), 0, &image);
    CHECK(clo_ovmf_parse(clo_buffer_bytes(&image), &ovmf, &err), err.text);
    CHECK(ovmf.count == 3, "three entries");
    entry = clo_ovmf_find(&ovmf, &clo_guid_ovmf_sev_hashes);
    CHECK(entry != NULL && entry->data.size == 2 && entry->data.data[0] == 0x40, "two bytes");
    entry = clo_ovmf_find(&ovmf, &clo_guid_ovmf_svsm_info);
    CHECK(entry != NULL && entry->data.size == 0, "no bytes");
    CHECK(clo_ovmf_find(&ovmf, &clo_guid_ovmf_tdx_metadata) == NULL, "absent");
    CHECK(clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_sev_metadata, &metadata, &err), err.text);
    CHECK(metadata.size == 0x40 && metadata.data == image.data + 4096 - 0x40, "to the end");
    CHECK(!clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_tdx_metadata, &metadata, &err), "absent");
    CHECK(err.status == CLO_ERR_UNSUPPORTED &&
                  strcmp(err.text, "OVMF table: no entry e47a6535-984a-4798-865e-4685a7bf8ec2") ==
                          0,
          err.text);
    CHECK(!clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_sev_hashes, &metadata, &err), "two bytes");
    CHECK(strcmp(err.text, "OVMF table: entry 7255371f-3a3b-4b04-927b-1da6efa8d454: 2 bytes of "
                           "data, expected 4") == 0,
          err.text);
}

/* The GUIDs, by their text: a slip in one byte would only show as an absent entry. */
static void test_guids(void **state)
{
    static const struct {
        const struct clo_guid *guid;
        const char *text;
    } cases[] = {
        { &clo_guid_ovmf_table, "96b582de-1fb2-45f7-baea-a366c55a082d" },
        { &clo_guid_ovmf_sev_hashes, "7255371f-3a3b-4b04-927b-1da6efa8d454" },
        { &clo_guid_ovmf_sev_secret, "4c2eb361-7d9b-4cc3-8081-127c90d3d294" },
        { &clo_guid_ovmf_sev_es_reset, "00f771de-1a7e-4fcb-890e-68c77e2fb44e" },
        { &clo_guid_ovmf_sev_metadata, "dc886566-984a-4798-a75e-5585a7bf67cc" },
        { &clo_guid_ovmf_svsm_info, "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd" },
        { &clo_guid_ovmf_tdx_metadata, "e47a6535-984a-4798-865e-4685a7bf8ec2" },
    };
    char text[CLO_GUID_TEXT];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(strcmp(clo_guid_text(cases[i].guid, text), cases[i].text) == 0, cases[i].text);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        struct ovmf_item items[2];
        size_t count;
        uint16_t table_size;
        const char *error;
    } cases[] = {
        { "the table is larger than the image",
          { { &clo_guid_ovmf_sev_metadata, FOUR, 0 } },
          1,
          4097,
          "OVMF table: size 4097, there are 4064 bytes before its end" },
        { "the table is smaller than its own header",
          { { &clo_guid_ovmf_sev_metadata, FOUR, 0 } },
          1,
          17,
          "OVMF table: size 17, there are 4064 bytes before its end" },
        { "an entry begins before the table",
          { { &clo_guid_ovmf_sev_metadata, FOUR, 0 }, { &clo_guid_ovmf_sev_hashes, FOUR, 45 } },
          2,
          0,
          "OVMF table: entry 7255371f-3a3b-4b04-927b-1da6efa8d454: size 45, the table has 44 "
          "bytes" },
        { "an entry smaller than its header",
          { { &clo_guid_ovmf_sev_hashes, FOUR, 17 } },
          1,
          0,
          "OVMF table: entry 7255371f-3a3b-4b04-927b-1da6efa8d454: size 17, the table has 22 "
          "bytes" },
        { "bytes before the first entry",
          { { &clo_guid_ovmf_sev_hashes, FOUR, 20 } },
          1,
          0,
          "OVMF table: 2 bytes left over before the first entry" },
        { "an entry twice",
          { { &clo_guid_ovmf_sev_hashes, FOUR, 0 }, { &clo_guid_ovmf_sev_hashes, FOUR, 0 } },
          2,
          0,
          "OVMF table: entry 7255371f-3a3b-4b04-927b-1da6efa8d454: is there twice" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        struct clo_ovmf ovmf;
        struct clo_error err;
        make_ovmf(4096, cases[i].items, cases[i].count, cases[i].table_size, &image);
        CHECK(!clo_ovmf_parse(clo_buffer_bytes(&image), &ovmf, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_too_many_entries(void **state)
{
    struct clo_guid guids[CLO_OVMF_ENTRIES_MAX + 1] = { 0 };
    struct ovmf_item items[CLO_OVMF_ENTRIES_MAX + 1] = { 0 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(items); i++) {
        guids[i].bytes[0] = (uint8_t)i;
        items[i].guid = &guids[i];
    }
    for (size_t count = CLO_OVMF_ENTRIES_MAX; count <= CLO_COUNT(items); count++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        struct clo_ovmf ovmf;
        struct clo_error err;
        make_ovmf(4096, items, count, 0, &image);
        bool ok = clo_ovmf_parse(clo_buffer_bytes(&image), &ovmf, &err);
        CHECK(ok == (count == CLO_OVMF_ENTRIES_MAX), "64, 65");
        CHECK(ok || strcmp(err.text, "OVMF table: more than 64 entries") == 0, err.text);
    }
}

static void test_metadata_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t offset[4];
        const char *error;
    } cases[] = {
        { "beyond the end",
          { 0, 0, 0, 0 },
          "OVMF table: entry dc886566-984a-4798-a75e-5585a7bf67cc: 0x0 bytes from the end, the "
          "image has 0x1000" },
        { "before the beginning",
          { 1, 0x10, 0, 0 },
          "OVMF table: entry dc886566-984a-4798-a75e-5585a7bf67cc: 0x1001 bytes from the end, "
          "the image has 0x1000" },
        { "the whole image", { 0, 0x10, 0, 0 }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct ovmf_item item = { &clo_guid_ovmf_sev_metadata, { cases[i].offset, 4 }, 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        struct clo_bytes metadata;
        struct clo_ovmf ovmf;
        struct clo_error err;
        make_ovmf(4096, &item, 1, 0, &image);
        CHECK(clo_ovmf_parse(clo_buffer_bytes(&image), &ovmf, &err), err.text);
        bool ok = clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_sev_metadata, &metadata, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* Cut off at either end: without a footer where it belongs there is no table; with it and less
 * before it than it says, an error. */
static void test_truncations(void **state)
{
    const struct ovmf_item item = { &clo_guid_ovmf_sev_metadata, FOUR, 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_ovmf ovmf;
    struct clo_error err;

    (void)state;
    make_ovmf(128, &item, 1, 0, &image);
    struct clo_bytes whole = clo_buffer_bytes(&image);
    for (size_t size = 0; size < whole.size; size++) {
        CHECK(clo_ovmf_parse(clo_bytes_slice(whole, 0, size), &ovmf, &err) && ovmf.count == 0,
              "the end is cut");
        bool ok = clo_ovmf_parse(clo_bytes_slice(whole, whole.size - size, size), &ovmf, &err);
        CHECK(ok == (size < 32 + 18 || size >= 32 + 18 + 22), "the beginning is cut");
        CHECK(!ok || ovmf.count == (size < 32 + 18 + 22 ? 0 : 1), "the beginning is cut");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_guids),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many_entries),
        cmocka_unit_test(test_metadata_refused),
        cmocka_unit_test(test_truncations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
