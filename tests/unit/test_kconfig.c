#include "cloister/kconfig.h"
#include "lib/audit/kernel.h"
#include "lib/base/put.h"

#include <jansson.h>
#include <zstd.h>

#include "gzip_maker.h"
#include "test.h"

static const char config[] =
        "#\n# Automatically generated file; DO NOT EDIT.\n"
        "# Linux/x86_64 6.12.0-144.el10.x86_64 Kernel Configuration\n#\n"
        "CONFIG_DM_CRYPT=m\n# CONFIG_HIBERNATION is not set\nCONFIG_KEXEC=n\n"
        "CONFIG_LSM=\"lockdown,\\\"yama\\\"\"\nCONFIG_NR_CPUS=8192\r\n\n"
        "# CONFIG_DEBUG_VM_RB is not set # revisit this\n# CONFIG_TLS_DEVICE is deliberately off\n"
        "# CONFIG_SYSTEM_TRUSTED_KEYS=\"certs/rhel.pem\"\n"
        "CONFIG_EFI=y\nCONFIG_EFI_STUB=y\nCONFIG_EFI=m";

static const char *get(const struct clo_kconfig *parsed, const char *name)
{
    const char *value = clo_kconfig_get(parsed, name);

    return value == NULL ? "absent" : value;
}

static void test_lines(void **state)
{
    static const struct {
        const char *name, *value;
    } wanted[] = {
        { "DM_CRYPT", "m" },
        { "HIBERNATION", "n" },
        { "KEXEC", "n" },
        { "LSM", "lockdown,\"yama\"" },
        { "NR_CPUS", "8192" },
        { "DEBUG_VM_RB", "n" },
        { "TLS_DEVICE", "absent" },
        { "SYSTEM_TRUSTED_KEYS", "absent" },
        { "EFI", "m" },
        { "EFI_STUB", "y" },
        { "EF", "absent" },
    };
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_kconfig_parse(clo_bytes_text(config), &parsed, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(wanted); i++)
        CHECK(strcmp(get(parsed, wanted[i].name), wanted[i].value) == 0, wanted[i].name);
    const struct clo_kconfig_counts *counts = clo_kconfig_counts(parsed);
    CHECK(counts->y == 2 && counts->m == 2 && counts->n == 2 && counts->other == 3, "counts");
    CHECK(counts->again == 1, "EFI is set twice");
    CHECK(strcmp(clo_kconfig_version(parsed), "6.12.0-144.el10.x86_64") == 0, "version");
    CHECK(clo_kconfig_is_full(parsed), "Kconfig says that it wrote all of it");
    const char *name, *value, *before = "";
    size_t count = 0;
    for (; clo_kconfig_at(parsed, count, &name, &value); count++) {
        CHECK(strcmp(before, name) < 0, "by name, once each");
        before = name;
    }
    CHECK(count == 8, "all");
}

