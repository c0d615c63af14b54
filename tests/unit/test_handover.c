#include "lib/predict/handover.h"

#include "lib/predict/companions.h"

#include "uki_maker.h"

static void parse(struct clo_uki *uki, const struct clo_buffer *file)
{
    struct clo_error err;

    if (!clo_uki_parse(clo_buffer_bytes(file), uki, &err))
        fail_msg("%s", err.text);
}

/* A section's bytes as written, those after a NUL too. */
#define SECTION(text)                             \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

/* systemd's stub trims the end, and from 253 on the start too; blanks become spaces. */
static void test_cmdline(void **state)
{
    static const struct {
        unsigned version;
        struct clo_bytes section;
        const char *expected;
    } cases[] = {
        { 257, SECTION("quiet splash"), "quiet splash" },
        { 257, SECTION(" \tquiet \n"), "quiet" },
        { 252, SECTION(" quiet \n"), " quiet" },
        { 257,
          SECTION("a\nb\x7f"
                  "c"),
          "a b c" },
        { 257, SECTION("quiet\0hidden"), "quiet" },
        { 257, SECTION("\n\n"), "" },
        { 257, SECTION("quiet\0\0\0"), "quiet" },
        /* UCS-2 has no room beyond U+FFFF: the stub drops it, and then trims. */
        { 257, SECTION("a=\xc3\xa9 b=\xf0\x9f\x98\x80 c"), "a=\xc3\xa9 b= c" },
        { 257, SECTION("a=\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf;"), "a=;" },
        { 257, SECTION("\xe6\x97\xa5"), "\xe6\x97\xa5" },
        { 257, SECTION("cut \xf0\x9f\x98"), "cut \xf0\x9f\x98" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
        struct clo_error err;
        uki_make(&file, cases[i].version,
                 (struct clo_uki_parts){ .kernel = clo_bytes_text("k"),
                                         .cmdline = cases[i].section });
        parse(uki, &file);
        CHECK(handover_cmdline(uki, 0, &text, &err), err.text);
        CHECK(strcmp(clo_buffer_string(&text), cases[i].expected) == 0, clo_buffer_string(&text));
    }
}

/* At an end they are dropped before the blanks next to them are: 252 keeps the one at the start, as it does
 * all (booted with both stubs). */
static void test_beyond_at_an_end(void **state)
{
    static const struct {
        unsigned version;
        const char *text, *expected;
    } cases[] = {
        { 257, "\xf0\x9f\x98\x80 quiet \xf0\x9f\x98\x80", "quiet" },
        { 252, "\xf0\x9f\x98\x80 quiet \xf0\x9f\x98\x80", " quiet" },
        { 257, "quiet\xf0\x9f\x98\x80 \n", "quiet" },
        { 257, "\xf0\x9f\x98\x80", "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        CHECK(handover_section_text(clo_bytes_text(cases[i].text), cases[i].version, &text, &err),
              err.text);
        CHECK(strcmp(clo_buffer_string(&text), cases[i].expected) == 0, cases[i].text);
    }
}

/* Which one it is, for the warning. */
static void test_dropped(void **state)
{
    (void)state;
    assert_int_equal(handover_dropped(clo_bytes_text("a \xf0\x9f\x98\x80 b")), 0x1f600);
    assert_int_equal(handover_dropped(clo_bytes_text("\xf4\x8f\xbf\xbf")), 0x10ffff);
    assert_int_equal(handover_dropped(clo_bytes_text("quiet \xc3\xa9 \xe6\x97\xa5")), 0);
    assert_int_equal(handover_dropped(clo_bytes("a\0\xf0\x9f\x98\x80", 6)), 0);
    assert_int_equal(handover_dropped(clo_bytes_text("\xf0\x9f\x98")), 0);
}

/* What starts a UKI without a command line chooses it: that cannot be predicted. */
static void test_no_cmdline(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error err;

    (void)state;
    uki_make(&file, 257, (struct clo_uki_parts){ .kernel = clo_bytes_text("k") });
    parse(uki, &file);
    CHECK(!handover_cmdline(uki, 0, &text, &err), "no command line");
    CHECK(err.status == CLO_ERR_UNSUPPORTED && strstr(err.text, "has no .cmdline") != NULL,
          err.text);
}

static void join(const struct handover_initrd *initrd, struct clo_buffer *out)
{
    for (size_t i = 0; i < initrd->count; i++)
        clo_buffer_append(out, initrd->parts[i]);
}

/* Alone, the initrd is handed on as it is. With an archive of the stub after it (os-release, from
 * 257 on) it is padded to four bytes, and the archive holds the section's bytes. */
static void test_initrd(void **state)
{
    static const struct {
        unsigned version;
        const char *initrd;
        size_t own; /* of the initrd, padding included; 0: nothing is handed over */
        bool has_archive;
    } cases[] = {
        { 256, "abcde", 5, false }, { 257, "abcde", 8, true }, { 257, "abcd", 4, true },
        { 257, "", 0, true },       { 256, "", 0, false },
    };

    static const struct companions none = { .addons = NULL };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer joined = { 0 };
        CLO_CLEANUP(handover_initrd_free) struct handover_initrd initrd = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
        struct clo_error err;
        uki_make(&file, cases[i].version,
                 (struct clo_uki_parts){ .kernel = clo_bytes_text("k"),
                                         .osrel = clo_bytes_text("ID=x\n"),
                                         .initrd = clo_bytes_text(cases[i].initrd) });
        parse(uki, &file);
        CHECK(handover_initrd(uki, 0, &none, &initrd, &err), err.text);
        join(&initrd, &joined);
        size_t length = strlen(cases[i].initrd);
        CHECK(joined.size >= cases[i].own, "size");
        struct clo_bytes whole = clo_buffer_bytes(&joined);
        CHECK(clo_bytes_equal(clo_bytes_slice(whole, 0, length), clo_bytes_text(cases[i].initrd)),
              "its bytes");
        CHECK(clo_bytes_all(clo_bytes_slice(whole, length, cases[i].own - length), 0), "padding");
        CHECK((joined.size > cases[i].own) == cases[i].has_archive, "archive");
        if (!cases[i].has_archive)
            continue;
        struct clo_bytes archive = clo_bytes_slice(whole, cases[i].own, whole.size);
        CHECK(archive.size % 4 == 0 && memcmp(archive.data, "070701", 6) == 0, "newc");
        CHECK(memmem(archive.data, archive.size, ".extra/os-release", 18) != NULL, "file");
        CHECK(memmem(archive.data, archive.size, "ID=x\n", 5) != NULL, "content");
        CHECK(memmem(archive.data, archive.size, "TRAILER!!!", 11) != NULL, "end");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beyond_at_an_end), cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_cmdline),          cmocka_unit_test(test_no_cmdline),
        cmocka_unit_test(test_initrd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
