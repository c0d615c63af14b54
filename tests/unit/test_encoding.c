#include "cloister/encoding.h"

#include "test.h"

typedef bool (*reader)(struct clo_bytes, struct clo_buffer *, struct clo_error *);

/* `error` NULL: it is read as `hex`, and written back as it was if `write` is set. */
static const struct {
    const char *name;
    reader read;
    void (*write)(struct clo_bytes, struct clo_buffer *);
    const char *text, *hex, *error;
} cases[] = {
    { "hex: empty", clo_hex_read, clo_hex_write, "", "", NULL },
    { "hex", clo_hex_read, clo_hex_write, "00ff10ab", "00ff10ab", NULL },
    { "hex: upper case is read", clo_hex_read, NULL, "00FF10AB", "00ff10ab", NULL },
    { "hex: odd", clo_hex_read, NULL, "abc", "", "hex: 3 digits, an odd number" },
    { "hex: first no digit", clo_hex_read, NULL, "ag", "", "hex: no digit at character 1" },
    { "hex: second no digit", clo_hex_read, NULL, "abgb", "", "hex: no digit at character 2" },
    { "hex: 0x", clo_hex_read, NULL, "0xab", "", "hex: no digit at character 1" },
    { "hex: a space", clo_hex_read, NULL, "ab c", "", "hex: no digit at character 2" },
    /* RFC 4648, section 10. */
    { "base64: empty", clo_base64_read, clo_base64_write, "", "", NULL },
    { "base64: f", clo_base64_read, clo_base64_write, "Zg==", "66", NULL },
    { "base64: fo", clo_base64_read, clo_base64_write, "Zm8=", "666f", NULL },
    { "base64: foo", clo_base64_read, clo_base64_write, "Zm9v", "666f6f", NULL },
    { "base64: foob", clo_base64_read, clo_base64_write, "Zm9vYg==", "666f6f62", NULL },
    { "base64: fooba", clo_base64_read, clo_base64_write, "Zm9vYmE=", "666f6f6261", NULL },
    { "base64: foobar", clo_base64_read, clo_base64_write, "Zm9vYmFy", "666f6f626172", NULL },
    { "base64: plus and slash", clo_base64_read, clo_base64_write, "+/+/", "fbffbf", NULL },
    { "base64: url's letters", clo_base64_read, NULL, "-_-_", "", "base64: wrong character at 0" },
    { "base64: no padding", clo_base64_read, NULL, "Zg", "",
      "base64: 2 characters, not a multiple of 4" },
    { "base64: padding only", clo_base64_read, NULL, "====", "", "base64: wrong character at 0" },
    { "base64: three paddings", clo_base64_read, NULL, "Z===", "", "base64: wrong character at 1" },
    { "base64: padding inside", clo_base64_read, NULL, "Zg==Zg==", "",
      "base64: wrong character at 2" },
    { "base64: bits left over", clo_base64_read, NULL, "Zh==", "",
      "base64: bits left over at the end" },
    { "base64: bits left over in three", clo_base64_read, NULL, "Zm9=", "",
      "base64: bits left over at the end" },
    { "base64: a line break", clo_base64_read, NULL, "Zm9\nZm9v", "",
      "base64: wrong character at 3" },
    { "base64url: empty", clo_base64url_read, clo_base64url_write, "", "", NULL },
    { "base64url: f", clo_base64url_read, clo_base64url_write, "Zg", "66", NULL },
    { "base64url: fo", clo_base64url_read, clo_base64url_write, "Zm8", "666f", NULL },
    { "base64url", clo_base64url_read, clo_base64url_write, "-_-_", "fbffbf", NULL },
    { "base64url: padding", clo_base64url_read, NULL, "Zg==", "", "base64: wrong character at 2" },
    { "base64url, padded: f", clo_base64url_read_padded, NULL, "Zg==", "66", NULL },
    { "base64url, padded: fo", clo_base64url_read_padded, NULL, "-_8=", "fbff", NULL },
    { "base64url, padded: not padded", clo_base64url_read_padded, NULL, "-_8", "fbff", NULL },
    { "base64url, padded: one too few", clo_base64url_read_padded, NULL, "Zg=", "",
      "base64: wrong character at 2" },
    { "base64url, padded: three", clo_base64url_read_padded, NULL, "Z===", "",
      "base64: wrong character at 1" },
    { "base64url: base64's letters", clo_base64url_read, NULL, "+/+/", "",
      "base64: wrong character at 0" },
    { "base64url: one left", clo_base64url_read, NULL, "Zm9vY", "",
      "base64: 5 characters cannot be" },
    { "base64url: bits left over", clo_base64url_read, NULL, "Zh", "",
      "base64: bits left over at the end" },
};

static void text_and_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        struct clo_error err = { 0 };
        bool ok = cases[i].read(clo_bytes_text(cases[i].text), &out, &err);

        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(ok || err.status == CLO_ERR_FORMAT, cases[i].name);
        if (!ok)
            continue;
        struct clo_bytes bytes = from_hex(cases[i].hex, &expected);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out), bytes), cases[i].name);
        if (cases[i].write == NULL)
            continue;
        cases[i].write(bytes, &again);
        CHECK(strcmp(clo_buffer_string(&again), cases[i].text) == 0, cases[i].name);
    }
}

static void limits_are_kept(void **state)
{
    static const reader readers[] = { clo_hex_read, clo_base64_read, clo_base64url_read };
    static const char *const errors[] = { "hex: more than 5 bytes", "base64: more than 5 bytes",
                                          "base64: more than 5 bytes" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(readers); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { .limit = 5 };
        struct clo_error err;
        CHECK(!readers[i](clo_bytes_text("abababababab"), &out, &err), errors[i]);
        CHECK(strcmp(err.text, errors[i]) == 0, errors[i]);
    }
}