/* The first of the lines that has both its beginning and its end names the version. */
static void test_version(void **state)
{
    static const struct {
        const char *text, *version; /* NULL: none */
    } cases[] = {
        { "# Linux/x86_64 6.12.0 Kernel Configuration\n# Linux/x86 7.0 Kernel Configuration\n",
          "6.12.0" },
        { "# Linux/x86_64 6.12.0\nCONFIG_A=y\n", NULL },
        { "# Kernel Configuration\nCONFIG_A=y\n", NULL },
        { "# Linux/6.12.0 Kernel Configuration\nCONFIG_A=y\n", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        clo_buffer_text(&text, cases[i].text);
        clo_buffer_text(&text, "CONFIG_B=y\n");
        CHECK(clo_kconfig_parse(clo_buffer_bytes(&text), &parsed, &err), err.text);
        const char *version = clo_kconfig_version(parsed);
        CHECK(cases[i].version == NULL ? version == NULL
                                       : version != NULL && strcmp(version, cases[i].version) == 0,
              cases[i].text);
    }
}

static void test_every_truncation(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < strlen(config); cut++) {
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
        CLO_CLEANUP(clo_freep) char *copy = malloc(cut + 1);
        struct clo_error err;
        memcpy(copy, config, cut);
        if (clo_kconfig_parse(clo_bytes(copy, cut), &parsed, &err))
            CHECK(clo_kconfig_counts(parsed)->y <= 2, "no more than there is");
        else
            CHECK(strncmp(err.text, "kernel configuration: ", 22) == 0, err.text);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "nothing", "", "kernel configuration: no option in it" },
        { "remarks only", "# hello\n", "kernel configuration: no option in it" },
        { "no option", "CONFIG_A=y\nhello\n",
          "kernel configuration: line 2: no line of a kernel configuration: 'hello'" },
        { "no name", "CONFIG_=y\n",
          "kernel configuration: line 1: no line of a kernel configuration: 'CONFIG_=y'" },
        { "no value", "CONFIG_A\n",
          "kernel configuration: line 1: no line of a kernel configuration: 'CONFIG_A'" },
        { "a space in the name", "CONFIG_A =y\n",
          "kernel configuration: line 1: no line of a kernel configuration: 'CONFIG_A =y'" },
        { "no end of the text", "CONFIG_A=\"y\n",
          "kernel configuration: line 1: CONFIG_A: text without an end" },
        { "more after the text", "CONFIG_A=\"y\" z\n",
          "kernel configuration: line 1: CONFIG_A: text without an end" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
        struct clo_error err;
        CHECK(!clo_kconfig_parse(clo_bytes_text(cases[i].text), &parsed, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
    struct clo_error err;
    CHECK(!clo_kconfig_parse(clo_bytes("CONFIG_A=y\0", 11), &parsed, &err), "NUL");
    CHECK(strcmp(err.text, "kernel configuration: a NUL character in it") == 0, err.text);
}

/* Long lists are full without Kconfig's header, short ones are fragments. */
static void test_full(void **state)
{
    (void)state;
    for (int count = 499; count <= 500; count++) {
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        clo_buffer_text(&text, "CONFIG_64BIT=y\n");
        for (int i = 0; i < count; i++)
            clo_buffer_printf(&text, "# CONFIG_X%d is not set\n", i);
        CHECK(clo_kconfig_parse(clo_buffer_bytes(&text), &parsed, &err), err.text);
        CHECK(clo_kconfig_is_full(parsed) == (count == 500), "the line");
    }
}

/* --- Kernels --- */

/* What a kernel holds: its banner's format, a script's marker, the banner, the configuration. */
static void make_vmlinux(struct clo_buffer *out)
{
    clo_buffer_text(out, "\x7f"
                         "ELF Linux version %s IKCFG_ST IKCFG_ED Linux version 6.12.1-test (me)");
    clo_buffer_text(out, "IKCFG_ST");
    gzip_pack(config, out);
    clo_buffer_text(out, "IKCFG_ED and more");
}

/* A bzImage of protocol 2.15 with one setup sector. */
static void make_bzimage(struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    uint8_t packed[8192];

    make_vmlinux(&kernel);
    size_t size = ZSTD_compress(packed, sizeof packed, kernel.data, kernel.size, 3);
    clo_buffer_zero(out, 1024 + 64);
    out->data[0x1f1] = 1;
    memcpy(out->data + 0x202, "HdrS\x0f\x02", 6);
    clo_put_le32(out->data + 0x248, 64);
    clo_put_le32(out->data + 0x24c, (uint32_t)size);
    clo_buffer_append(out, clo_bytes(packed, size));
    clo_buffer_zero(out, 32);
}

static bool config_of(struct clo_bytes kernel, struct clo_buffer *text, bool *found,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    struct clo_bytes inner;

    return clo_kernel_unpack(kernel, &plain, &inner, err) &&
           clo_kernel_config(inner, text, found, err);
}

static void test_kernel(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vmlinux = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bzimage = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;
    bool found;

    (void)state;
    make_vmlinux(&vmlinux);
    CHECK(config_of(clo_buffer_bytes(&vmlinux), &text, &found, &err) && found, err.text);
    CHECK(strcmp(clo_buffer_string(&text), config) == 0, "plain");
    clo_buffer_free(&text);
    make_bzimage(&bzimage);
    CHECK(config_of(clo_buffer_bytes(&bzimage), &text, &found, &err) && found, err.text);
    CHECK(strcmp(clo_buffer_string(&text), config) == 0, "bzImage");
    clo_buffer_free(&text);
    CHECK(config_of(clo_bytes_text("no kernel, no IKCFG_ST"), &text, &found, &err) && !found,
          "none");
    for (size_t cut = 0; cut < bzimage.size - 40; cut++) {
        clo_buffer_free(&text);
        CHECK(!config_of(clo_bytes(bzimage.data, cut), &text, &found, &err) || !found,
              "a truncation");
    }
}

static void test_kernel_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;
    bool found;

    (void)state;
    make_bzimage(&kernel);
    clo_put_le32(kernel.data + 0x24c, 0x7fffffff);
    CHECK(!config_of(clo_buffer_bytes(&kernel), &text, &found, &err), "a payload too long");
    CHECK(strstr(err.text, "kernel: its payload, 2147483647 bytes at 1088, is outside") != NULL,
          err.text);
    kernel.data[0x206] = 7;
    CHECK(!config_of(clo_buffer_bytes(&kernel), &text, &found, &err), "an old protocol");
    CHECK(strcmp(err.text, "kernel: boot protocol 0x207 is too old") == 0, err.text);
    clo_buffer_free(&kernel);
    clo_buffer_text(&kernel, "IKCFG_ST");
    gzip_pack(config, &kernel);
    CHECK(!config_of(clo_buffer_bytes(&kernel), &text, &found, &err), "no end mark");
    CHECK(strcmp(err.text, "kernel: its configuration (IKCONFIG) has no end mark") == 0, err.text);
    clo_buffer_free(&text);
    kernel.size -= 8;
    CHECK(!config_of(clo_buffer_bytes(&kernel), &text, &found, &err), "cut short");
    CHECK(strstr(err.text, "(IKCONFIG): gzip: damaged or cut short") != NULL, err.text);
}

/* --- Other people's files --- */

static void check_case(const json_t *expected, const struct clo_kconfig *parsed, const char *id)
{
    const json_t *sets = json_object_get(expected, "sets");
    const char *version = json_string_value(json_object_get(expected, "kernel_version_in_header"));
    const struct clo_kconfig_counts *counts = clo_kconfig_counts(parsed);
    const char *name;
    json_t *value;

    CHECK(json_integer_value(json_object_get(sets, "y")) == (json_int_t)counts->y, id);
    CHECK(json_integer_value(json_object_get(sets, "m")) == (json_int_t)counts->m, id);
    CHECK(json_integer_value(json_object_get(sets, "n")) == (json_int_t)counts->n, id);
    CHECK(json_integer_value(json_object_get(sets, "other")) == (json_int_t)counts->other, id);
    CHECK(version == NULL ? clo_kconfig_version(parsed) == NULL
                          : strcmp(version, clo_kconfig_version(parsed)) == 0,
          id);
    CHECK(json_is_true(json_object_get(expected, "full_config")) == clo_kconfig_is_full(parsed),
          id);
    json_object_foreach (json_object_get(expected, "options"), name, value)
        CHECK(strcmp(get(parsed, name + strlen("CONFIG_")), json_string_value(value)) == 0, name);
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer manifest = { 0 };
    json_t *item;
    size_t i;

    (void)state;
    read_vector("kconfig/MANIFEST.json", &manifest);
    json_t *root = json_loadb((const char *)manifest.data, manifest.size, 0, NULL);
    CHECK(root != NULL && json_array_size(json_object_get(root, "cases")) > 0, "the manifest");
    json_array_foreach (json_object_get(root, "cases"), i, item) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *parsed = NULL;
        const char *id = json_string_value(json_object_get(item, "id"));
        struct clo_error err;
        char path[256];
        snprintf(path, sizeof path, "kconfig/%s",
                 json_string_value(json_object_get(
                         json_array_get(json_object_get(item, "files"), 0), "file")));
        read_vector(path, &text);
        CHECK(clo_kconfig_is(clo_buffer_bytes(&text)), id);
        CHECK(clo_kconfig_parse(clo_buffer_bytes(&text), &parsed, &err), err.text);
        check_case(json_object_get(item, "expected"), parsed, id);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_kernel_refused),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
