/* dm-integrity's layout: as the kernel (6.12) chose it for disks that cryptsetup made, and superblocks that are none of ours. */
#include "lib/disk/integrity.h"

#include "test.h"

#define SIZE ((uint64_t)49152 * 512) /* 24 MiB */

/* superblock_of the layout, with a byte changed. */
static void make(const struct clo_integrity *integrity, struct clo_buffer *out)
{
    struct clo_error err;

    out->size = 0;
    CHECK(clo_integrity_write(integrity, out, &err), err.text);
    CHECK(out->size == CLO_INTEGRITY_SUPERBLOCK, "its size");
}

/* Disks of 24 MiB behind a LUKS2 header, made by cryptsetup 2.6.1 under Linux 6.12.117. */
static void test_of_the_kernel(void **state)
{
    static const struct {
        unsigned block, sections;
        uint64_t section, first, data, provided; /* sectors */
    } cases[] = {
        { 512, 7, 88, 624, 2672, 44432 },
        { 4096, 2, 264, 536, 792, 48104 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_integrity integrity = { .block_size = cases[i].block,
                                           .tag_size = 32,
                                           .journal_sections = cases[i].sections,
                                           .provided = cases[i].provided * 512 };
        struct clo_integrity more = integrity;
        struct clo_error err;
        make(&integrity, &bytes);
        CHECK(clo_integrity_parse(clo_buffer_bytes(&bytes), SIZE, &integrity, &err), err.text);
        CHECK(integrity.section == cases[i].section && integrity.first == cases[i].first,
              "journal");
        CHECK(clo_integrity_tag_at(&integrity, 0) == cases[i].first * 512, "tags");
        CHECK(clo_integrity_data_at(&integrity, 0) == cases[i].data * 512, "data");
        more.provided += 8 * 512;
        make(&more, &bytes);
        CHECK(!clo_integrity_parse(clo_buffer_bytes(&bytes), SIZE, &more, &err),
              "eight sectors more");
    }
}

static void test_plan(void **state)
{
    static const unsigned blocks[] = { 512, 4096 };
    static const uint64_t sizes[] = { 1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 1000, 16384, 20000 };

    (void)state;
    for (size_t b = 0; b < CLO_COUNT(blocks); b++)
        for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
            struct clo_integrity integrity;
            uint64_t data = sizes[i] << 20, size;
            struct clo_error err;
            CHECK(clo_integrity_size(data, blocks[b], 32, &size, &err), err.text);
            CHECK(clo_integrity_plan(size, blocks[b], 32, &integrity, &err), err.text);
            CHECK(integrity.provided >= data && integrity.provided % 4096 == 0, "room");
            CHECK(clo_integrity_data_at(&integrity, integrity.provided - 512) < size, "inside");
            CHECK(clo_integrity_data_at(&integrity, integrity.provided + 4096 - 512) + 512 > size,
                  "as much as there is room for");
            CHECK(!clo_integrity_plan(size - (1 << 20), blocks[b], 32, &integrity, &err) ||
                          integrity.provided < data,
                  "and not a MiB too much");
        }
}

static void test_places(void **state)
{
    struct clo_integrity integrity;
    struct clo_error err;

    (void)state;
    CHECK(clo_integrity_plan((uint64_t)64 << 20, 4096, 32, &integrity, &err), err.text);
    CHECK(integrity.run == 256 && integrity.journal_sections == 3, "numbers");
    uint64_t area = CLO_INTEGRITY_AREA;
    uint64_t tags = clo_integrity_tag_at(&integrity, 0);
    CHECK(tags == (8 + 3 * 264) * 512, "after superblock and journal");
    CHECK(clo_integrity_tag_at(&integrity, 4096) == tags + 32, "packed");
    CHECK(clo_integrity_data_at(&integrity, area - 512) == tags + 256 * 512 + area - 512, "area 0");
    CHECK(clo_integrity_tag_at(&integrity, area) == tags + 256 * 512 + area, "tags of area 1");
    CHECK(clo_integrity_data_at(&integrity, area) == tags + 2 * 256 * 512 + area, "area 1");
}

