#include "image/host_words.h"

#include "test.h"

static const struct {
    const char *name, *given;
    bool allows_cloud_init;
    const char *has, *has_not;
} cases[] = {
    { "plain", "quiet", false, "quiet systemd.import_credentials=no systemd.gpt_auto=no ", NULL },
    { "cloud-init is switched off", "quiet", false, " cloud-init=disabled", NULL },
    { "but where it is allowed", "quiet", true, "quiet ", "cloud-init=" },
    { "what is there already", "quiet systemd.swap=no", false, "quiet systemd.swap=no systemd.imp",
      "systemd.swap=no systemd.firstboot" },
    { "the owner's own word stays", "systemd.swap=yes a", false, "systemd.swap=yes a ",
      "systemd.swap=no" },
    { "written otherwise", "systemd.gpt-auto=yes", false, "systemd.gpt-auto=yes ",
      "systemd.gpt_auto" },
    { "a longer key is another", "systemd.swapon=1", false, " systemd.swap=no", NULL },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        assert_true(clo_host_words_add(cases[i].given, cases[i].allows_cloud_init, &out, &err));
        const char *text = clo_buffer_string(&out);
        CHECK(strstr(text, cases[i].has) != NULL, cases[i].name);
        CHECK(cases[i].has_not == NULL || strstr(text, cases[i].has_not) == NULL, cases[i].name);
    }
}

static void test_empty(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_host_words_add("", false, &out, &err));
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
