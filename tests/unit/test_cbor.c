#include "lib/base/cbor.h"

#include "cloister/encoding.h"
#include "test.h"

static void read_hex(const char *hex, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_hex_read(clo_bytes_text(hex), out, &err))
        fail_msg("%s: %s", hex, err.text);
}

/* RFC 8949, appendix A. */
static void test_heads(void **state)
{
    static const struct {
        enum clo_cbor_type type;
        uint64_t value;
        const char *hex;
    } cases[] = {
        { CLO_CBOR_UINT, 0, "00" },
        { CLO_CBOR_UINT, 23, "17" },
        { CLO_CBOR_UINT, 24, "1818" },
        { CLO_CBOR_UINT, 100, "1864" },
        { CLO_CBOR_UINT, 1000, "1903e8" },
        { CLO_CBOR_UINT, 1000000, "1a000f4240" },
        { CLO_CBOR_UINT, 1000000000000, "1b000000e8d4a51000" },
        { CLO_CBOR_UINT, UINT64_MAX, "1bffffffffffffffff" },
        { CLO_CBOR_NEGATIVE, 999, "3903e7" },
        { CLO_CBOR_TAG, 61, "d83d" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        read_hex(cases[i].hex, &expected);
        clo_cbor_write(&out, cases[i].type, cases[i].value);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out), clo_buffer_bytes(&expected)), cases[i].hex);
        struct clo_reader r = clo_reader(clo_buffer_bytes(&out));
        CHECK(clo_cbor_peek(&r) == cases[i].type, cases[i].hex);
        CHECK(clo_cbor_read(&r, cases[i].type) == cases[i].value, cases[i].hex);
        CHECK(clo_reader_ok(&r) && clo_reader_left(&r) == 0, cases[i].hex);
        for (size_t size = 0; size < out.size; size++) {
            r = clo_reader(clo_bytes_slice(clo_buffer_bytes(&out), 0, size));
            CHECK(clo_cbor_read(&r, cases[i].type) == 0 && !clo_reader_ok(&r), cases[i].hex);
        }
    }
}

static void test_strings(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)state;
    clo_cbor_text(&out, "IETF");
    clo_cbor_bytes(&out, clo_bytes("\1\2", 2));
    struct clo_reader r = clo_reader(clo_buffer_bytes(&out));
    CHECK(clo_bytes_equal(clo_cbor_read_string(&r, CLO_CBOR_TEXT), clo_bytes_text("IETF")), "text");
    CHECK(clo_bytes_equal(clo_cbor_read_string(&r, CLO_CBOR_BYTES), clo_bytes("\1\2", 2)), "bytes");
    CHECK(clo_reader_ok(&r), "both");
    r = clo_reader(clo_buffer_bytes(&out));
    CHECK(clo_cbor_read_string(&r, CLO_CBOR_BYTES).size == 0 && !clo_reader_ok(&r), "other type");
}

/* What is longer than it needs to be, has no length, or promises more than there is. */
static void test_refused(void **state)
{
    static const char *const cases[] = {
        "1817",
        "190018",
        "1a00000100",
        "1b0000000000000001",
        "1c",
        "5f",
        "9f",
        "9a7fffffff",
        "5b7fffffffffffffff",
        "a182",
        "bb8000000000000000",
        "f818",
        "62",
        "8201",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        read_hex(cases[i], &in);
        struct clo_reader r = clo_reader(clo_buffer_bytes(&in));
        clo_cbor_skip(&r);
        CHECK(!clo_reader_ok(&r), cases[i]);
    }
}

static void test_skip(void **state)
{
    static const char *const cases[] = {
        "a26161016162820203", "d9010081f6", "fb3ff199999999999a", "f5", "80", "a0", "f8ff"
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer deep = { 0 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        read_hex(cases[i], &in);
        struct clo_reader r = clo_reader(clo_buffer_bytes(&in));
        clo_cbor_skip(&r);
        CHECK(clo_reader_ok(&r) && clo_reader_left(&r) == 0, cases[i]);
    }
    for (size_t i = 0; i < 100000; i++)
        clo_buffer_u8(&deep, 0x81);
    clo_buffer_u8(&deep, 0);
    struct clo_reader r = clo_reader(clo_buffer_bytes(&deep));
    clo_cbor_skip(&r);
    CHECK(!clo_reader_ok(&r), "nesting without end is refused, not followed");
}

static void test_count(void **state)
{
    (void)state;
    struct clo_reader r = clo_reader(clo_bytes("\x83\1\2\3", 4));
    CHECK(clo_cbor_read_count(&r, CLO_CBOR_ARRAY, 3) == 3 && clo_reader_ok(&r), "three");
    r = clo_reader(clo_bytes("\x83\1\2\3", 4));
    CHECK(clo_cbor_read_count(&r, CLO_CBOR_ARRAY, 2) == 0 && !clo_reader_ok(&r), "above the limit");
    r = clo_reader(clo_bytes("\xa2\1\2\3", 4));
    CHECK(clo_cbor_read_count(&r, CLO_CBOR_MAP, 9) == 0 && !clo_reader_ok(&r), "half a pair");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),   cmocka_unit_test(test_strings),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_skip),
        cmocka_unit_test(test_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
