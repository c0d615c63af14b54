/* What PlatformPei leaves of itself: a module made by the test, whose code refers to the variable's
 * fields as the real one's does. tests/vm/registers_firmware.sh has real ones, and what they measured. */
#include "lib/predict/platform_pei.h"

#include "firmware_maker.h"
#include "varstore_maker.h"

#define TEXT   0x240
#define DATA   0x640
#define RELOC  0x840
#define BASE   0x828a40
#define TYPES  (DATA + 0x10)
#define INFO   (DATA + 0x40)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static const struct clo_guid platform = { { 0x6d, 0x38, 0x2c, 0x22, 0xbc, 0x5a, 0xb4, 0x4f, 0xb1,
                                            0x24, 0xfb, 0xb8, 0x24, 0x88, 0xac, 0xf4 } };
static const struct clo_guid smm = { { 0xb4, 0x75, 0x0e, 0x6c, 0xb9, 0xb0, 0xd1, 0x44, 0x82, 0x10,
                                       0x33, 0x77, 0xd7, 0xb4, 0xe0, 0x66 } };
static const struct clo_guid memory_types = { { 0x9f, 0x04, 0x19, 0x4c, 0x37, 0x41, 0xd3, 0x4d,
                                                0x9c, 0x10, 0x8b, 0x97, 0xa8, 0x3f, 0xfd, 0xfa } };
static const uint8_t fields[] = { 0x18, 0x23, 0x27, 0x28, 0x29, 0x2a, 0x2c, 0x34,
                                  0x35, 0x39, 0x46, 0x4e, 0x56, 0x5a, 0x5e, 0x66,
                                  0x76, 0x7a, 0x7e, 0x82, 0x86, 0x8a, 0x8b };

struct module {
    bool is_64_bit, needs_smm;
    bool is_moved;     /* memory is not as the file */
    bool has_no_types; /* no table of memory types */
    size_t odd_word;   /* of that table: counted from 1; 0: none */
    uint32_t odd;
    size_t forgotten; /* a field that the code does not refer to, from 1 */
    size_t second;    /* another variable that looks alike, there; 0: none */
    uint8_t filled;   /* what the variable holds */
};

static void section(struct clo_buffer *out, const char *name, uint32_t at, uint32_t size,
                    uint32_t offset)
{
    size_t length = strlen(name);

    clo_buffer_text(out, name);
    clo_buffer_zero(out, 8 - length);
    clo_buffer_le32(out, size);
    clo_buffer_le32(out, at);
    clo_buffer_le32(out, size);
    clo_buffer_le32(out, offset);
    clo_buffer_zero(out, 16);
}

static void put_headers(const struct module *module, struct clo_buffer *out)
{
    uint16_t optional = module->is_64_bit ? 0xf0 : 0xe0;

    clo_buffer_text(out, "MZ");
    clo_buffer_zero(out, 0x3c - 2);
    clo_buffer_le32(out, 0x40);
    clo_buffer_append(out, clo_bytes("PE\0", 4));
    clo_buffer_le16(out, module->is_64_bit ? 0x8664 : 0x14c);
    clo_buffer_le16(out, 3);
    clo_buffer_zero(out, 12);
    clo_buffer_le16(out, optional);
    clo_buffer_le16(out, 0);
    clo_buffer_le16(out, module->is_64_bit ? 0x20b : 0x10b);
    clo_buffer_zero(out, 26);
    clo_buffer_le32(out, BASE);
    clo_buffer_zero(out, optional - 32U);
    section(out, ".text", TEXT, DATA - TEXT, TEXT + (module->is_moved ? 0x20 : 0));
    section(out, ".data", DATA, RELOC - DATA, DATA);
    section(out, ".reloc", RELOC, 0x200, RELOC);
    clo_buffer_zero(out, TEXT - out->size);
}

/* Instructions that refer to each field of the variable at `info`; their relocations. */
static void put_code(const struct module *module, uint32_t info, struct clo_buffer *out,
                     struct clo_buffer *relocations)
{
    for (size_t i = 0; i < sizeof fields; i++) {
        if (i + 1 == module->forgotten)
            continue;
        clo_buffer_u8(out, 0x89);
        clo_buffer_u8(out, 0x05);
        if (module->is_64_bit) {
            clo_buffer_le32(out, info + fields[i] - (uint32_t)(out->size + 4));
        } else {
            clo_buffer_le16(relocations, (uint16_t)(0x3000 | out->size));
            clo_buffer_le32(out, BASE + info + fields[i]);
        }
    }
}