static void hex_for_a_line(void **state)
{
    char text[9];

    (void)state;
    assert_string_equal(clo_hex_text(clo_bytes("\x00\x9f\xf0\x01", 4), text), "009ff001");
    assert_string_equal(clo_hex_text(clo_bytes(NULL, 0), text), "");
}

/* UEFI 2.10, appendix A: the first three fields are little endian. */
static void guids(void **state)
{
    static const struct {
        const char *name, *text, *hex, *error;
    } guid_cases[] = {
        { "EFI_GLOBAL_VARIABLE", "8be4df61-93ca-11d2-aa0d-00e098032b8c",
          "61dfe48bca93d211aa0d00e098032b8c", NULL },
        { "upper case", "8BE4DF61-93CA-11D2-AA0D-00E098032B8C", "61dfe48bca93d211aa0d00e098032b8c",
          NULL },
        { "empty", "", NULL, "GUID: 0 characters, expected 36" },
        { "one short", "8be4df61-93ca-11d2-aa0d-00e098032b8", NULL,
          "GUID: 35 characters, expected 36" },
        { "in braces", "{8be4df61-93ca-11d2-aa0d-00e098032b8c}", NULL,
          "GUID: 38 characters, expected 36" },
        { "no digit", "8be4dg61-93ca-11d2-aa0d-00e098032b8c", NULL, "GUID: wrong character at 5" },
        { "a dash moved", "8be4df6-193ca-11d2-aa0d-00e098032b8c", NULL,
          "GUID: wrong character at 7" },
        { "a digit for a dash", "8be4df61a93ca-11d2-aa0d-00e098032b8c", NULL,
          "GUID: wrong character at 8" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(guid_cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        struct clo_guid guid;
        struct clo_error err;
        char text[CLO_GUID_TEXT];
        bool ok = clo_guid_read(guid_cases[i].text, &guid, &err);

        CHECK(ok == (guid_cases[i].error == NULL), guid_cases[i].name);
        CHECK(ok || strcmp(err.text, guid_cases[i].error) == 0, guid_cases[i].name);
        if (!ok)
            continue;
        CHECK(clo_bytes_equal(clo_bytes(guid.bytes, 16), from_hex(guid_cases[i].hex, &expected)),
              guid_cases[i].name);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
        clo_buffer_guid(&written, &guid);
        struct clo_reader r = clo_reader(clo_buffer_bytes(&written));
        struct clo_guid again = clo_read_guid(&r);
        CHECK(clo_guid_equal(&guid, &again) && clo_reader_left(&r) == 0, guid_cases[i].name);
        CHECK(strcasecmp(clo_guid_text(&guid, text), guid_cases[i].text) == 0, guid_cases[i].name);
        struct clo_guid other = guid;
        CHECK(clo_guid_equal(&guid, &other), guid_cases[i].name);
        other.bytes[15] ^= 1;
        CHECK(!clo_guid_equal(&guid, &other), guid_cases[i].name);
    }
}

static void utf16_written(void **state)
{
    static const struct {
        const char *name, *text, *hex, *error;
    } written[] = {
        { "empty", "", "", NULL },
        { "ASCII", "db", "64006200", NULL },
        { "two bytes", "\u00fc", "fc00", NULL },
        { "three bytes", "\u20ac", "ac20", NULL },
        { "a surrogate pair", "\U0001f512", "3dd812dd", NULL },
        { "the last code point", "\U0010ffff", "ffdbffdf", NULL },
        { "overlong", "a\xc0\x80", NULL, "not UTF-8 at byte 1" },
        { "a surrogate", "\xed\xa0\x80", NULL, "not UTF-8 at byte 0" },
        { "beyond Unicode", "\xf4\x90\x80\x80", NULL, "not UTF-8 at byte 0" },
        { "cut short", "ab\xe2\x82", NULL, "not UTF-8 at byte 2" },
        { "a continuation byte alone", "\x80", NULL, "not UTF-8 at byte 0" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(written); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        struct clo_error err;
        bool ok = clo_utf16_write(written[i].text, &out, &err);

        CHECK(ok == (written[i].error == NULL), written[i].name);
        CHECK(ok || strcmp(err.text, written[i].error) == 0, written[i].name);
        if (!ok)
            continue;
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out), from_hex(written[i].hex, &expected)),
              written[i].name);
        clo_utf16_text(clo_buffer_bytes(&out), &again);
        CHECK(strcmp(clo_buffer_string(&again), written[i].text) == 0, written[i].name);
    }
}

static void utf16_that_is_no_text(void **state)
{
    static const struct {
        const char *name, *hex, *text;
    } broken[] = {
        { "a high surrogate at the end", "61003dd8", "a\ufffd" },
        { "a high surrogate before a letter", "3dd86100",
          "\ufffd"
          "a" },
        { "a low surrogate first", "12dd6100",
          "\ufffd"
          "a" },
        { "two high ones and a low one", "3dd83dd812dd", "\ufffd\U0001f512" },
        { "an odd byte", "610062", "a\ufffd" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(broken); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        clo_utf16_text(from_hex(broken[i].hex, &in), &out);
        CHECK(strcmp(clo_buffer_string(&out), broken[i].text) == 0, broken[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_bytes), cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(hex_for_a_line), cmocka_unit_test(guids),
        cmocka_unit_test(utf16_written),  cmocka_unit_test(utf16_that_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
