/* A folder stands in for the kernel's: what is written to a register is what would extend it. */
#include "guest/measure_rtmr.h"

#include <unistd.h>

#include "cloister/crypto.h"
#include "device/tdx_guest.h"
#include "test.h"

static void test_phase(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    uint8_t value[CLO_TDX_GUEST_MR_SIZE];
    struct clo_digest digest;
    struct clo_error err;
    char path[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    /* A kernel without the register: where a quote is all there is, the boot ends here. */
    assert_false(clo_measure_rtmr(scratch.path, "leave-initrd", CLO_RTMR_REQUIRED, &err));
    assert_non_null(strstr(err.text, "RTMR 3: phase leave-initrd cannot be measured"));
    assert_true(clo_measure_rtmr(scratch.path, "leave-initrd", CLO_RTMR_OPTIONAL, &err));
    snprintf(path, sizeof path, "%s/rtmr3:sha384", scratch.path);
    assert_true(clo_file_write(path, clo_bytes_text(""), 0600, &err));
    for (int need = CLO_RTMR_REQUIRED; need <= CLO_RTMR_OPTIONAL; need++) {
        assert_true(clo_file_write(path, clo_bytes_text(""), 0600, &err));
        CHECK(clo_measure_rtmr(scratch.path, "leave-initrd", (enum clo_rtmr_need)need, &err),
              err.text);
        assert_true(clo_tdx_guest_read(scratch.path, "rtmr3:sha384", value, &err));
        clo_hash(CLO_HASH_SHA384, clo_bytes_text("leave-initrd"), &digest);
        assert_memory_equal(value, digest.bytes, sizeof value);
    }
}

/* One that is there and takes nothing is never optional. */
static void test_broken(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct clo_error err;
    char path[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(path, sizeof path, "%s/rtmr3:sha384", scratch.path);
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_false(clo_measure_rtmr(scratch.path, "leave-initrd", CLO_RTMR_OPTIONAL, &err));
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phase),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
