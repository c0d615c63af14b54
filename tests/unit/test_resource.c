#include "cloister/resource.h"

#include "test.h"

#define AK   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CHIP "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static const struct clo_instances machine = {
    .hex = { [CLO_INSTANCE_CHIP] = CHIP, [CLO_INSTANCE_AK] = AK }
};

static void test_names(void **state)
{
    static const struct {
        const char *name, *text;
        bool is_name, is_template;
    } cases[] = {
        { "three parts", "default/disk/demo", true, true },
        { "all that is allowed", "a.b/c_d/e-9Z", true, true },
        { "two parts", "default/disk", false, false },
        { "four parts", "a/b/c/d", false, false },
        { "an empty part", "a//c", false, false },
        { "nothing", "", false, false },
        { "up the tree", "a/../c", false, false },
        { "a hidden part", "a/b/.c", false, false },
        { "a space", "a/b/c d", false, false },
        { "a line's end", "a/b/c\n", false, false },
        { "an escape", "a/b/\033[2J", false, false },
        { "a placeholder", "default/disk/demo-{ak}", false, true },
        { "a placeholder that is the whole part", "default/{vm}/disk", false, true },
        { "two", "a/{chip}/{report_id}", false, true },
        { "three: too long", "{ak}/{ak}/{ak}", false, true },
        { "four: too long", "{ak}/{ak}/{ak}{ak}", false, false },
        { "an unknown one", "a/b/{disk}", false, false },
        { "upper case", "a/b/{AK}", false, false },
        { "not closed", "a/b/{ak", false, false },
        { "closed alone", "a/b/ak}", false, false },
        { "one in another", "a/b/{{ak}}", false, false },
        { "an empty one", "a/b/{}", false, false },
        { "a slash in it", "a/b/{a/k}", false, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err = { 0 };
        CHECK(clo_resource_check(cases[i].text, &err) == cases[i].is_name, cases[i].name);
        CHECK(clo_resource_template_check(cases[i].text, &err) == cases[i].is_template,
              cases[i].name);
    }
    struct clo_error err;
    assert_false(clo_resource_template_check("a/b/{disk}", &err));
    assert_string_equal(err.text, "resource \"a/b/{disk}\": a placeholder is one of {chip}, "
                                  "{report_id}, {vm}, {ak}");
    assert_false(clo_resource_template_check("{ak}", &err));
    assert_non_null(strstr(err.text, "resource \"{ak}\": expected REPOSITORY/TYPE/TAG"));
}

static void test_expand(void **state)
{
    static const struct {
        const char *text, *expected, *error;
    } cases[] = {
        { "default/disk/demo", "default/disk/demo", NULL },
        { "default/disk/demo-{ak}", "default/disk/demo-" AK, NULL },
        { "default/{chip}/x{ak}y", "default/" CHIP "/x" AK "y", NULL },
        { "default/disk/{vm}", NULL,
          "resource \"default/disk/{vm}\": the evidence proves no {vm}" },
        { "default/disk/{report_id}", NULL,
          "resource \"default/disk/{report_id}\": the evidence proves no {report_id}" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_resource_expand(cases[i].text, &machine, &out, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].text);
        CHECK(ok || (strcmp(err.text, cases[i].error) == 0 && err.status == CLO_ERR_REFUSED),
              err.text);
        CHECK(!ok || strcmp(clo_buffer_string(&out), cases[i].expected) == 0, cases[i].text);
        CHECK(!ok || clo_resource_matches(cases[i].text, cases[i].expected), cases[i].text);
    }
}

static void test_matches(void **state)
{
    static const struct {
        const char *text, *path;
    } cases[] = {
        { "default/disk/demo", "default/disk/other" },
        { "default/disk/demo", "default/disk/demo2" },
        { "default/disk/demo", "default/disk/dem" },
        { "default/disk/{ak}", "default/disk/" },
        { "default/disk/{ak}", "default/disk/abc" },
        { "default/disk/{ak}", "default/disk/" AK "0" },
        { "default/disk/{ak}x", "default/disk/" AK },
        { "default/disk/{ak}", "default/disk/"
                               "AAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(!clo_resource_matches(cases[i].text, cases[i].path), cases[i].path);
    assert_true(clo_resource_has_placeholder("a/b/{ak}"));
    assert_false(clo_resource_has_placeholder("a/b/ak"));
    assert_string_equal(clo_instance_name(CLO_INSTANCE_REPORT_ID), "report_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
