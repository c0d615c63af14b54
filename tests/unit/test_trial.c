/* Was this boot asked for once? By what firmware says in its variables. */
#include "guest/trial.h"

#include <stdlib.h>
#include <unistd.h>

#include "device/file.h"
#include "test.h"

static const struct {
    const char *name, *current, *order; /* hex, without attributes; NULL: not there */
    bool is_trial;
} cases[] = {
    { "the usual one", "0100", "01000200", false },
    { "the last of the order", "0200", "01000200", false },
    { "in no order", "01c1", "01000200", true },
    { "half of two numbers", "0002", "01000200", true },
    { "an empty order", "0100", "", true },
    { "an order of one byte more", "0200", "010002", true },
    { "no order", "0100", NULL, false },
    { "firmware that does not say", NULL, "0100", false },
    { "a number of four bytes", "01c10000", "0100", false },
};

static void write_variable(const char *folder, const char *name, const char *hex)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    struct clo_error err;
    char path[300];

    snprintf(path, sizeof path, "%s/%s-8be4df61-93ca-11d2-aa0d-00e098032b8c", folder, name);
    (void)unlink(path);
    if (hex == NULL)
        return;
    clo_buffer_le32(&value, 7);
    from_hex(hex, &value);
    if (!clo_file_write(path, clo_buffer_bytes(&value), 0600, &err))
        fail_msg("%s", err.text);
}

static void test_cases(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        write_variable(scratch.path, "BootCurrent", cases[i].current);
        write_variable(scratch.path, "BootOrder", cases[i].order);
        CHECK(clo_boot_is_trial(scratch.path) == cases[i].is_trial, cases[i].name);
    }
    CHECK(!clo_boot_is_trial("/nowhere"), "no variables");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
