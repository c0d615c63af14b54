/* Which of several references count: alternatives as a whole, the one with most registers as it says, and never a mixture. */
#include "lib/appraise/tee.h"

#include "test.h"

#define ONE   "0101010101010101010101010101010101010101010101010101010101010101"
#define TWO   "0202020202020202020202020202020202020202020202020202020202020202"
#define THREE "0303030303030303030303030303030303030303030303030303030303030303"

#define REFERENCE(name, origin, pcrs)                                      \
    "{\"cloister_reference\":1,\"name\":\"" name "\",\"origin\":\"" origin \
    "\",\"events\":{},\"pcrs\":{\"sha256\":{" pcrs "}}}"

/* The registers are: PCR 4 ONE, PCR 11 TWO, and PCR 12 THREE where it is proven. */
static const struct {
    const char *name;
    const char *references[3];
    bool leaves_12;
    const char *chosen; /* their names */
} cases[] = {
    { "one alone, also where it differs",
      { REFERENCE("a", "prediction", "\"4\":\"" TWO "\"") },
      false,
      "a" },
    { "the one that fits",
      { REFERENCE("a", "prediction", "\"4\":\"" TWO "\",\"11\":\"" ONE "\""),
        REFERENCE("b", "prediction", "\"4\":\"" ONE "\",\"11\":\"" TWO "\"") },
      false,
      "b" },
    { "the one that fits best, and not a register of each",
      { REFERENCE("a", "prediction", "\"4\":\"" ONE "\",\"11\":\"" ONE "\",\"12\":\"" ONE "\""),
        REFERENCE("b", "prediction", "\"4\":\"" TWO "\",\"11\":\"" TWO "\",\"12\":\"" THREE "\"") },
      false,
      "b" },
    { "of two that are as good the first",
      { REFERENCE("a", "prediction", "\"4\":\"" ONE "\",\"11\":\"" ONE "\""),
        REFERENCE("b", "prediction", "\"4\":\"" TWO "\",\"11\":\"" TWO "\"") },
      false,
      "a" },
    { "a register that is not proven fits nothing",
      { REFERENCE("a", "prediction", "\"4\":\"" ONE "\",\"11\":\"" ONE "\""),
        REFERENCE("b", "prediction", "\"4\":\"" TWO "\",\"11\":\"" TWO "\",\"12\":\"" THREE "\"") },
      true,
      "a" },
    { "of two origins both",
      { REFERENCE("a", "prediction", "\"4\":\"" TWO "\""),
        REFERENCE("b", "calibration", "\"4\":\"" ONE "\"") },
      false,
      "ab" },
    { "of no common register both",
      { REFERENCE("a", "prediction", "\"4\":\"" TWO "\""),
        REFERENCE("b", "prediction", "\"11\":\"" TWO "\"") },
      false,
      "ab" },
    { "an image and its update, with one firmware",
      { REFERENCE("a", "prediction", "\"4\":\"" TWO "\",\"11\":\"" ONE "\""),
        REFERENCE("b", "prediction", "\"4\":\"" ONE "\",\"11\":\"" TWO "\""),
        REFERENCE("c", "calibration", "\"12\":\"" ONE "\"") },
      false,
      "bc" },
};

static void prove(struct work *work, bool leaves_12)
{
    static const unsigned registers[] = { 4, 11, 12 };

    work->proven = (struct registers){ .prefix = "pcr",
                                       .hash = CLO_HASH_SHA256,
                                       .phase = "enter-initrd",
                                       .count = CLO_PCR_COUNT,
                                       .mask = 1U << 4 | 1U << 11 | (leaves_12 ? 0 : 1U << 12) };
    for (size_t i = 0; i < CLO_COUNT(registers); i++) {
        struct clo_digest *value = &work->proven.values[registers[i]];
        value->hash = CLO_HASH_SHA256;
        memset(value->bytes, (int)i + 1, 32);
    }
}

static void test_select(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_reference *references[3] = { NULL };
        const struct clo_reference *given[3] = { NULL };
        struct clo_appraise_inputs inputs = { .references = given };
        struct work work = { .inputs = &inputs };
        char chosen[8] = "";
        struct clo_error err;
        for (; inputs.reference_count < 3 && cases[i].references[inputs.reference_count] != NULL;
             inputs.reference_count++) {
            size_t k = inputs.reference_count;
            if (!clo_reference_parse(clo_bytes_text(cases[i].references[k]), &references[k], &err))
                fail_msg("%s: %s", cases[i].name, err.text);
            given[k] = references[k];
        }
        prove(&work, cases[i].leaves_12);
        appraise_select(&work);
        for (size_t k = 0; k < work.reference_count; k++)
            strncat(chosen, clo_reference_name(work.references[k]), 1);
        CHECK(strcmp(chosen, cases[i].chosen) == 0, cases[i].name);
        for (size_t k = 0; k < 3; k++)
            clo_reference_freep(&references[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_select) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
