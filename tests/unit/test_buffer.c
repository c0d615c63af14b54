#include "cloister/base.h"
#include "lib/base/put.h"

#include "test.h"

static void numbers_have_their_byte_order(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };

    (void)state;
    clo_buffer_u8(&buffer, 0x01);
    clo_buffer_le16(&buffer, 0x0203);
    clo_buffer_le32(&buffer, 0x04050607);
    clo_buffer_le64(&buffer, 0x08090a0b0c0d0e0f);
    clo_buffer_be16(&buffer, 0x1011);
    clo_buffer_be32(&buffer, 0x12131415);
    clo_buffer_be64(&buffer, 0x161718191a1b1c1d);
    CHECK(clo_buffer_ok(&buffer), "appended");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&buffer),
                          from_hex("01 0302 07060504 0f0e0d0c0b0a0908 1011 12131415"
                                   "161718191a1b1c1d",
                                   &expected)),
          "byte order");
}

/* Of a size that is worth pages of its own: full of zeros, with room for what follows, and within its limit. */
static void many_zeros(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer limited = { .limit = 4 << 20 };
    const size_t size = 4 << 20;

    (void)state;
    clo_buffer_zero(&buffer, size);
    CHECK(buffer.size == size && buffer.data[0] == 0 && buffer.data[size - 1] == 0, "zeros");
    clo_buffer_zero(&buffer, size);
    clo_buffer_text(&buffer, "end");
    CHECK(buffer.size == 2 * size + 3 && memcmp(buffer.data + 2 * size, "end", 3) == 0, "more");
    clo_buffer_zero(&limited, size + 1);
    CHECK(!clo_buffer_ok(&limited) && limited.size == 0, "over the limit");
}

static void padding_is_zero(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };

    (void)state;
    clo_buffer_align(&buffer, 8);
    CHECK(buffer.size == 0, "an empty buffer is aligned");
    clo_buffer_text(&buffer, "abc");
    clo_buffer_align(&buffer, 8);
    CHECK(buffer.size == 8 && memcmp(buffer.data, "abc\0\0\0\0", 8) == 0, "padded");
    clo_buffer_align(&buffer, 8);
    CHECK(buffer.size == 8, "already aligned");
    clo_buffer_zero(&buffer, 3);
    clo_buffer_zero(&buffer, 0);
    CHECK(buffer.size == 11 && clo_bytes_all(clo_bytes_slice(clo_buffer_bytes(&buffer), 8, 3), 0),
          "zeros");
}

static void a_limit_latches(void **state)
{
    static const struct {
        const char *name;
        size_t limit, first, second;
        bool ok;
    } cases[] = {
        { "exactly the limit", 10, 4, 6, true },
        { "one too many", 10, 4, 7, false },
        { "all at once", 10, 11, 0, false },
        { "no limit", 0, 4000, 5000, true },
    };
    static const uint8_t bytes[5000];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { .limit = cases[i].limit };
        clo_buffer_append(&buffer, clo_bytes(bytes, cases[i].first));
        clo_buffer_append(&buffer, clo_bytes(bytes, cases[i].second));
        CHECK(clo_buffer_ok(&buffer) == cases[i].ok, cases[i].name);
        if (cases[i].ok) {
            CHECK(buffer.size == cases[i].first + cases[i].second, cases[i].name);
            continue;
        }
        clo_buffer_u8(&buffer, 1);
        clo_buffer_printf(&buffer, "%d", 1);
        clo_buffer_zero(&buffer, 1);
        CHECK(buffer.failed && buffer.size <= cases[i].limit, "it stays failed");
        CHECK(clo_buffer_string(&buffer) == NULL, "it has no text");
    }
}

static void an_impossible_size_fails(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer overflowing = { 0 };

    (void)state;
    clo_buffer_reserve(&buffer, SIZE_MAX);
    CHECK(!clo_buffer_ok(&buffer), "the NUL after it overflows");
    clo_buffer_u8(&overflowing, 1);
    clo_buffer_reserve(&overflowing, SIZE_MAX);
    CHECK(!clo_buffer_ok(&overflowing), "the sum overflows");
}

static void reserved_room_does_not_move(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };

    (void)state;
    clo_buffer_reserve(&buffer, 1000);
    const uint8_t *data = buffer.data;
    clo_buffer_zero(&buffer, 1000);
    CHECK(clo_buffer_string(&buffer) != NULL && buffer.data == data, "room for the NUL as well");
}

static void text_is_terminated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };

    (void)state;
    assert_string_equal(clo_buffer_string(&buffer), "");
    clo_buffer_printf(&buffer, "%s-%03d", "PCR", 7);
    assert_string_equal(clo_buffer_string(&buffer), "PCR-007");
    CHECK(buffer.size == 7, "the NUL is not counted");
    clo_buffer_text(&buffer, "!");
    assert_string_equal(clo_buffer_string(&buffer), "PCR-007!");
}

static void freeing_keeps_the_limit(void **state)
{
    struct clo_buffer buffer = { .limit = 4 };

    (void)state;
    clo_buffer_text(&buffer, "abcde");
    CHECK(!clo_buffer_ok(&buffer), "over the limit");
    clo_buffer_free(&buffer);
    CHECK(clo_buffer_ok(&buffer) && buffer.data == NULL && buffer.limit == 4, "as new");
    clo_buffer_text(&buffer, "abcd");
    CHECK(clo_buffer_ok(&buffer) && buffer.size == 4, "usable again");
    clo_buffer_free(&buffer);
}

static void fields_are_put_in_later(void **state)
{
    uint8_t bytes[8] = { 0xaa, 0, 0, 0, 0, 0, 0, 0xaa };

    (void)state;
    clo_put_le32(bytes + 1, 0x01020304);
    clo_put_le16(bytes + 5, 0x0506);
    CHECK(memcmp(bytes, "\xaa\x04\x03\x02\x01\x06\x05\xaa", 8) == 0, "little endian, in place");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_their_byte_order),
        cmocka_unit_test(padding_is_zero),
        cmocka_unit_test(many_zeros),
        cmocka_unit_test(a_limit_latches),
        cmocka_unit_test(an_impossible_size_fails),
        cmocka_unit_test(reserved_room_does_not_move),
        cmocka_unit_test(text_is_terminated),
        cmocka_unit_test(freeing_keeps_the_limit),
        cmocka_unit_test(fields_are_put_in_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
