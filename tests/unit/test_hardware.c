/* Which way a report comes, and what is said when none comes. Devices are /dev/null where one has to be
 * there and know nothing. */
#include "guest/hardware.h"

#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static bool get(const struct clo_hardware *from, const char *service, int vmpl,
                struct clo_hardware_report *out, struct clo_error *err)
{
    static const uint8_t data[64];
    const struct clo_hardware_request request = { .report_data = { data, sizeof data },
                                                  .vmpl = vmpl,
                                                  .service_provider = service,
                                                  .service_manifest_version = -1 };

    return clo_hardware_get(from, &request, out, err);
}

static void test_nothing(void **state)
{
    const struct clo_hardware none = { 0 };
    const struct clo_hardware all = { "/nowhere/tsm", "/nowhere/sev", "/nowhere/tdx", 4050 };
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report report = { .provider = "" };
    struct clo_error err;

    (void)state;
    assert_false(get(&none, NULL, -1, &report, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_string_equal(err.text, "no device to ask");
    /* Every way is tried, and each reason told. */
    assert_false(get(&all, NULL, -1, &report, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/nowhere/tsm: No such file"));
    assert_non_null(strstr(err.text, "; /nowhere/sev: No such file"));
    assert_non_null(strstr(err.text, "; /nowhere/tdx: No such file"));
    /* TDX has no VMPLs, and only configfs-tsm services. */
    assert_false(get(&all, NULL, 2, &report, &err));
    assert_null(strstr(err.text, "/nowhere/tdx"));
    assert_false(get(&all, "svsm", -1, &report, &err));
    assert_null(strstr(err.text, "/nowhere/sev"));
}

static void test_who_refuses_is_told_of(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report report = { .provider = "" };
    struct clo_error err;
    char path[5000];

    (void)state;
    /* Nobody behind the device: as good as none. */
    const struct clo_hardware mute = { NULL, "/dev/null", NULL, 0 };
    assert_false(get(&mute, NULL, 0, &report, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "sev-guest: the kernel has given up its channel"));
    /* One that is there and answers oddly counts for more than two that are absent. */
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(path, sizeof path, "%s/cloister-%d", scratch.path, (int)getpid());
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/cloister-%d/generation", scratch.path, (int)getpid());
    assert_true(clo_file_write(path, clo_bytes_text("many"), 0600, &err));
    const struct clo_hardware odd = { scratch.path, "/nowhere/sev", "/nowhere/tdx", 4050 };
    assert_false(get(&odd, NULL, -1, &report, &err));
    assert_int_equal(err.status, CLO_ERR_FORMAT);
    assert_non_null(strstr(err.text, "generation: no number"));
    assert_null(strstr(err.text, "/nowhere"));
    assert_int_equal(report.report.size, 0);
    /* A device that is not a TDX guest's. */
    const struct clo_hardware other = { "/nowhere/tsm", NULL, "/dev/null", 4050 };
    assert_false(get(&other, NULL, -1, &report, &err));
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
    assert_string_equal(err.text, "tdx_guest: Inappropriate ioctl for device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_who_refuses_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