static void put_data(const struct module *module, struct clo_buffer *out)
{
    static const uint32_t types[] = { 10, 0x80, 9, 0x12, 0, 0x80, 5, 0x100, 6, 0x100, 16, 0 };

    clo_buffer_zero(out, DATA - out->size);
    clo_buffer_text(out, "initialized data");
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        clo_buffer_le32(out, module->has_no_types        ? 1
                             : i + 1 == module->odd_word ? module->odd
                                                         : types[i]);
    clo_buffer_zero(out, RELOC - out->size);
    out->data[INFO + 0x60] = module->filled;
}

static void make_volume(const struct module *module, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer relocations = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sections = { 0 };

    put_headers(module, &image);
    put_code(module, INFO, &image, &relocations);
    if (module->second != 0)
        put_code(module, (uint32_t)module->second, &image, &relocations);
    put_data(module, &image);
    clo_buffer_le32(&image, 0);
    clo_buffer_le32(&image, (uint32_t)(8 + relocations.size));
    clo_buffer_append(&image, clo_buffer_bytes(&relocations));
    clo_buffer_zero(&image, RELOC + 0x200 - image.size);
    volume_section(&sections, 0x19, clo_bytes_text("depex"));
    volume_section(&sections, CLO_SECTION_PE32, clo_buffer_bytes(&image));
    volume_begin(out);
    if (module->needs_smm)
        volume_file(out, &smm, 6, clo_bytes_text("SMM"));
    volume_file(out, &platform, 6, clo_buffer_bytes(&sections));
    volume_end(out, 0x1000);
}

/* Where the module's image begins in the volume. */
static size_t image_at(const struct clo_buffer *volume)
{
    for (size_t at = 0; at + 2 < volume->size; at++)
        if (volume->data[at] == 'M' && volume->data[at + 1] == 'Z')
            return at;
    fail_msg("no image");
    return 0;
}

static bool run(const struct clo_buffer *made, const struct clo_machine *machine,
                const struct clo_varstore *store, struct clo_buffer *out, struct clo_error *err)
{
    struct clo_volume volume;

    if (!clo_volume_parse(clo_buffer_bytes(made), &volume, err))
        fail_msg("%s", err->text);
    return platform_pei_run(&volume, machine, store, out, err);
}

static uint64_t le_at(const struct clo_buffer *buffer, size_t at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)buffer->data[at + i] << (8 * i);
    return value;
}

