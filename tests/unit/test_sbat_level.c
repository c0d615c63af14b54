/* SBAT texts, and images held against a shim's level. */
#include "cloister/sbat_level.h"

#include "test.h"

#define LEVEL "sbat,1,2023012900\nshim,2\ngrub,3\ngrub.debian,4\n"
#define GRUB  "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim\n"

static void test_check(void **state)
{
    static const struct {
        const char *name, *sbat, *level;
        bool is_allowed;
        const char *text; /* or the error, where `is_error` */
        bool is_error;
    } cases[] = {
        { "new enough", GRUB "grub,3,FSF,grub,2.06,url\ngrub.debian,4,Debian,grub2,2.06-1,url\n",
          LEVEL, true, "3 components, none revoked", false },
        { "newer", GRUB "grub,10,FSF,grub,2.12,url\n", LEVEL, true, "2 components, none revoked",
          false },
        { "too old", GRUB "grub,2,FSF,grub,2.04,url\n", LEVEL, false,
          "grub is of generation 2, the level demands 3: revoked", false },
        { "the vendor's own is too old", GRUB "grub,3,a,b,c,d\ngrub.debian,3,a,b,c,d\n", LEVEL,
          false, "grub.debian is of generation 3, the level demands 4: revoked", false },
        { "another vendor's", GRUB "grub,3,a,b,c,d\ngrub.rh,1,a,b,c,d\n", LEVEL, true,
          "3 components, none revoked", false },
        { "a longer name", GRUB "grub2,1,a,b,c,d\n", LEVEL, true, "2 components, none revoked",
          false },
        { "the first that is revoked", GRUB "shim,1,a\ngrub,1,a\n", LEVEL, false,
          "shim is of generation 1, the level demands 2: revoked", false },
        { "no section", "", LEVEL, false, "no .sbat section: shim does not start it", false },
        { "carriage returns and an open end", "sbat,1,x\r\n\r\ngrub,3,a", LEVEL, true,
          "2 components, none revoked", false },
        { "level of a newer SBAT", GRUB "grub,3,a\n", "sbat,2,2030\n", false,
          "sbat is of generation 1, the level demands 2: revoked", false },
        { "level is text", GRUB, "hello\n", false, "level: SBAT: a line without a component's name",
          true },
        { "level is empty", GRUB, "", false, "level: empty", true },
        { "section does not begin so", "grub,3\n", LEVEL, false,
          ".sbat: SBAT: begins with \"grub\", not with \"sbat\"", true },
        { "no generation", GRUB "grub,,x\n", LEVEL, false, ".sbat: SBAT: grub: no generation",
          true },
        { "generation 0", GRUB "grub,0,x\n", LEVEL, false, ".sbat: SBAT: grub: no generation",
          true },
        { "generation with a tail", GRUB "grub,3x\n", LEVEL, false,
          ".sbat: SBAT: grub: no generation", true },
        { "endless generation", GRUB "grub,99999999999999999999\n", LEVEL, false,
          ".sbat: SBAT: grub: generation too large", true },
        { "odd level line", GRUB "grub,3\n", "sbat,1,2023\ngrub\n", false,
          "level: SBAT: a line without a component's name", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_sbat_verdict verdict = { .text = "" };
        struct clo_error err;
        bool ok = clo_sbat_check(clo_bytes_text(cases[i].sbat), clo_bytes_text(cases[i].level),
                                 &verdict, &err);
        CHECK(ok != cases[i].is_error, cases[i].name);
        const char *text = ok ? verdict.text : err.text;
        if (strcmp(text, cases[i].text) != 0)
            print_error("got: %s\n", text);
        CHECK(strcmp(text, cases[i].text) == 0, cases[i].name);
        CHECK(!ok || verdict.is_allowed == cases[i].is_allowed, cases[i].name);
    }
}

static void test_lines(void **state)
{
    static const char text[] = "sbat,1,2023\n\ngrub,7,a,b\n\0grub,9\n";
    struct clo_sbat_entry entry;
    struct clo_error err;
    size_t at = 0;

    (void)state;
    struct clo_bytes in = clo_bytes(text, sizeof text - 1);
    assert_true(clo_sbat_next(in, &at, &entry, &err) == CLO_NEXT_ITEM);
    assert_string_equal(entry.name, "sbat");
    assert_true(clo_sbat_next(in, &at, &entry, &err) == CLO_NEXT_ITEM);
    assert_int_equal(entry.generation, 7);
    assert_true(clo_bytes_equal(entry.rest, clo_bytes_text("a,b")));
    assert_int_equal(clo_sbat_next(in, &at, &entry, &err),
                     CLO_NEXT_END); /* after a NUL is padding */
    /* A NUL inside a line ends it, and all. */
    at = 0;
    in = clo_bytes("grub,3\0,x\nshim,1\n", 17);
    assert_true(clo_sbat_next(in, &at, &entry, &err) == CLO_NEXT_ITEM);
    assert_int_equal(entry.generation, 3);
    assert_int_equal(clo_sbat_next(in, &at, &entry, &err), CLO_NEXT_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
