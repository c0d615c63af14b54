#include "guest/smbios.h"

#include "test.h"

/* A structure of 4 bytes and its strings; what the kernel shows ends with one of type 127. */
#define END "7f040000 0000"

static const struct {
    const char *name, *hex, *error; /* error NULL: it is read */
    const char *strings;            /* "TYPE/INDEX=TEXT " of each */
} cases[] = {
    { "nothing", "", NULL, "" },
    { "no strings", "00040000 0000" END, NULL, "" },
    { "two strings", "0b050000 02 6162 00 6364 00 00" END, NULL, "11/1=ab 11/2=cd " },
    { "a longer formatted area", "01080000 01020304 73 00 00" END, NULL, "1/1=s " },
    { "after the end of the table", END "0b040000 61 00 00", NULL, "11/1=a " },
    { "a structure of two bytes", "0b020000 0000", "SMBIOS: a structure of 2 bytes at byte 0", "" },
    { "cut in the header", "0b", "SMBIOS: truncated at byte 1", "" },
    { "cut in the formatted area", "0b080000", "SMBIOS: truncated at byte 2", "" },
    { "cut in a string", "0b040000 6162", "SMBIOS: truncated at byte 4", "" },
    { "without the last NUL", "0b040000 61 00", "SMBIOS: truncated at byte 6", "11/1=a " },
    { "one NUL for no strings", "0b040000 00", "SMBIOS: truncated at byte 5", "" },
};

static bool append(void *context, unsigned type, unsigned index, struct clo_bytes text,
                   struct clo_error *err)
{
    (void)err;
    clo_buffer_printf(context, "%u/%u=%.*s ", type, index, (int)text.size, (const char *)text.data);
    return true;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer strings = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_smbios_walk(from_hex(cases[i].hex, &bytes), append, &strings, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(strcmp(clo_buffer_string(&strings), cases[i].strings) == 0, cases[i].name);
    }
}

static bool stop(void *context, unsigned type, unsigned index, struct clo_bytes text,
                 struct clo_error *err)
{
    (void)context;
    (void)index;
    (void)text;
    return clo_fail(err, CLO_ERR_REFUSED, "type %u", type);
}

static void test_stops(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error err;

    (void)state;
    assert_false(clo_smbios_walk(from_hex("0b040000 61 00 00" END, &bytes), stop, NULL, &err));
    assert_string_equal(err.text, "type 11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
