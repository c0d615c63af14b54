/* The header's numbers are those of the build: a release changes both. */
#include "cloister/version.h"

#include "test.h"

static void header_build_and_library_agree(void **state)
{
    char numbers[32];

    (void)state;
    snprintf(numbers, sizeof numbers, "%d.%d.%d", CLO_VERSION_MAJOR, CLO_VERSION_MINOR,
             CLO_VERSION_PATCH);
    assert_string_equal(numbers, CLO_VERSION);
    assert_string_equal(CLOISTER_VERSION, CLO_VERSION);
    assert_string_equal(clo_version(), CLO_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(header_build_and_library_agree) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
