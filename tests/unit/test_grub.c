#include "lib/predict/grub.h"

#include "test.h"

static void test_scripts(void **state)
{
    static const struct {
        const char *name, *text;
        const char *error; /* NULL: it parses */
    } cases[] = {
        { "as booted", "set timeout=0\necho A\nlinux /a/linux ro quiet\ninitrd /a/initrd\nboot\n",
          NULL },
        { "blanks and comments", "# x\n\n  linux\t/l  a   b # c\ninitrd /i\nboot", NULL },
        { "a variable", "linux /l root=$root\ninitrd /i\nboot\n", "has a '$'" },
        { "a menu, which is decided at boot", "menuentry x {\nlinux /l\n}\n",
          "has a '{': what a line with it comes to is decided when it runs; a script of set, "
          "linux, "
          "initrd and boot is predicted" },
        { "a condition", "if true; then\n", "has a ';'" },
        { "quotes", "echo \"a\"\n", "has a '\"'" },
        { "another device", "linux (hd1,gpt1)/l\ninitrd /i\nboot\n", "has a '('" },
        { "two kernels", "linux /l\nlinux /m\ninitrd /i\nboot\n", "loads /m" },
        { "two initrds", "linux /l\ninitrd /i /k\nboot\n", "the command \"initrd /i /k\"" },
        { "a search", "search --file /l\n", "the command \"search" },
        { "no boot", "linux /l\ninitrd /i\n", "does not load a kernel and an initrd" },
        { "more after boot", "linux /l\ninitrd /i\nboot\necho a\n", "goes on after" },
        { "a control character", "echo \x01\n", "has a '?'" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(grub_script_free) struct grub_script script = { .count = 0 };
        struct clo_error err = { .text = "" };
        bool parses = grub_script_parse(clo_bytes_text(cases[i].text), &script, &err);
        CHECK(parses == (cases[i].error == NULL), cases[i].name);
        CHECK(parses || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

/* A command is measured as its words with one blank between. */
static void test_words(void **state)
{
    CLO_CLEANUP(grub_script_free) struct grub_script script = { .count = 0 };
    struct clo_error err;

    (void)state;
    CHECK(grub_script_parse(clo_bytes_text("  linux\t/l  a   b # c\n\ninitrd /i\nboot"), &script,
                            &err),
          err.text);
    assert_int_equal(script.count, 3);
    assert_string_equal(script.commands[0], "linux /l a b");
    assert_string_equal(script.cmdline, "/l a b");
    assert_string_equal(script.linux_path, "/l");
    assert_string_equal(script.initrd_path, "/i");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scripts),
                                        cmocka_unit_test(test_words) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
