/* LZO1X, as lzop and the kernel write it: streams by hand, one for each kind of instruction, and what is wrong with others. */
#include "lib/unpack/lzo.h"

#include <string.h>

#include "test.h"

#define END "110000"

static const struct {
    const char *name, *hex, *text; /* text NULL: refused */
} cases[] = {
    { "nothing but its end", END, "" },
    { "a first run of literals", "14616263" END, "abc" },
    { "a first run of more than three", "16 6162636465" END, "abcde" },
    { "a run of literals", "01 61626364" END, "abcd" },
    { "a long run of literals", "00 01 6162636465666768696a6b6c6d6e6f70717273" END,
      "abcdefghijklmnopqrs" },
    { "a match of three that overlaps", "12 61 4000" END, "aaaa" },
    { "a match with a literal after it", "12 61 4100 62" END, "aaaab" },
    { "a match of two after literals that were short", "13 6162 0400" END, "abab" },
    { "a match by the second form", "12 61 250000" END, "aaaaaaaa" },
    { "a long match by the second form", "12 61 20010000" END,
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    { "no end", "14616263", NULL },
    { "bytes after its end", "14616263" END "00", NULL },
    { "a literal cut short", "166162", NULL },
    { "a match before the beginning", "12 61 4800" END, NULL },
    { "a far match before the beginning", "14616263 120400" END, NULL },
    { "an end of another length", "14616263 120000", NULL },
    { "a length without an end", "14616263 200000", NULL },
    { "nothing", "", NULL },
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_bytes in = from_hex(cases[i].hex, &bytes);
        uint8_t out[64];
        size_t size = 0;
        struct clo_error err = { 0 };
        bool ok = clo_lzo_unpack(in, out, sizeof out, &size, &err);
        CHECK(ok == (cases[i].text != NULL), cases[i].name);
        CHECK(!ok || clo_bytes_equal(clo_bytes(out, size), clo_bytes_text(cases[i].text)),
              cases[i].name);
        CHECK(ok || strncmp(err.text, "LZO: damaged at byte ", 21) == 0, err.text);
        if (ok && size > 0)
            CHECK(!clo_lzo_unpack(in, out, size - 1, &size, &err), cases[i].name);
        for (size_t cut = 0; ok && cut < in.size; cut++)
            CHECK(!clo_lzo_unpack(clo_bytes(in.data, cut), out, sizeof out, &size, &err),
                  cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_streams) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
