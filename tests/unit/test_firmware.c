#include "lib/base/put.h"
#include "lib/launch/firmware.h"

#include "firmware_maker.h"

static const struct clo_guid names[] = { { { 1 } }, { { 2 } } };

/* Two files, the first with two sections, and free space. */
static void make_volume(struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sections = { 0 };

    volume_section(&sections, 0x19, clo_bytes_text("raw"));
    volume_large_section(&sections, CLO_SECTION_PE32, clo_bytes_text("image"));
    volume_begin(out);
    volume_file(out, &names[0], 6, clo_buffer_bytes(&sections));
    volume_file(out, &names[1], 4, clo_bytes_text("abc"));
    volume_end(out, 512);
}

static void test_walk(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_volume volume;
    struct clo_volume_file file;
    struct clo_volume_section section;
    struct clo_error err;
    size_t at = 0, inside = 0;

    (void)state;
    make_volume(&made);
    clo_buffer_text(&made, "what lies beyond");
    CHECK(clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), err.text);
    CHECK(volume.bytes.size == 512 && volume.first_file == 72, "where");
    CHECK(clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(clo_guid_equal(&file.name, &names[0]) && file.type == 6 && file.offset == 96, "first");
    CHECK(clo_volume_section_next(file.data, &inside, &section, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(section.type == 0x19 && section.header == 4 && section.offset == 4 &&
                  clo_bytes_equal(section.data, clo_bytes_text("raw")),
          "a section");
    CHECK(clo_volume_section_next(file.data, &inside, &section, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(section.type == CLO_SECTION_PE32 && section.header == 8 && section.offset == 16 &&
                  clo_bytes_equal(section.data, clo_bytes_text("image")),
          "a section with a large header");
    CHECK(clo_volume_section_next(file.data, &inside, &section, &err) == CLO_NEXT_END, "the last");
    CHECK(clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(clo_guid_equal(&file.name, &names[1]) &&
                  clo_bytes_equal(file.data, clo_bytes_text("abc")),
          "second");
    CHECK(clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_END, "the last");
    CHECK(clo_volume_find(&volume, &names[1], &file) && file.type == 4, "find");
    CHECK(!clo_volume_find(&volume, &(struct clo_guid){ { 3 } }, &file), "none");
}

/* The extended header says where the files begin. */
static void test_extended(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_volume volume;
    struct clo_volume_file file;
    struct clo_error err;
    size_t at = 0;

    (void)state;
    volume_begin(&made);
    clo_put_le16(made.data + 52, 72);
    clo_buffer_guid(&made, &names[0]);
    clo_buffer_le32(&made, 22);
    clo_buffer_zero(&made, 2);
    clo_buffer_zero(&made, 2);
    volume_file(&made, &names[1], 4, clo_bytes_text("abc"));
    volume_end(&made, 256);
    CHECK(clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), err.text);
    CHECK(volume.first_file == 96, "where");
    CHECK(clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_ITEM &&
                  clo_guid_equal(&file.name, &names[1]),
          "the first file");
    clo_put_le32(made.data + 88, 19);
    CHECK(!clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), "shorter than itself");
    CHECK(strcmp(err.text, "firmware volume: extended header at byte 72") == 0, err.text);
    clo_put_le32(made.data + 88, 185);
    CHECK(!clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), "longer than the volume");
    clo_put_le16(made.data + 52, 300);
    volume_sum(&made);
    CHECK(!clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), "beyond the volume");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        bool is_sum_right;
        const char *error;
    } cases[] = {
        { "no signature", 40, 'x', true, "firmware volume: no \"_FVH\" at byte 40" },
        { "another sum", 44, 0x77, false, "firmware volume: the header's sum does not hold" },
        { "larger than the file", 33, 3, true,
          "firmware volume: 768 bytes with a header of 72, there are 512" },
        { "a header that is too short", 48, 55, true,
          "firmware volume: 512 bytes with a header of 55, there are 512" },
        { "a header beyond the volume", 49, 9, true,
          "firmware volume: 512 bytes with a header of 2376, there are 512" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        struct clo_volume volume;
        struct clo_error err;
        make_volume(&made);
        made.data[cases[i].at] = cases[i].value;
        if (cases[i].is_sum_right)
            volume_sum(&made);
        CHECK(!clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_volume volume;
    struct clo_error err;
    make_volume(&made);
    for (size_t size = 0; size < made.size; size++)
        CHECK(!clo_volume_parse(clo_bytes_slice(clo_buffer_bytes(&made), 0, size), &volume, &err),
              "cut");
}

static void test_files_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { "a file beyond the volume", 72 + 21, 2, "firmware volume: file at 0x48: 5" },
        { "a file shorter than its header", 72 + 20, 23, "firmware volume: file at 0x48: 23 of" },
        { "a large file's size is not there", 72 + 19, 1, "firmware volume: file at 0x48: " },
        { "a section beyond the file", 96 + 1, 1, "section at 0x0: 263 of 21 bytes" },
        { "a section shorter than its header", 96, 3, "section at 0x0: 3 of 21 bytes" },
        { "a large section beyond the file", 96 + 12, 14, "section at 0x8: 14 of 13 bytes" },
        { "a large section shorter than its header", 96 + 12, 7, "section at 0x8: 7 of 13 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        struct clo_volume volume;
        struct clo_volume_file file;
        struct clo_volume_section section;
        struct clo_error err;
        size_t at = 0, inside = 0;
        make_volume(&made);
        made.data[cases[i].at] = cases[i].value;
        CHECK(clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), err.text);
        if (clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_ITEM)
            while (clo_volume_section_next(file.data, &inside, &section, &err) == CLO_NEXT_ITEM)
                continue;
        CHECK(err.status == CLO_ERR_FORMAT, cases[i].name);
        CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, err.text);
    }
}

