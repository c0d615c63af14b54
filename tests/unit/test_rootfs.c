#include "image/rootfs.h"

#include <sys/stat.h>
#include <unistd.h>

#include "device/process.h"
#include "test.h"

static const struct clo_guid uuid = { { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x48, 0x99 } };
static struct clo_scratch scratch;
static char folder[4200];
static char image[4200];

static int set_up(void **state)
{
    struct clo_error err;
    char path[4300];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/root", scratch.path);
    snprintf(image, sizeof image, "%s/image", scratch.path);
    assert_int_equal(mkdir(folder, 0755), 0);
    snprintf(path, sizeof path, "%s/hello", folder);
    assert_true(clo_file_write(path, clo_bytes_text("to you"), 0640, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static void ask(const char *request, struct clo_buffer *out)
{
    const char *const argv[] = { "debugfs", "-R", request, image, NULL };
    struct clo_error err;

    out->size = 0;
    if (!clo_process_run(argv, NULL, out, &err))
        fail_msg("%s", err.text);
}

static void test_make(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct stat status;
    struct clo_error err;

    (void)state;
    CHECK(clo_rootfs_make(folder, image, (uint64_t)32 << 20, &uuid, 1700000000, &err), err.text);
    CHECK(stat(image, &status) == 0 && status.st_size == 32 << 20, "size");
    ask("cat /hello", &out);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&out), clo_bytes_text("to you")), "content");
    ask("stat /hello", &out);
    CHECK(strstr(clo_buffer_string(&out), "0640") != NULL, "permissions");
    ask("show_super_stats -h", &out);
    CHECK(strstr(clo_buffer_string(&out), "44332211-6655-4877-9900-000000000000") != NULL, "UUID");
    unlink(image);
    CHECK(clo_rootfs_make(folder, image, 0, &uuid, -1, &err), err.text);
    CHECK(stat(image, &status) == 0 && status.st_size >= 256 << 20, "as large as needed");
    CHECK(status.st_blocks * 512 < 64 << 20, "and sparse");
    CHECK(!clo_rootfs_make(folder, image, 0, &uuid, -1, &err), "it is there already");
    CHECK(strstr(err.text, "File exists") != NULL, err.text);
    unlink(image);
}

static void test_refused(void **state)
{
    struct clo_error err;
    char path[4300];

    (void)state;
    CHECK(!clo_rootfs_make("/none", image, 0, &uuid, 0, &err), "no folder");
    CHECK(strcmp(err.text, "/none: No such file or directory") == 0, err.text);
    snprintf(path, sizeof path, "%s/hello", folder);
    CHECK(!clo_rootfs_make(path, image, 0, &uuid, 0, &err), "a file");
    CHECK(strstr(err.text, "/hello: no folder") != NULL, err.text);
    CHECK(!clo_rootfs_make(folder, image, 40960, &uuid, 0, &err), "too small");
    CHECK(strstr(err.text, "/root: ext4: mke2fs: ") != NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
