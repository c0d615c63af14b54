#include "image/modules.h"

#include <archive.h>
#include <archive_entry.h>

#include "modules_maker.h"

static struct clo_scratch scratch;
static char folder[4200];

static int make_scratch(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);

    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

static void test_order(void **state)
{
    static const struct {
        const char *names[4];
        const char *expected[4];
    } cases[] = {
        { { "base" }, { "base.ko" } },
        { { "needs" }, { "base.ko", "needs.ko" } },
        { { "soft" }, { "base.ko", "soft.ko" } },
        { { "needs", "base", "soft" }, { "base.ko", "needs.ko", "soft.ko" } },
        { { "inside" }, { NULL } }, /* built in */
        { { "?absent", "base" }, { "base.ko" } },
    };
    struct clo_error err;

    (void)state;
    modules_make(scratch.path, folder);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
        size_t count = 0;
        while (cases[i].expected[count] != NULL)
            count++;
        CHECK(clo_modules_get(folder, cases[i].names, &modules, &err), err.text);
        CHECK(modules.count == count, cases[i].names[0]);
        for (size_t k = 0; k < count; k++)
            CHECK(ends_with(modules.paths[k], cases[i].expected[k]), modules.paths[k]);
    }
}

/* Which devices a module is loaded for: its own, those of what needs it, those of what carries its bus; NULL: always. */
static void test_devices(void **state)
{
    static const struct {
        const char *names[5];
        const char *module, *devices;
    } cases[] = {
        { { "card" }, "card.ko", NULL }, /* not asked for */
        { { "@card" }, "card.ko", "[\"pci:v00001234d*\"]" },
        { { "?@card" }, "card.ko", "[\"pci:v00001234d*\"]" },
        { { "@virtio_scsi" }, "virtio_scsi.ko", "[\"virtio:d00000008v*\"]" },
        { { "@virtio_scsi" }, "base.ko", "[\"virtio:d00000008v*\"]" },
        { { "@sd_mod" }, "sd_mod.ko", "[\"virtio:d00000008v*\"]" },
        { { "@virtio_scsi", "needs" }, "base.ko", NULL },
        { { "needs", "@virtio_scsi" }, "base.ko", NULL },
        { { "@needs" }, "needs.ko", NULL }, /* of no device that is known */
        { { "@late" }, "late.ko", NULL },   /* nothing here carries its bus */
    };
    struct clo_error err;

    (void)state;
    if (folder[0] == '\0')
        skip();
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *wanted = NULL;
        size_t k = 0;
        CHECK(clo_modules_get(folder, cases[i].names, &modules, &err), err.text);
        while (k < modules.count && !ends_with(modules.paths[k], cases[i].module))
            k++;
        CHECK(k < modules.count, cases[i].module);
        if (cases[i].devices != NULL)
            CHECK(clo_json_parse(clo_bytes_text(cases[i].devices), &wanted, &err), err.text);
        CHECK(wanted == NULL ? modules.devices[k] == NULL
                             : modules.devices[k] != NULL && json_equal(modules.devices[k], wanted),
              cases[i].names[0]);
    }
}

static void test_refused(void **state)
{
    static const char *const absent[] = { "base", "absent", NULL };
    CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
    struct clo_error err;

    (void)state;
    if (folder[0] == '\0')
        skip();
    CHECK(!clo_modules_get(folder, absent, &modules, &err), "absent");
    CHECK(ends_with(err.text, ": absent: neither a module nor built in"), err.text);
    CHECK(!clo_modules_get(scratch.path, absent, &modules, &err), "no modules");
    CHECK(ends_with(err.text, "run depmod for this kernel first"), err.text);
    CHECK(modules.count == 0, "nothing was given");
}

static void compress(const char *path, int filter)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();

    archive_write_set_format_raw(archive);
    archive_write_add_filter(archive, filter);
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(archive, entry);
    assert_int_equal(archive_write_data(archive, "a module", 8), 8);
    archive_entry_free(entry);
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

static void test_read(void **state)
{
    static const int filters[] = { ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ,
                                   ARCHIVE_FILTER_ZSTD };
    char path[4200];
    struct clo_error err;

    (void)state;
    snprintf(path, sizeof path, "%s/read.ko", scratch.path);
    for (size_t i = 0; i < CLO_COUNT(filters); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        compress(path, filters[i]);
        CHECK(clo_module_read(path, &data, &err), err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&data), clo_bytes_text("a module")), "content");
    }
    /* Cut short: an error, no shorter module. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CHECK(clo_file_read(path, 4096, &whole, &err), err.text);
    CHECK(clo_file_write(path, clo_bytes_slice(clo_buffer_bytes(&whole), 0, whole.size - 3), 0644,
                         &err),
          err.text);
    CHECK(!clo_module_read(path, &data, &err), "cut");
    CHECK(strstr(err.text, "/read.ko: ") != NULL, err.text);
    CHECK(!clo_module_read("/none", &data, &err), "nothing there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
