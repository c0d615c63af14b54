/* Against a software TPM: what is extended is what the log says, and what lib/ predicts. */
#include "guest/measure.h"

#include "cloister/userlog.h"
#include "lib/disk/luks2.h"
#include "swtpm.h"

static void test_phases_and_key(void **state)
{
    CLO_CLEANUP(clo_measurer_free) struct clo_measurer measurer = { 0 };
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    const char uuid[] = "c333d4e5-eb96-475a-b0a3-31fd40a68de1";
    struct clo_pcr_bank bank;
    struct clo_tpm_pcrs pcrs;
    struct clo_error err;
    char path[4200];

    (void)state;
    snprintf(path, sizeof path, "%s/log", swtpm_scratch.path);
    if (!clo_measurer_new(tpm, path, &measurer, &err))
        fail_msg("%s", err.text);
    assert_true(measurer.bank_count >= 1);
    assert_true(clo_secret_new(64, &key, &err));
    memset(clo_secret_data(key), 0x5a, 64);
    if (!clo_measure_phase(&measurer, "enter-initrd", &err) ||
        !clo_measure_volume_key(&measurer, key, uuid, &err) ||
        !clo_measure_phase(&measurer, "leave-initrd", &err))
        fail_msg("%s", err.text);

    /* The log in memory is the log in the file, and it replays to the registers. */
    assert_true(clo_file_read(path, CLO_FILE_LIMIT, &file, &err));
    assert_true(clo_bytes_equal(clo_buffer_bytes(&file), clo_buffer_bytes(&measurer.log)));
    if (!clo_userlog_parse(clo_buffer_bytes(&file), &log, &err))
        fail_msg("%s", err.text);
    assert_int_equal(clo_userlog_count(log), 3);
    assert_string_equal(clo_userlog_at(log, 1)->text,
                        "cryptsetup:root:c333d4e5-eb96-475a-b0a3-31fd40a68de1");
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    assert_true(clo_userlog_replay(log, &bank, &err));
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 0xffff, &pcrs, &err));
    assert_true(clo_digest_equal(&bank.values[11], &pcrs.values[11]));
    assert_true(clo_digest_equal(&bank.values[15], &pcrs.values[15]));

    /* PCR 15 by another implementation: python3's hmac and hashlib. */
    from_hex("3ade8a6e dab89459 b16fd46b 1e3a4787 03fc0c89 ec7ac4db e4b4fd7b 5c4f831a", &expected);
    assert_true(clo_bytes_equal(clo_digest_bytes(&pcrs.values[15]), clo_buffer_bytes(&expected)));
}

/* Where the log cannot be written, the caller hears of it. */
static void test_no_log(void **state)
{
    CLO_CLEANUP(clo_measurer_free) struct clo_measurer measurer = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_measurer_new(tpm, "/nowhere/log", &measurer, &err));
    assert_false(clo_measure_phase(&measurer, "enter-initrd", &err));
    assert_string_equal(err.text, "/nowhere/log: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases_and_key),
        cmocka_unit_test(test_no_log),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
