#include "image/esp.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk/fat.h"
#include "uki_maker.h"

static struct clo_scratch scratch;

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static void make(const char *name, struct clo_bytes uki, struct clo_buffer *out)
{
    char path[4200];
    uint64_t size;
    struct clo_error err;

    snprintf(path, sizeof path, "%s/%s", scratch.path, name);
    if (!clo_esp_make(path, uki, 0, 1700000000, &size, &err)) {
        if (err.status != CLO_ERR_UNAVAILABLE)
            fail_msg("%s", err.text);
        print_message("SKIP: %s\n", err.text);
        skip();
    }
    CHECK(clo_file_read(path, CLO_FILE_LIMIT, out, &err), err.text);
    CHECK(out->size == size && size == 64 << 20, "size");
}

/* The firmware finds the program under the name of its machine, and the same input gives the same
 * volume. */
static void test_make(void **state)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } cases[] = { { CLO_PE_MACHINE_X86_64, "EFI/BOOT/BOOTX64.EFI" },
                  { CLO_PE_MACHINE_AARCH64, "EFI/BOOT/BOOTAA64.EFI" } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer read = { 0 };
        struct clo_error err;
        uki_make(&uki, 257, (struct clo_uki_parts){ .kernel = clo_bytes_text("k") });
        pe_put(&uki, PE_COFF, cases[i].machine, 2);
        make(i == 0 ? "a" : "c", clo_buffer_bytes(&uki), &first);
        make(i == 0 ? "b" : "d", clo_buffer_bytes(&uki), &second);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&first), clo_buffer_bytes(&second)), "reproducible");
        CHECK(clo_fat_read(clo_buffer_bytes(&first), cases[i].name, 1 << 20, &read, &err),
              err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&read), clo_buffer_bytes(&uki)), cases[i].name);
    }
}

static void test_refused(void **state)
{
    char path[4200];
    uint64_t size;
    struct clo_error err;

    (void)state;
    snprintf(path, sizeof path, "%s/none", scratch.path);
    CHECK(!clo_esp_make(path, clo_bytes_text("text"), 0, 0, &size, &err), "is not a PE file");
    CHECK(strcmp(err.text, "UKI: is not a PE file: \"MZ\" is missing") == 0, err.text);
}

/* A file that cannot be written is not a volume that was made. */
static void test_unwritable(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    char path[4200], folder[4210];
    uint64_t size = 7;
    struct clo_error err;

    (void)state;
    uki_make(&uki, 257, (struct clo_uki_parts){ .kernel = clo_bytes_text("k") });
    snprintf(path, sizeof path, "%s/unwritable", scratch.path);
    snprintf(folder, sizeof folder, "%s.efi", path);
    assert_int_equal(mkdir(folder, 0700), 0); /* where the UKI is put for mcopy */
    CHECK(!clo_esp_make(path, clo_buffer_bytes(&uki), 0, 0, &size, &err) && size == 7,
          "counts as made");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
