#include "lib/launch/direct_boot.h"

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "test.h"

struct fields {
    unsigned protocol, loadflags, xloadflags, sectors;
    uint32_t initrd_max;
};

static const struct fields today = { 0x20f, 1, 0x7f, 19, 0x7fffffff };

static void put(struct clo_buffer *kernel, size_t at, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        kernel->data[at + i] = (uint8_t)(value >> (8 * i));
}

static void make(const struct fields *fields, struct clo_buffer *out)
{
    for (unsigned i = 0; i < 0x3000; i++)
        clo_buffer_u8(out, (uint8_t)(i * 11 + i / 256));
    memcpy(out->data + 0x202, "HdrS", 4);
    put(out, 0x1f1, fields->sectors, 1);
    put(out, 0x206, fields->protocol, 2);
    put(out, 0x211, fields->loadflags, 1);
    put(out, 0x22c, fields->initrd_max, 4);
    put(out, 0x236, fields->xloadflags, 2);
}

static unsigned number(const json_t *entry, const char *key)
{
    return (unsigned)json_integer_value(json_object_get(entry, key));
}

/* By another implementation: tests/vectors/direct_boot/make.py. */
static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *cases = NULL;
    struct clo_error err;
    char path[4096];
    json_t *entry;
    size_t i;

    (void)state;
    snprintf(path, sizeof path, "%s/vectors/direct_boot/cases.json", getenv("CLOISTER_TESTS"));
    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, &err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &cases, &err))
        fail_msg("%s", err.text);
    CHECK(json_array_size(cases) >= 13, "all cases");
    json_array_foreach (cases, i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer patched = { 0 };
        const char *name = json_string_value(json_object_get(entry, "name"));
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        struct clo_digest digest;
        const struct fields fields = { number(entry, "protocol"), number(entry, "loadflags"),
                                       number(entry, "xloadflags"), number(entry, "sectors"),
                                       number(entry, "initrd_max") };
        make(&fields, &kernel);
        const struct clo_direct_boot from = {
            .kernel = clo_buffer_bytes(&kernel),
            .initrd_size = number(entry, "initrd"),
            .memory = (uint64_t)json_integer_value(json_object_get(entry, "memory")),
            .cmdline = json_string_value(json_object_get(entry, "cmdline")),
        };
        CHECK(clo_direct_boot_kernel(&from, &patched, &err), name);
        CHECK(patched.size == kernel.size, name);
        clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&patched), &digest);
        clo_hex_text(clo_digest_bytes(&digest), hex);
        CHECK(strcmp(hex, json_string_value(json_object_get(entry, "sha384"))) == 0, name);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        size_t size;
        struct fields fields;
        uint64_t memory;
        uint64_t initrd;
        const char *cmdline;
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "short",
          0x267,
          { 0x20f, 1, 0x7f, 1, 0 },
          1U << 30,
          0,
          NULL,
          CLO_ERR_FORMAT,
          "615 bytes: too short for a bzImage" },
        { "more setup sectors than file",
          0x2fff,
          { 0x20f, 1, 0x7f, 23, 0 },
          1U << 30,
          0,
          NULL,
          CLO_ERR_FORMAT,
          "23 setup sectors in 12287 bytes" },
        { "too old for an initrd",
          0x3000,
          { 0x1ff, 1, 0x7f, 3, 0 },
          1U << 30,
          1,
          NULL,
          CLO_ERR_UNSUPPORTED,
          "boot protocol 0x1ff knows no initrd" },
        { "no memory",
          0x3000,
          { 0x20f, 1, 0x7f, 3, 0 },
          0x28000,
          1,
          NULL,
          CLO_ERR_USAGE,
          "0x28000 bytes of memory: no room for an initrd" },
        { "initrd of all the memory",
          0x3000,
          { 0x20f, 1, 0x7f, 3, 0 },
          0x10000000,
          0xffd7fff,
          NULL,
          CLO_ERR_USAGE,
          "initrd of 268271615 bytes: there is room for 268271615" },
        { "vga is not a mode",
          0x3000,
          { 0x20f, 1, 0x7f, 3, 0 },
          1U << 30,
          0,
          "vga=-1",
          CLO_ERR_USAGE,
          "command line: \"vga=-1\" is not a mode" },
        { "vga goes on",
          0x3000,
          { 0x20f, 1, 0x7f, 3, 0 },
          1U << 30,
          0,
          "vga=3x",
          CLO_ERR_USAGE,
          "command line: \"vga=3x\" is not a mode" },
        { "vga is empty",
          0x3000,
          { 0x20f, 1, 0x7f, 3, 0 },
          1U << 30,
          0,
          "vga=",
          CLO_ERR_USAGE,
          "command line: \"vga=\" is not a mode" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        make(&cases[i].fields, &kernel);
        const struct clo_direct_boot from = {
            .kernel = clo_bytes(kernel.data, cases[i].size),
            .initrd_size = cases[i].initrd,
            .memory = cases[i].memory,
            .cmdline = cases[i].cmdline,
        };
        CHECK(!clo_direct_boot_kernel(&from, &out, &err), cases[i].name);
        if (err.status != cases[i].status || strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, err.text);
        CHECK(out.size == 0, cases[i].name);
    }
}

static void test_cut_short(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    struct clo_error err;

    (void)state;
    make(&today, &kernel);
    kernel.data[0x1f1] = 3;
    kernel.data[0x202] = 'h';
    struct clo_direct_boot from = { .kernel = clo_buffer_bytes(&kernel), .memory = 1U << 30 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CHECK(!clo_direct_boot_kernel(&from, &none, &err) &&
                  strcmp(err.text, "is not a bzImage: no boot protocol header at 0x202") == 0,
          err.text);
    kernel.data[0x202] = 'H';
    for (size_t size = 0; size <= 2100; size++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        from.kernel.size = size;
        CHECK(clo_direct_boot_kernel(&from, &out, &err) == (size >= 2048), "cut short");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
