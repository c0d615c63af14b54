#include "cloister/base.h"

#include "test.h"

static const uint8_t input[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
                                 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
                                 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f };

static void reads_in_order(void **state)
{
    struct clo_reader r = clo_reader(clo_bytes(input, sizeof input));

    (void)state;
    CHECK(clo_read_u8(&r) == 0x01, "u8");
    CHECK(clo_read_le16(&r) == 0x0302, "le16");
    CHECK(clo_read_be16(&r) == 0x0405, "be16");
    CHECK(clo_read_le32(&r) == 0x09080706, "le32");
    CHECK(clo_read_be32(&r) == 0x0a0b0c0d, "be32");
    CHECK(clo_read_le64(&r) == 0x1514131211100f0e, "le64");
    CHECK(clo_read_be64(&r) == 0x161718191a1b1c1d, "be64");
    CHECK(clo_reader_left(&r) == 2, "left");
    clo_read_skip(&r, 1);
    struct clo_bytes last = clo_read_bytes(&r, 1);
    CHECK(last.size == 1 && last.data == input + sizeof input - 1, "a view into the input");
    CHECK(clo_reader_ok(&r) && clo_reader_left(&r) == 0, "read to the end");
    CHECK(clo_read_bytes(&r, 0).size == 0 && clo_reader_ok(&r), "nothing can be read at the end");
}

static void a_short_read_latches(void **state)
{
    static const struct {
        const char *name;
        size_t size;
    } cases[] = {
        { "one more than there is", 4 },
        { "far more", 1 << 20 },
        { "so much that the sum overflows", SIZE_MAX },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_reader r = clo_reader(clo_bytes(input, 5));
        clo_read_skip(&r, 2);
        struct clo_bytes got = clo_read_bytes(&r, cases[i].size);
        CHECK(got.data == NULL && got.size == 0, cases[i].name);
        CHECK(!clo_reader_ok(&r), cases[i].name);
        CHECK(clo_reader_left(&r) == 0, cases[i].name);
        CHECK(clo_read_u8(&r) == 0, "later reads that would fit give zero too");
        CHECK(r.at == 2, "it says where it stopped");
    }
}

static void no_half_numbers(void **state)
{
    (void)state;
    for (size_t size = 0; size < 8; size++) {
        struct clo_reader r = clo_reader(clo_bytes(input, size));
        CHECK(clo_read_le64(&r) == 0 && !clo_reader_ok(&r), "le64 of fewer than 8 bytes");
        r = clo_reader(clo_bytes(input, size));
        CHECK(clo_read_be64(&r) == 0 && !clo_reader_ok(&r), "be64 of fewer than 8 bytes");
    }
    struct clo_reader r = clo_reader(clo_bytes(NULL, 0));
    CHECK(clo_reader_ok(&r) && clo_read_u8(&r) == 0 && !clo_reader_ok(&r), "an empty view");
}

/* The caller who looks at a place in a file sets it; that the file is shorter is found out by reading. */
static void a_place_behind_the_end(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3 };

    (void)state;
    for (size_t at = sizeof bytes + 1; at < sizeof bytes + 20; at++) {
        struct clo_reader r = clo_reader(clo_bytes(bytes, sizeof bytes));
        r.at = at;
        assert_int_equal(clo_reader_left(&r), 0);
        assert_int_equal(clo_read_u8(&r), 0);
        assert_false(clo_reader_ok(&r));
        r = clo_reader(clo_bytes(bytes, sizeof bytes));
        r.at = at;
        assert_int_equal(clo_read_le32(&r), 0);
        assert_int_equal(clo_read_be16(&r), 0);
        assert_null(clo_read_bytes(&r, 0).data);
        assert_false(clo_reader_ok(&r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_order),
        cmocka_unit_test(a_short_read_latches),
        cmocka_unit_test(no_half_numbers),
        cmocka_unit_test(a_place_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
