#include "lib/base/protobuf.h"

#include "test.h"

static void test_fields(void **state)
{
    /* 1: 150; 2: "ab"; 3: eight bytes; 4: four bytes */
    static const uint8_t message[] = { 0x08, 0x96, 0x01, 0x12, 2, 'a',  'b', 0x19, 1, 2, 3,
                                       4,    5,    6,    7,    8, 0x25, 1,   2,    3, 4 };
    struct clo_reader r = clo_reader(clo_bytes(message, sizeof message));
    struct clo_protobuf_field field;

    (void)state;
    CHECK(clo_protobuf_next(&r, &field) && field.number == 1 && field.value == 150, "a number");
    CHECK(clo_protobuf_next(&r, &field) && field.number == 2 &&
                  clo_bytes_equal(field.bytes, clo_bytes_text("ab")),
          "bytes");
    CHECK(clo_protobuf_next(&r, &field) && field.number == 3 && field.bytes.size == 8, "64 bits");
    CHECK(clo_protobuf_next(&r, &field) && field.number == 4 && field.bytes.size == 4, "32 bits");
    CHECK(!clo_protobuf_next(&r, &field) && clo_reader_ok(&r), "the end");
}

static void test_malformed(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        { "a field without number", { 0x00, 1 }, 2 },
        { "a group", { 0x0b, 0 }, 2 },
        { "bytes that are cut short", { 0x12, 3, 'a', 'b' }, 4 },
        { "a length beyond all memory", { 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f }, 6 },
        { "a number without end",
          { 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 },
          12 },
        { "a number that is cut short", { 0x08, 0x80 }, 2 },
        { "64 bits that are cut short", { 0x19, 1, 2, 3 }, 4 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_reader r = clo_reader(clo_bytes(cases[i].bytes, cases[i].size));
        struct clo_protobuf_field field;
        CHECK(!clo_protobuf_next(&r, &field) && !clo_reader_ok(&r), cases[i].name);
    }
}

static void test_entry(void **state)
{
    static const uint8_t entry[] = { 0x08, 7, 0x12, 1, 'x' };
    static const uint8_t cut[] = { 0x08, 7, 0x12, 2, 'x' };
    struct clo_bytes value;
    uint64_t key;

    (void)state;
    CHECK(clo_protobuf_entry(clo_bytes(entry, sizeof entry), &key, &value) && key == 7 &&
                  clo_bytes_equal(value, clo_bytes_text("x")),
          "an entry");
    CHECK(clo_protobuf_entry(clo_bytes(entry, 0), &key, &value) && key == 0 && value.size == 0,
          "both left out");
    CHECK(!clo_protobuf_entry(clo_bytes(cut, sizeof cut), &key, &value), "cut short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
