/* TDREPORTs from a pretend device, and registers in a pretend sysfs. */
#include "device/tdx_guest.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

struct device {
    int reason;
    bool is_empty;
    unsigned long request;
};

static int play(void *context, unsigned long request, void *argument)
{
    struct device *device = context;
    uint8_t *bytes = argument;

    device->request = request;
    if (device->reason != 0 || device->is_empty)
        return device->reason;
    memset(bytes + 64, 0x81, 1024);
    memcpy(bytes + 64 + 128, bytes, 64); /* REPORTDATA in REPORTMACSTRUCT */
    return 0;
}

static void test_report(void **state)
{
    struct device device = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    uint8_t data[64];
    struct clo_error err;

    (void)state;
    memset(data, 0x5a, sizeof data);
    assert_true(clo_tdx_guest_report_by(play, &device, clo_bytes(data, 64), &report, &err));
    assert_int_equal(report.size, 1024);
    assert_memory_equal(report.data + 128, data, 64);
    assert_int_equal(device.request, 0xc4405401UL); /* _IOWR('T', 1, 1088 bytes) */
    assert_false(clo_tdx_guest_report_by(play, &device, clo_bytes(data, 63), &report, &err));
    assert_string_equal(err.text, "report data: 63 bytes, 64 expected");
    device.reason = EIO;
    assert_false(clo_tdx_guest_report_by(play, &device, clo_bytes(data, 64), &report, &err));
    assert_string_equal(err.text, "tdx_guest: the TDX module refuses a report (EIO)");
    device.reason = ENOTTY;
    assert_false(clo_tdx_guest_report_by(play, &device, clo_bytes(data, 64), &report, &err));
    device = (struct device){ .is_empty = true };
    assert_false(clo_tdx_guest_report_by(play, &device, clo_bytes(data, 64), &report, &err));
    assert_string_equal(err.text, "tdx_guest: an empty report");
    assert_int_equal(report.size, 1024); /* of the good one */
    assert_false(clo_tdx_guest_report("/nowhere", clo_bytes(data, 64), &report, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_false(clo_tdx_guest_report("/dev/null", clo_bytes(data, 64), &report, &err));
    assert_string_equal(err.text, "tdx_guest: Inappropriate ioctl for device");
}

static void test_registers(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    uint8_t value[CLO_TDX_GUEST_MR_SIZE];
    uint8_t digest[CLO_TDX_GUEST_MR_SIZE];
    struct clo_error err;
    char path[5000];

    (void)state;
    memset(digest, 0xd1, sizeof digest);
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_false(clo_tdx_guest_read(scratch.path, "mrtd:sha384", value, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "(needs a TDX guest with Linux 6.16"));
    snprintf(path, sizeof path, "%s/mrtd:sha384", scratch.path);
    assert_true(clo_file_write(path, clo_bytes(digest, sizeof digest), 0600, &err));
    assert_true(clo_tdx_guest_read(scratch.path, "mrtd:sha384", value, &err));
    assert_memory_equal(value, digest, sizeof digest);
    assert_true(clo_file_write(path, clo_bytes(digest, 47), 0600, &err));
    assert_false(clo_tdx_guest_read(scratch.path, "mrtd:sha384", value, &err));
    assert_non_null(strstr(err.text, "47 bytes, 48 expected"));
    assert_false(clo_tdx_guest_read(scratch.path, "../mrtd", value, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);

    assert_false(clo_tdx_guest_extend(scratch.path, 3, clo_bytes(digest, 48), &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    snprintf(path, sizeof path, "%s/rtmr3:sha384", scratch.path);
    assert_true(clo_file_write(path, clo_bytes_text(""), 0600, &err));
    assert_true(clo_tdx_guest_extend(scratch.path, 3, clo_bytes(digest, 48), &err));
    assert_true(clo_tdx_guest_read(scratch.path, "rtmr3:sha384", value, &err));
    assert_memory_equal(value, digest, sizeof digest);
    assert_false(clo_tdx_guest_extend(scratch.path, 4, clo_bytes(digest, 48), &err));
    assert_string_equal(err.text, "RTMR 4: 0 to 3 expected");
    assert_false(clo_tdx_guest_extend(scratch.path, 3, clo_bytes(digest, 32), &err));
    assert_string_equal(err.text, "RTMR 3: a digest of 32 bytes, 48 expected (SHA-384)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
