#include "lib/predict/loader.h"

#include "pe_maker.h"

static void test_recognise(void **state)
{
    static const struct {
        const char *section, *content;
        enum loader_kind kind;
        unsigned version;
    } cases[] = {
        { ".sdmagic", "#### LoaderInfo: systemd-boot 257.13-1~deb13u1 ####", LOADER_SYSTEMD_BOOT,
          257 },
        { ".sdmagic", "#### LoaderInfo: systemd-stub 257 ####", LOADER_UNKNOWN, 0 },
        { ".sdmagic", "#### LoaderInfo: systemd-boot 257", LOADER_UNKNOWN, 0 },
        { ".sdmagic", "", LOADER_UNKNOWN, 0 },
        { ".sbat", "sbat,1,SBAT Version,sbat,1,x\ngrub,4,Free Software Foundation,grub,2.12,x\n",
          LOADER_GRUB, 0 },
        { ".sbat", "sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\n", LOADER_UNKNOWN, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
        const struct pe_section sections[] = { { ".text", clo_bytes_text("code") },
                                               { cases[i].section,
                                                 clo_bytes_text(cases[i].content) } };
        struct clo_error err;
        struct loader loader;
        pe_make(&image, sections, CLO_COUNT(sections));
        CHECK(clo_pe_parse(clo_buffer_bytes(&image), pe, &err), err.text);
        loader_recognise(pe, &loader);
        CHECK(loader.kind == cases[i].kind && loader.version == cases[i].version, cases[i].content);
    }
}

/* Of a release that was not booted nothing is known, whatever its neighbours do. */
static void test_seen(void **state)
{
    (void)state;
    assert_true(loader_was_seen(252) && loader_was_seen(257) && loader_was_seen(262));
    assert_false(loader_was_seen(0) || loader_was_seen(256) || loader_was_seen(263));
    assert_true(loader_does(252, LOADER_PASSES_CMDLINE) && !loader_does(252, LOADER_MEASURES_CONF));
    assert_true(!loader_does(257, LOADER_PASSES_CMDLINE) && loader_does(257, LOADER_MEASURES_CONF));
    assert_false(loader_does(256, LOADER_MEASURES_CONF));
}

static void test_default(void **state)
{
    static const struct {
        const char *conf, *wanted;
    } cases[] = {
        { "", "" },
        { "timeout 3\n", "" },
        { "timeout 3\ndefault demo.efi\n", "demo.efi" },
        { "# default a\n  default\tb*  \r\n", "b*" },
        { "default a\ndefault b", "b" },
        { "defaults a\n", "" },
    };
    char out[LOADER_ID];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(loader_conf_default(clo_bytes_text(cases[i].conf), out, &err), err.text);
        CHECK(strcmp(out, cases[i].wanted) == 0, cases[i].conf);
    }
    assert_false(loader_conf_default(clo_bytes_text("default \xc3\xa9\n"), out, &err));
    assert_string_equal(err.text, "loader.conf: default: is not ASCII");
}

static void test_entry(void **state)
{
    static const struct {
        const char *name, *text;
        const char *options; /* or what it fails with */
        bool parses;
    } cases[] = {
        { "as booted", "title Demo\nlinux /a/linux\ninitrd /a/initrd\noptions ro quiet\n",
          "initrd=\\a\\initrd ro quiet", true },
        { "comments and blanks", "# x\n\n linux\t/l\r\ninitrd /i\noptions  a  b \n",
          "initrd=\\i a  b", true },
        { "two initrds", "linux /l\ninitrd /i\ninitrd /k\noptions a\n",
          "several lines \"initrd\": what comes of them was never seen", false },
        { "no options", "linux /l\ninitrd /i\n", "an entry without linux, initrd and options",
          false },
        { "no slash", "linux l\ninitrd /i\noptions a\n", "do not begin with \"/\"", false },
        { "a device tree", "linux /l\ninitrd /i\noptions a\ndevicetree /d\n",
          "\"devicetree\": what comes of it was never seen", false },
        { "an image", "efi /shell.efi\n", "\"efi\": what comes of it was never seen", false },
        { "a character", "linux /l\ninitrd /i\noptions a=\xc3\xa9\n", "options: is not ASCII",
          false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err = { .text = "" };
        struct loader_entry entry = { .options = "" };
        bool parses = loader_entry_parse(clo_bytes_text(cases[i].text), &entry, &err);
        CHECK(parses == cases[i].parses, cases[i].name);
        CHECK(strstr(parses ? entry.options : err.text, cases[i].options) != NULL, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognise),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