static uint64_t le64(const uint8_t *at)
{
    struct clo_reader r = clo_reader(clo_bytes(at, 8));

    return clo_read_le64(&r);
}

/* Unused entries and commit ids; a kernel that finds others there gives errors for all that is read. */
static void test_journal(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer section = { 0 };
    struct clo_integrity integrity;
    struct clo_error err;

    (void)state;
    CHECK(clo_integrity_plan(SIZE, 512, 32, &integrity, &err), err.text);
    CHECK(clo_integrity_write_section(&integrity, 3, &section, &err), err.text);
    CHECK(section.size == 88 * 512, "its size");
    for (uint64_t i = 0; i < 88; i++) {
        const uint8_t *sector = section.data + i * 512;
        CHECK(le64(sector + 504) == (0x1111111111111111ULL ^ (uint64_t)3 << 32 ^ i), "commit id");
        for (unsigned entry = 0; entry < 10; entry++)
            CHECK(le64(sector + entry * 48) == (i < 8 ? 0xffffffff00000000ULL : 0), "entry");
        CHECK(clo_bytes_all(clo_bytes(sector + 480, 24), 0), "the rest");
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
        { "another magic", 0, 'I', "integrity: no superblock" },
        { "an older version", 8, 3, "integrity: version 3: only 4 and 5 are known" },
        { "a newer version", 8, 6, "integrity: version 6: only 4 and 5 are known" },
        { "interleave", 9, 16, "integrity: interleaved by 2^16 sectors: only 2^15 is allowed" },
        { "no tags", 10, 0, "integrity: tags of 0 bytes: at most 64 are known" },
        { "tags of 65 bytes", 10, 65, "integrity: tags of 65 bytes: at most 64 are known" },
        { "an endless journal", 15, 0xff, "integrity: a journal of 4278190081 sections" },
        { "more than there is room for", 18, 0xff,
          "integrity: 8581144576 bytes of data do not fit the partition" },
        { "more than any disk", 23, 0xff, "integrity: 18374686479671672048 sectors of data" },
        { "a journal with MACs", 24, 0x09, "integrity: flags 0x9: only 0x8 is allowed" },
        { "recalculating", 24, 0x0a, "integrity: flags 0xa: only 0x8 is allowed" },
        { "a dirty bitmap", 24, 0x0c, "integrity: flags 0xc: only 0x8 is allowed" },
        { "tags inline", 24, 0x28, "integrity: flags 0x28: only 0x8 is allowed" },
        { "the old padding", 24, 0, "integrity: flags 0x0: only 0x8 is allowed" },
        { "blocks of 1024", 28, 1, "integrity: blocks of 1024 bytes: only 512 and 4096 are known" },
        { "blocks beyond number", 28, 32,
          "integrity: blocks of 0 bytes: only 512 and 4096 are known" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_integrity integrity, found;
    struct clo_error err;

    (void)state;
    CHECK(clo_integrity_plan(SIZE, 4096, 32, &integrity, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        make(&integrity, &bytes);
        bytes.data[cases[i].at] = cases[i].value;
        CHECK(!clo_integrity_parse(clo_buffer_bytes(&bytes), SIZE, &found, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    make(&integrity, &bytes);
    for (size_t size = 0; size < 29; size++)
        CHECK(!clo_integrity_parse(clo_bytes(bytes.data, size), SIZE, &found, &err), "cut short");
    CHECK(clo_integrity_parse(clo_buffer_bytes(&bytes), SIZE, &found, &err), err.text);
    CHECK(!clo_integrity_plan(8 << 10, 4096, 32, &found, &err), "a device of 8 KiB");
    CHECK(!clo_integrity_plan(SIZE, 1024, 32, &found, &err), "blocks of 1024");
    CHECK(!clo_integrity_plan(UINT64_MAX, 512, 32, &found, &err), "larger than all");
    CHECK(!clo_integrity_size(0, 512, 32, &(uint64_t){ 0 }, &err), "no data");
    CHECK(!clo_integrity_size(UINT64_MAX, 512, 32, &(uint64_t){ 0 }, &err), "data larger than all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_the_kernel), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_places),        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
