/* The disk's generation in a TPM's counter: a software TPM plays the paravisor's. */
#include "guest/counter.h"

#include "device/tpm_internal.h"
#include "swtpm.h"

static const struct {
    const char *name;
    uint64_t registered, generation;
    const char *error; /* NULL: taken */
} boots[] = {
    { "no counter, and the broker has seen the disk", 3, 3, "has no counter of its generations" },
    { "the first boot", 0, 0, NULL },
    { "the next one", 1, 1, NULL },
    { "an old copy, and a broker that forgot", 1, 1,
      "generation 1 is older than 2, which the TPM's counter has seen: an old copy of the disk" },
    { "the disk as it was left", 1, 2, NULL },
    { "a copy from before the first boot, and the owner's word", 0, 0, NULL },
    { "a disk that was used elsewhere meanwhile", 40, 40, NULL },
    { "and an old copy of that", 1, 39, "generation 39 is older than 41" },
};

static void boot(size_t i, uint64_t *now)
{
    struct clo_error err;
    uint64_t least = 0;
    bool ok = clo_counter_check(tpm, boots[i].registered, boots[i].generation, &least, &err);

    CHECK(ok == (boots[i].error == NULL), ok ? boots[i].name : err.text);
    if (!ok) {
        CHECK(strstr(err.text, boots[i].error) != NULL, err.text);
        return;
    }
    CHECK(least > boots[i].generation && least > *now, boots[i].name);
    if (!clo_counter_follow(tpm, least, &err))
        fail_msg("%s: %s", boots[i].name, err.text);
    if (!clo_tpm_counter_read(tpm, CLO_COUNTER_INDEX, now, &err))
        fail_msg("%s: %s", boots[i].name, err.text);
    CHECK(*now == least, boots[i].name);
}

static void test_boots(void **state)
{
    uint64_t now = 0;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(boots); i++)
        boot(i, &now);
}

static void test_no_tpm(void **state)
{
    struct clo_error err;
    uint64_t least;

    (void)state;
    assert_false(clo_counter_check(NULL, 0, 0, &least, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "there is none"));
}

/* An index that can be written says nothing. */
static void test_not_a_counter(void **state)
{
    struct clo_error err;
    uint64_t value;

    (void)state;
    assert_true(clo_tpm_nv_define(tpm, 0x0147c102, 8, &err));
    assert_false(clo_tpm_counter_read(tpm, 0x0147c102, &value, &err));
    assert_string_equal(err.text, "NV index 0x0147c102: not a counter");
    assert_false(clo_tpm_counter_raise(tpm, 0x0147c102, &err));
    assert_false(clo_tpm_counter_read(tpm, 0x0147c103, &value, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

/* The host owns the TPM's indexes: one that it made anew says truthfully that it has counted nothing. */
static void test_made_anew(void **state)
{
    ESYS_TR index;
    struct clo_error err;
    uint64_t least;

    (void)state;
    assert_int_equal(Esys_TR_FromTPMPublic(tpm->esys, CLO_COUNTER_INDEX, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &index),
                     0);
    assert_int_equal(Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE),
                     0);
    assert_true(clo_tpm_counter_define(tpm, CLO_COUNTER_INDEX, &err));
    assert_false(clo_counter_check(tpm, 1, 1, &least, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "was made anew"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boots),
        cmocka_unit_test(test_no_tpm),
        cmocka_unit_test(test_not_a_counter),
        cmocka_unit_test(test_made_anew),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
