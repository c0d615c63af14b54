#include "image/initrd.h"

#include <archive.h>
#include <archive_entry.h>

#include "elf_maker.h"
#include "modules_maker.h"

static struct clo_scratch scratch;
static char folder[4200];
static char init[4200];

static int make_inputs(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int remove_inputs(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static void build(const char *program, const char *const *names, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *config = json_pack("{s:i, s:s}", "version", 1, "name", "x");
    const struct clo_initrd_spec spec = { .init = program,
                                          .modules_folder = folder,
                                          .modules = names,
                                          .guest_config = config,
                                          .epoch = 1700000000 };
    struct clo_error err;

    if (!clo_initrd_build(&spec, out, &err))
        fail_msg("%s", err.text);
    CHECK(json_object_get(config, "modules") == NULL, "the caller's own is left as it is");
}

static void test_content(void **state)
{
    static const char *const names[] = { "needs", "@card", NULL };
    static const char *const wanted[] = { "init",
                                          "dev",
                                          "proc",
                                          "sysroot",
                                          "lib/libc.so.6",
                                          "lib/modules/base.ko",
                                          "lib/modules/needs.ko",
                                          "etc/cloister/guest.json" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer config = { .limit = 65536 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    struct clo_error err;
    struct stat whole;
    uint32_t seen = 0;

    (void)state;
    CHECK(stat("/proc/self/exe", &whole) == 0, "this program");
    modules_make(scratch.path, folder);
    /* With what this test program itself needs as its libraries. */
    build("/proc/self/exe", names, &made);
    CHECK(memcmp(made.data, "\x28\xb5\x2f\xfd", 4) == 0, "zstd");
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_cpio(archive);
    assert_int_equal(archive_read_open_memory(archive, made.data, made.size), ARCHIVE_OK);
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        const char *path = archive_entry_pathname(entry);
        CHECK(archive_entry_mtime(entry) == 1700000000, path);
        CHECK(archive_entry_uid(entry) == 0 && archive_entry_gid(entry) == 0, path);
        for (size_t i = 0; i < CLO_COUNT(wanted); i++) {
            if (strcmp(path, wanted[i]) != 0)
                continue;
            CHECK((seen >> i & 1) == 0, "once each");
            seen |= 1U << i;
        }
        if (strcmp(path, "init") == 0)
            CHECK((archive_entry_perm(entry) & 0111) != 0 &&
                          archive_entry_size(entry) < whole.st_size,
                  "can be run, and has no symbols");
        if (strcmp(path, "etc/cloister/guest.json") == 0) {
            char text[4096];
            la_ssize_t size = archive_read_data(archive, text, sizeof text);
            CHECK(size > 0, "guest.json");
            clo_buffer_append(&config, clo_bytes(text, (size_t)size));
        }
    }
    archive_read_free(archive);
    CHECK(seen == (1U << CLO_COUNT(wanted)) - 1, "all that is wanted");
    CHECK(clo_json_parse(clo_buffer_bytes(&config), &json, &err), err.text);
    const json_t *modules = json_object_get(json, "modules");
    const json_t *devices = json_object_get(json, "module_devices");
    CHECK(json_object_size(devices) == 1 &&
                  json_array_size(json_object_get(devices, "/lib/modules/card.ko")) == 1,
          "which is for a device");
    CHECK(json_array_size(modules) == 3 &&
                  strcmp(json_string_value(json_array_get(modules, 0)), "/lib/modules/base.ko") ==
                          0 &&
                  strcmp(json_string_value(json_array_get(modules, 1)), "/lib/modules/needs.ko") ==
                          0,
          "in the order to load them");
}

/* Of a small program: packing is what takes its time. */
static void test_reproducible(void **state)
{
    static const char *const names[] = { "needs", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };

    (void)state;
    if (folder[0] == '\0')
        skip();
    build("/bin/true", names, &made);
    build("/bin/true", names, &again);
    CHECK(made.size > 0, "made");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&made), clo_buffer_bytes(&again)), "reproducible");
}

static void test_refused(void **state)
{
    static const struct elf_spec missing = { { "libdoesnotexist.so.1" }, NULL };
    static const char *const base[] = { "base", NULL };
    static const char *const absent[] = { "absent", NULL };
    CLO_CLEANUP(clo_json_freep) json_t *config = json_object();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer program = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    if (folder[0] == '\0')
        skip();
    elf_make(&program, &missing);
    snprintf(init, sizeof init, "%s/init", scratch.path);
    CHECK(clo_file_write(init, clo_buffer_bytes(&program), 0755, &err), err.text);
    const struct {
        const char *init;
        const char *const *modules;
        const char *folder, *error;
    } cases[] = {
        { init, base, folder, "library libdoesnotexist.so.1 is not on this machine" },
        { "/none", base, folder, "/none" },
        { "/proc/self/exe", absent, folder, "absent: neither a module nor built in" },
        { "/proc/self/exe", base, "/none", "/none/modules.dep.bin: not there" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct clo_initrd_spec spec = { .init = cases[i].init,
                                              .modules_folder = cases[i].folder,
                                              .modules = cases[i].modules,
                                              .guest_config = config };
        CHECK(!clo_initrd_build(&spec, &out, &err), cases[i].error);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(out.size == 0, "nothing is given");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_inputs, remove_inputs);
}
