/* The table as a TD measured it: by registers in sysfs or a TDREPORT, with a log that the host may write. */
#include "guest/gate_table.h"

#include <errno.h>
#include <sys/stat.h>

#include "table_maker.h"

static struct clo_scratch scratch;
static char ccel[4200], sysfs[4200];
static struct table measured;
static struct clo_table_register rtmr;

/* A pretend TDX module: RTMR 1 of its report is what the firmware has measured. */
struct td {
    struct clo_digest rtmr1;
    int reason;
    unsigned calls;
};

static int give_report(void *context, unsigned long request, void *argument)
{
    struct td *td = context;
    uint8_t *report = (uint8_t *)argument + 64;

    (void)request;
    td->calls++;
    if (td->reason != 0)
        return td->reason;
    memset(report, 0x81, 1024);
    memcpy(report + 512 + 208 + 48, td->rtmr1.bytes, 48); /* TDINFO_STRUCT, RTMR 1 */
    return 0;
}

static void make(struct table *table, const char *third)
{
    const struct clo_gpt_partition partitions[] = {
        made(ESP, 1, 2048),
        made(ROOT, 2, 4096),
        made(third == NULL ? SWAP : third, 3, 34816),
    };

    make_table(table, 1, partitions, third == NULL ? 2 : 3);
}

static void write_log(const struct clo_buffer *log)
{
    struct clo_error err;

    assert_true(clo_file_write(ccel, clo_buffer_bytes(log), 0600, &err));
}

static int set_up(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    snprintf(ccel, sizeof ccel, "%s/ccel", scratch.path);
    snprintf(sysfs, sizeof sysfs, "%s/measurements", scratch.path);
    make(&measured, NULL);
    rtmr = (struct clo_table_register){ .hash = CLO_HASH_SHA384, .index = 2 };
    make_log(&measured.gpt, &log, &rtmr);
    write_log(&log);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_table(&measured);
    clo_scratch_free(&scratch);
    return 0;
}

static bool compare(struct td *td, const struct clo_gpt *gpt, bool *is_measured,
                    struct clo_error *err)
{
    const struct clo_table_sources sources = { .eventlog = "/nowhere",
                                               .ccel = ccel,
                                               .measurements = sysfs,
                                               .call = give_report,
                                               .context = td };

    return clo_table_compare(&sources, NULL, CLO_HASH_NONE, gpt, is_measured, err);
}

static void test_report(void **state)
{
    struct td td = { .rtmr1 = rtmr.value };
    static struct table rewritten;
    struct clo_error err;
    bool is_measured;

    (void)state;
    if (!compare(&td, &measured.gpt, &is_measured, &err))
        fail_msg("%s", err.text);
    assert_true(is_measured);
    make(&rewritten, SWAP);
    CHECK(!compare(&td, &rewritten.gpt, &is_measured, &err), "a table rewritten in a TD");
    assert_string_equal(err.text,
                        "differs from what the firmware measured: partition 3, swap \"p3\", was "
                        "added");
    free_table(&rewritten);
    td.reason = EIO;
    assert_false(compare(&td, &measured.gpt, &is_measured, &err));
    assert_non_null(strstr(err.text, "refuses a report"));
}

/* The host writes the log anew for the table that it shows: it does not lead to RTMR 1. */
static void test_log_of_the_hosts(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct td td = { .rtmr1 = rtmr.value };
    struct clo_table_register theirs = { .hash = CLO_HASH_SHA384, .index = 2 };
    static struct table rewritten;
    struct clo_error err;
    bool is_measured;

    (void)state;
    make(&rewritten, HOME);
    make_log(&rewritten.gpt, &log, &theirs);
    write_log(&log);
    CHECK(!compare(&td, &rewritten.gpt, &is_measured, &err), "a log rewritten with it");
    assert_string_equal(err.text, "the event log does not lead to the register that has the table");
    /* In the register of another RTMR it says nothing of RTMR 1 either. */
    log.size = 0;
    theirs.index = 3;
    make_log(&rewritten.gpt, &log, &theirs);
    write_log(&log);
    CHECK(!compare(&td, &rewritten.gpt, &is_measured, &err), "in another register");
    free_table(&rewritten);
}

/* Where the kernel shows the registers, the device is not asked. */
static void test_sysfs(void **state)
{
    struct td td = { .reason = ENOTTY };
    char path[4300];
    struct clo_error err;
    bool is_measured;

    (void)state;
    assert_int_equal(mkdir(sysfs, 0700), 0);
    snprintf(path, sizeof path, "%s/rtmr1:sha384", sysfs);
    assert_true(clo_file_write(path, clo_digest_bytes(&rtmr.value), 0600, &err));
    if (!compare(&td, &measured.gpt, &is_measured, &err))
        fail_msg("%s", err.text);
    assert_true(is_measured);
    assert_int_equal(td.calls, 0);
    rtmr.value.bytes[47] ^= 1;
    assert_true(clo_file_write(path, clo_digest_bytes(&rtmr.value), 0600, &err));
    assert_false(compare(&td, &measured.gpt, &is_measured, &err));
}

/* Without a log nothing was measured, and nobody is told that it was. */
static void test_no_log(void **state)
{
    struct td td = { .rtmr1 = rtmr.value };
    struct clo_error err;
    bool is_measured = true;

    (void)state;
    snprintf(ccel, sizeof ccel, "%s/none", scratch.path);
    assert_true(compare(&td, &measured.gpt, &is_measured, &err));
    assert_false(is_measured);
    assert_int_equal(td.calls, 0);
}

/* The disk is the host's between two readings: what this boot wrote is all that it may show. */
static void test_written(void **state)
{
    struct clo_bytes written = clo_bytes_text("the table that was written");
    struct clo_error err = { 0 };

    (void)state;
    CHECK(clo_table_is_written(clo_bytes_text("the table that was written"), written, &err),
          err.text);
    CHECK(!clo_table_is_written(clo_bytes_text("a table of the host's own."), written, &err),
          "exchanged after it was written");
    CHECK(err.status == CLO_ERR_REFUSED &&
                  strstr(err.text, "differs from the one that was written to grow") != NULL,
          err.text);
    CHECK(!clo_table_is_written(clo_bytes_text(""), written, &err), "gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log_of_the_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sysfs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_log, set_up, tear_down),
        cmocka_unit_test(test_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
