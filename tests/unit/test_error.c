#include "cloister/base.h"

#include "test.h"

static void context_reads_outside_in(void **state)
{
    struct clo_error err;

    (void)state;
    CHECK(!clo_fail(&err, CLO_ERR_FORMAT, "ends at 0x%x", 0x5000), "clo_fail is false");
    CHECK(!clo_wrap(&err, "section %s", ".linux"), "clo_wrap is false");
    CHECK(!clo_wrap(&err, "boot.efi"), "clo_wrap is false");
    assert_string_equal(err.text, "boot.efi: section .linux: ends at 0x5000");
    assert_int_equal(err.status, CLO_ERR_FORMAT);
}

static void text_is_made_harmless(void **state)
{
    static const struct {
        const char *name, *in, *out;
    } cases[] = {
        { "plain", "a quote's \"value\"", "a quote's \"value\"" },
        { "a second line", "one\ncloister: all is well", "one?cloister: all is well" },
        { "an escape sequence", "\x1b[2Jcleared", "?[2Jcleared" },
        { "a delete", "a\x7f", "a?" },
        { "a carriage return and tab", "a\rb\tc", "a?b?c" },
        { "umlaut, kanji and emoji stay", "\u00fc \u6f22 \U0001f512", "\u00fc \u6f22 \U0001f512" },
        { "a C1 control (CSI)",
          "\xc2\x9b"
          "31m",
          "??31m" },
        { "a lone continuation byte",
          "\x80"
          "a",
          "?a" },
        { "an overlong slash", "\xc0\xaf", "??" },
        { "an overlong slash of three", "\xe0\x80\xaf", "???" },
        { "a surrogate", "\xed\xa0\x80", "???" },
        { "beyond Unicode", "\xf4\x90\x80\x80", "????" },
        { "cut in the middle", "a\xe6\xbc", "a??" },
        { "a byte no UTF-8 has", "\xff", "?" },
        { "an override of the direction", "a\u202etxt.exe", "a???txt.exe" },
        { "isolates and marks", "\u2066\u2069\u200e\u061c",
          "???"
          "???"
          "???"
          "??" },
        { "their neighbours stay", "\u2013\u2026\u202f\u2070\u061b",
          "\u2013\u2026\u202f\u2070\u061b" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err;
        clo_fail(&err, CLO_ERR_FORMAT, "%s", cases[i].in);
        CHECK(strcmp(err.text, cases[i].out) == 0, cases[i].name);
        clo_fail(&err, CLO_ERR_FORMAT, "inner");
        clo_wrap(&err, "%s", cases[i].in);
        CHECK(strncmp(err.text, cases[i].out, strlen(cases[i].out)) == 0, cases[i].name);
    }
}

static void long_text_is_cut(void **state)
{
    struct clo_error err;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    clo_fail(&err, CLO_ERR_SYSTEM, "%s", text);
    CHECK(strlen(err.text) == sizeof err.text - 1, "filled and terminated");
    for (int i = 0; i < 5; i++)
        clo_wrap(&err, "file %d", i);
    CHECK(strncmp(err.text, "file 4: file 3: file 2:", 23) == 0, "the outer words stay");
    CHECK(strlen(err.text) == sizeof err.text - 1, "still terminated");
    clo_fail(&err, CLO_ERR_SYSTEM, "why");
    clo_wrap(&err, "%s", text);
    CHECK(strcmp(err.text + sizeof err.text / 2, ": why") == 0,
          "a context without end leaves room for the reason");
}

static void code_is_folder_and_kind(void **state)
{
    static const struct {
        const char *name, *file;
        enum clo_status status;
        const char *code;
    } cases[] = {
        { "a room of lib", "../lib/disk/gpt.c", CLO_ERR_FORMAT, "disk.format" },
        { "from the top", "/build/cloister/cli/uki/build.c", CLO_ERR_USAGE, "uki.usage" },
        { "a folder at the beginning", "guest/init.c", CLO_ERR_REFUSED, "guest.refused" },
        { "no folder", "main.c", CLO_ERR_SYSTEM, "" },
        { "the root of all files", "/main.c", CLO_ERR_SYSTEM, "" },
        { "a status that is none", "lib/disk/gpt.c", (enum clo_status)99, "" },
        { "no error", "lib/disk/gpt.c", CLO_OK, "" },
        { "nothing set the file", NULL, CLO_ERR_SYSTEM, "" },
    };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        clo_error_set(&err, cases[i].file, cases[i].status, "why");
        clo_wrap(&err, "where");
        CHECK(strcmp(clo_error_code(&err).text, cases[i].code) == 0, cases[i].name);
    }
    clo_fail(&err, CLO_ERR_UNVERIFIED, "why");
    assert_string_equal(clo_error_code(&err).text, "unit.unverified");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_reads_outside_in),
        cmocka_unit_test(text_is_made_harmless),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(code_is_folder_and_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