static void test_machines(void **state)
{
    static const struct {
        const char *name;
        bool needs_smm;
        struct clo_machine machine;
        uint64_t first, window, window_size;
        uint32_t uc32;
    } cases[] = {
        { "512 MiB", true, { MIB(512), 1, 40, NULL }, GIB(64), GIB(896), GIB(128), 0x80000000 },
        { "without SMM",
          false,
          { MIB(512), 1, 40, NULL },
          GIB(64),
          GIB(896),
          GIB(128),
          0x80000000 },
        { "2500 MiB: all below 4 GiB",
          false,
          { MIB(2500), 1, 40, NULL },
          GIB(64),
          GIB(896),
          GIB(128),
          0xb0000000 },
        { "2816 MiB: 2 GiB below",
          false,
          { MIB(2816), 3, 40, NULL },
          GIB(64),
          GIB(896),
          GIB(128),
          0x80000000 },
        { "30 GiB: up to 32 GiB",
          true,
          { GIB(30), 2, 40, NULL },
          GIB(64),
          GIB(896),
          GIB(128),
          0x80000000 },
        { "31 GiB", true, { GIB(31), 2, 40, NULL }, GIB(96), GIB(896), GIB(128), 0x80000000 },
        { "36 bits", true, { MIB(512), 255, 36, NULL }, GIB(64), GIB(32), GIB(32), 0x80000000 },
        { "39 bits", true, { MIB(512), 1, 39, NULL }, GIB(64), GIB(448), GIB(64), 0x80000000 },
    };

    (void)state;
    for (size_t i = 0; i < 2 * CLO_COUNT(cases); i++) {
        size_t n = i / 2;
        const struct module module = { .is_64_bit = i % 2 != 0, .needs_smm = cases[n].needs_smm };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        make_volume(&module, &made);
        CHECK(run(&made, &cases[n].machine, NULL, &out, &err), cases[n].name);
        CHECK(out.size == made.size, cases[n].name);
        size_t info = image_at(&made) + INFO;
        CHECK(le_at(&out, info + 0x18, 2) == 0x29c0, cases[n].name);
        CHECK(le_at(&out, info + 0x28, 4) == (cases[n].needs_smm ? 0x00100101 : 0), cases[n].name);
        CHECK(le_at(&out, info + 0x2c, 8) == cases[n].first, cases[n].name);
        CHECK(out.data[info + 0x34] == cases[n].machine.address_bits, cases[n].name);
        CHECK(le_at(&out, info + 0x35, 4) == cases[n].uc32, cases[n].name);
        CHECK(le_at(&out, info + 0x46, 8) == cases[n].window, cases[n].name);
        CHECK(le_at(&out, info + 0x4e, 8) == cases[n].window_size, cases[n].name);
        CHECK(le_at(&out, info + 0x56, 8) == 0x3c000000c0000000, cases[n].name);
        CHECK(le_at(&out, info + 0x5e, 8) == 0x6000 && le_at(&out, info + 0x66, 8) == 0xa000,
              cases[n].name);
        CHECK(le_at(&out, info + 0x76, 4) == cases[n].machine.vcpus &&
                      le_at(&out, info + 0x7a, 4) == cases[n].machine.vcpus &&
                      le_at(&out, info + 0x7e, 4) == 64,
              cases[n].name);
        CHECK(le_at(&out, info + 0x8a, 2) == 0x0101, cases[n].name);
        /* Nothing else moved. */
        memcpy(out.data + info, made.data + info, 0x8c);
        CHECK(memcmp(out.data, made.data, out.size) == 0, cases[n].name);
    }
}

/* Firmware asks for more than the build's own; for less, or of other types, counts for nothing. */
static void test_memory_types(void **state)
{
    static const struct {
        const char *name;
        bool needs_smm;
        uint32_t records[12];
        size_t size;
        uint32_t expected[5];
    } cases[] = {
        { "more", true, { 6, 0x200, 10, 0x90 }, 16, { 0x90, 0x12, 0x80, 0x100, 0x200 } },
        { "less", true, { 6, 0x20, 9, 0x12 }, 16, { 0x80, 0x12, 0x80, 0x100, 0x100 } },
        { "the first of a type",
          true,
          { 0, 0x10, 0, 0x900 },
          16,
          { 0x80, 0x12, 0x80, 0x100, 0x100 } },
        { "another type", true, { 4, 0x900, 16, 9 }, 16, { 0x80, 0x12, 0x80, 0x100, 0x100 } },
        { "half a record", true, { 6, 0x200, 10, 0x90 }, 12, { 0x80, 0x12, 0x80, 0x100, 0x100 } },
        { "a build without SMM reads none",
          false,
          { 6, 0x200 },
          8,
          { 0x80, 0x12, 0x80, 0x100, 0x100 } },
    };
    const struct clo_machine machine = { MIB(512), 1, 40, NULL };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct module module = { .needs_smm = cases[i].needs_smm };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer records = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer changed = { 0 };
        CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
        CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *with = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        for (size_t k = 0; k < CLO_COUNT(cases[i].records); k++)
            clo_buffer_le32(&records, cases[i].records[k]);
        const struct clo_efivar variable = {
            .name = "MemoryTypeInformation",
            .vendor = memory_types,
            .attributes = CLO_EFIVAR_BOOT,
            .data = clo_bytes_slice(clo_buffer_bytes(&records), 0, cases[i].size),
        };
        make_store(&file, &none);
        CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &store, &err), err.text);
        CHECK(clo_varstore_write(store, &variable, 1, &changed, &err), err.text);
        CHECK(clo_varstore_parse(clo_buffer_bytes(&changed), &with, &err), err.text);
        make_volume(&module, &made);
        CHECK(run(&made, &machine, with, &out, &err), err.text);
        for (size_t k = 0; k < 5; k++)
            CHECK(le_at(&out, image_at(&made) + TYPES + 8 * k + 4, 4) == cases[i].expected[k],
                  cases[i].name);
    }
}

