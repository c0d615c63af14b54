#include "cloister/checks.h"

#include "test.h"

static void test_list(void **state)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };

    (void)state;
    CHECK(clo_checks_ok(&checks), "an empty list has no failure");
    CHECK(clo_check_that(&checks, "a.one", true, "holds %d", 1), "returns what holds");
    clo_check_skip(&checks, "a.two", "not asked for");
    CHECK(clo_checks_ok(&checks), "a skipped check is not a failure");
    CHECK(!clo_check_that(&checks, "a.three", false, "line\nbreak \033[31m"), "returns it");
    CHECK(!clo_checks_ok(&checks) && checks.failures == 1, "one failure");
    CHECK(strcmp(clo_checks_get(&checks, "a.three")->detail, "line?break ?[31m") == 0,
          "control characters are replaced");
    CHECK(clo_checks_get(&checks, "a.four") == NULL, "absent");
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_checks_json(&checks);
    CHECK(json_array_size(json) == 3, "JSON");
    CHECK(strcmp(json_string_value(json_object_get(json_array_get(json, 1), "result")), "skip") ==
                  0,
          "JSON");
}

static void test_many(void **state)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof id, "n.%d", i);
        clo_check_that(&checks, id, true, "%d", i);
    }
    CHECK(checks.count == 1000 && clo_checks_ok(&checks), "grows");
    CHECK(strcmp(clo_checks_get(&checks, "n.999")->detail, "999") == 0, "the last");
}

/* A list that ran out of memory may have lost a failure. */
static void test_latched(void **state)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { .failed = true };

    (void)state;
    CHECK(!clo_checks_ok(&checks), "latched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_latched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
