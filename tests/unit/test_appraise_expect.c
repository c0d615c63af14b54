/* Pins of the command line against claims of each kind: what is another value, in whatever form it is written, does not pass. */
#include "lib/appraise/tee.h"

#include "checks.h"
#include "test.h"

#define TCB "{\"reported_tcb\":{\"raw\":\"03000000000014d1\",\"value\":\"0xd114000000000003\"}}"

static const struct {
    const char *name, *claims, *claim, *expected;
    bool holds;
} cases[] = {
    { "a number", "{\"vmpl\":1}", "vmpl", "1", true },
    { "in hex", "{\"vmpl\":16}", "vmpl", "0x10", true },
    { "with zeros before it", "{\"vmpl\":1}", "vmpl", "001", true },
    { "another number", "{\"vmpl\":1}", "vmpl", "2", false },
    { "a number and more", "{\"vmpl\":1}", "vmpl", "1x", false },
    { "with a blank before it", "{\"vmpl\":1}", "vmpl", " 1", false },
    { "with a sign", "{\"vmpl\":1}", "vmpl", "+1", false },
    { "nothing", "{\"vmpl\":0}", "vmpl", "", false },
    { "hex without digits", "{\"vmpl\":0}", "vmpl", "0x", false },
    { "hex digits without 0x", "{\"vmpl\":10}", "vmpl", "a", false },
    { "more digits than a number has", "{\"vmpl\":1}", "vmpl", "000000000000000000001", false },
    { "a negative claim", "{\"vmpl\":-1}", "vmpl", "18446744073709551615", false },
    { "truth by its word", "{\"vmpl\":true}", "vmpl", "TRUE", true },
    { "truth by its digit", "{\"vmpl\":false}", "vmpl", "0", true },
    { "the other word", "{\"vmpl\":true}", "vmpl", "false", false },
    { "the other digit", "{\"vmpl\":false}", "vmpl", "1", false },
    { "a digit that is no truth", "{\"vmpl\":true}", "vmpl", "2", false },
    { "hex without regard to case", "{\"measurement\":\"00ab\"}", "measurement", "00AB", true },
    { "one byte less", "{\"measurement\":\"00ab\"}", "measurement", "00", false },
    { "one byte more", "{\"measurement\":\"00ab\"}", "measurement", "00ab00", false },
    { "nothing of text", "{\"measurement\":\"00ab\"}", "measurement", "", false },
    { "a number written in hex", "{\"policy\":\"0x30000\"}", "policy", "196608", true },
    { "the same with zeros", "{\"policy\":\"0x30000\"}", "policy", "0x0000030000", true },
    { "another one in hex", "{\"policy\":\"0x30000\"}", "policy", "0x30001", false },
    { "not a number", "{\"policy\":\"0x30000\"}", "policy", "30000x", false },
    { "a TCB by its bytes", TCB, "reported_tcb", "03000000000014D1", true },
    { "by its number", TCB, "reported_tcb", "0xd114000000000003", true },
    { "its bytes as a number", TCB, "reported_tcb", "0x03000000000014d1", false },
    { "its number as bytes", TCB, "reported_tcb", "d114000000000003", false },
    { "an object without bytes", "{\"reported_tcb\":{}}", "reported_tcb", "00", false },
    { "an object without a number", "{\"reported_tcb\":{\"raw\":\"0x00\"}}", "reported_tcb", "0x00",
      false },
    { "a list", "{\"vmpl\":[1]}", "vmpl", "1", false },
    { "nothing at all", "{\"vmpl\":null}", "vmpl", "", false },
    { "what the evidence does not have", "{}", "vmpl", "0", false },
};

static bool appraise(const char *claims, const struct clo_expectation *expectation,
                     struct clo_checks *checks, bool *appraised, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_appraisal appraisal = { .tee = NULL };
    const struct clo_appraise_inputs inputs = { .expectations = expectation,
                                                .expectation_count = 1 };
    struct work work = { .inputs = &inputs, .appraisal = &appraisal, .checks = checks };

    assert_true(clo_json_parse(clo_bytes_text(claims), &json, err));
    appraisal.claims = json;
    bool ok = appraise_expectations(&work, err);
    *appraised = work.appraised;
    return ok;
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        const struct clo_expectation expectation = { cases[i].claim, cases[i].expected };
        bool appraised = false;
        struct clo_error err;
        char id[48];
        CHECK(appraise(cases[i].claims, &expectation, &checks, &appraised, &err), err.text);
        snprintf(id, sizeof id, "expect.%s", expectation.name);
        CHECK(has_passed(&checks, id) == cases[i].holds, cases[i].name);
        CHECK(has_failed(&checks, id) == !cases[i].holds, cases[i].name);
        CHECK(appraised, cases[i].name);
    }
}

/* A name that no evidence has is a slip of the pen, and no verdict. */
static void test_names(void **state)
{
    static const char *const names[] = { "", "vmp", "vmpl ", "VMPL", "expect.vmpl", "claims" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        const struct clo_expectation expectation = { names[i], "1" };
        bool appraised = false;
        struct clo_error err;
        CHECK(!appraise("{\"vmpl\":1}", &expectation, &checks, &appraised, &err), names[i]);
        CHECK(err.status == CLO_ERR_USAGE && strstr(err.text, "there is no claim") != NULL,
              err.text);
        CHECK(!appraised, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