static void test_refused(void **state)
{
    static const char elsewhere[] = "firmware: its PlatformPei keeps what it knows of the machine "
                                    "elsewhere than edk2 of November 2022";
    static const struct {
        const char *name;
        struct module module;
        struct clo_machine machine;
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "a field that no code refers to",
          { .forgotten = 7 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          elsewhere },
        { "the first field, 64 bits",
          { .is_64_bit = true, .forgotten = 1 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          elsewhere },
        { "two that look alike",
          { .second = INFO + 0xa0 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          elsewhere },
        { "a variable that is not empty",
          { .filled = 1 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          elsewhere },
        { "no memory types",
          { .has_no_types = true },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "memory types: another type",
          { .odd_word = 3, .odd = 8 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "memory types: a type of no pages",
          { .odd_word = 4, .odd = 0 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "memory types: an end before the last type",
          { .odd_word = 11, .odd = 13 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "memory types: an end after it",
          { .odd_word = 11, .odd = 17 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "memory types: an end with pages",
          { .odd_word = 12, .odd = 1 },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei has no table of memory types" },
        { "not laid out to run in place",
          { .is_moved = true },
          { MIB(512), 1, 40, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: PlatformPei is not laid out to run in place" },
        { "no memory",
          { .needs_smm = true },
          { 0, 1, 40, NULL },
          CLO_ERR_USAGE,
          "firmware: a machine of 0 MiB and 1 vCPUs" },
        { "too much",
          { .needs_smm = true },
          { GIB(513), 1, 40, NULL },
          CLO_ERR_USAGE,
          "firmware: a machine of 525312 MiB and 1 vCPUs" },
        { "no processor",
          { .needs_smm = true },
          { GIB(1), 0, 40, NULL },
          CLO_ERR_USAGE,
          "firmware: a machine of 1024 MiB and 0 vCPUs" },
        { "too many",
          { .needs_smm = true },
          { GIB(1), 256, 40, NULL },
          CLO_ERR_USAGE,
          "firmware: a machine of 1024 MiB and 256 vCPUs" },
        { "too wide",
          { .needs_smm = true },
          { GIB(1), 1, 41, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: addresses of 41 bits, known are 36 to 40" },
        { "too narrow",
          { .needs_smm = true },
          { GIB(1), 1, 35, NULL },
          CLO_ERR_UNSUPPORTED,
          "firmware: addresses of 35 bits, known are 36 to 40" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        make_volume(&cases[i].module, &made);
        CHECK(!run(&made, &cases[i].machine, NULL, &out, &err), cases[i].name);
        CHECK(err.status == cases[i].status && strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(out.size == 0, cases[i].name);
    }
}

/* A module that is cut short anywhere is refused, and never read beyond. */
static void test_cut(void **state)
{
    const struct module module = { .needs_smm = true };
    const struct clo_machine machine = { MIB(512), 1, 40, NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_volume_file file;
    struct clo_volume_section section;
    struct clo_volume volume;
    struct clo_error err;
    size_t at = 0;

    (void)state;
    make_volume(&module, &made);
    CHECK(clo_volume_parse(clo_buffer_bytes(&made), &volume, &err), err.text);
    CHECK(clo_volume_find(&volume, &platform, &file), "there");
    do
        CHECK(clo_volume_section_next(file.data, &at, &section, &err) == CLO_NEXT_ITEM, err.text);
    while (section.type != CLO_SECTION_PE32);
    for (size_t size = 0; size < RELOC; size++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer sections = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cut = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        volume_section(&sections, CLO_SECTION_PE32, clo_bytes_slice(section.data, 0, size));
        volume_begin(&cut);
        volume_file(&cut, &platform, 6, clo_buffer_bytes(&sections));
        volume_end(&cut, 0x1000);
        CHECK(!run(&cut, &machine, NULL, &out, &err) && err.status == CLO_ERR_UNSUPPORTED, "cut");
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    volume_begin(&other);
    volume_file(&other, &platform, 6, clo_bytes_text("text"));
    volume_end(&other, 0x1000);
    CHECK(!run(&other, &machine, NULL, &out, &err), "no image");
    CHECK(strcmp(err.text, "firmware: PlatformPei is not a PE image") == 0, err.text);
    other.size = 0;
    volume_begin(&other);
    volume_end(&other, 0x1000);
    CHECK(!run(&other, &machine, NULL, &out, &err), "no module");
    CHECK(strcmp(err.text, "firmware: no PlatformPei in its PEI volume") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_memory_types),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