static void test_unpack(void **state)
{
    static const size_t before[] = { 0, 0x1000, 0x84000 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pei = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer dxe = { 0 };
    struct clo_firmware firmware;
    struct clo_error err;

    (void)state;
    make_volume(&pei);
    volume_begin(&dxe);
    volume_end(&dxe, 128);
    for (size_t i = 0; i < CLO_COUNT(before); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer unpacked = { 0 };
        make_firmware(before[i], clo_buffer_bytes(&pei), clo_buffer_bytes(&dxe), &image);
        CHECK(clo_firmware_unpack(clo_buffer_bytes(&image), &unpacked, &firmware, &err), err.text);
        CHECK(clo_bytes_equal(firmware.pei.bytes, clo_buffer_bytes(&pei)), "PEI");
        CHECK(clo_bytes_equal(firmware.dxe.bytes, clo_buffer_bytes(&dxe)), "DXE");
    }
}

static void unpack_fails(struct clo_bytes image, const char *error)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer unpacked = { 0 };
    struct clo_firmware firmware;
    struct clo_error err;

    CHECK(!clo_firmware_unpack(image, &unpacked, &firmware, &err), error);
    CHECK(strncmp(err.text, error, strlen(error)) == 0, err.text);
}

/* The packed file with other content. */
static void pack(struct clo_bytes content, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sections = { 0 };

    firmware_guided(content, &sections);
    out->size = 0;
    volume_begin(out);
    volume_file(out, &names[0], 0x0b, clo_buffer_bytes(&sections));
    volume_end(out, 0x4000);
}

static void test_unpack_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };

    (void)state;
    make_volume(&volume);
    unpack_fails(clo_bytes(NULL, 0), "firmware: no volume that LZMA packed: no OVMF?");
    unpack_fails(clo_buffer_bytes(&volume), "firmware: no volume that LZMA packed: no OVMF?");
    pack(clo_bytes_text("text"), &image);
    unpack_fails(clo_buffer_bytes(&image), "firmware: section at 0x0: ");
    volume_section(&content, CLO_SECTION_VOLUME, clo_buffer_bytes(&volume));
    pack(clo_buffer_bytes(&content), &image);
    unpack_fails(clo_buffer_bytes(&image), "firmware: 1 volumes inside, expected two");
    volume_section(&content, CLO_SECTION_VOLUME, clo_buffer_bytes(&volume));
    volume_section(&content, CLO_SECTION_VOLUME, clo_buffer_bytes(&volume));
    pack(clo_buffer_bytes(&content), &image);
    unpack_fails(clo_buffer_bytes(&image), "firmware: more than two volumes inside");
    content.size = 0;
    volume_section(&content, CLO_SECTION_VOLUME, clo_bytes_text("no volume"));
    pack(clo_buffer_bytes(&content), &image);
    unpack_fails(clo_buffer_bytes(&image), "firmware: firmware volume: no \"_FVH\"");
    for (size_t i = 0; i < 40; i++) /* damages the stream */
        image.data[72 + 24 + 24 + 14 + i] ^= 0x55;
    unpack_fails(clo_buffer_bytes(&image), "firmware: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),    cmocka_unit_test(test_extended),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_unpack),  cmocka_unit_test(test_unpack_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
