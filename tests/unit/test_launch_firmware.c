#include "cloister/launch.h"

#include "launch_cases.h"
#include "ovmf_maker.h"

#define SECTIONS_MAX 65

struct description {
    uint32_t size, version, count; /* of the header; size 0: the right one */
    struct clo_launch_section sections[2];
    size_t repeats; /* how often the first is there, a page further each time */
};

/* An image of one page with this metadata at its beginning. */
static void make_image(const struct description *d, struct clo_buffer *out)
{
    static const uint8_t whole[4] = { 0x00, 0x10, 0, 0 };
    const struct ovmf_item item = { &clo_guid_ovmf_sev_metadata, { whole, 4 }, 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer metadata = { 0 };

    clo_buffer_text(&metadata, "ASEV");
    clo_buffer_le32(&metadata, d->size != 0 ? d->size : 16 + 12 * d->count);
    clo_buffer_le32(&metadata, d->version);
    clo_buffer_le32(&metadata, d->count);
    for (uint32_t i = 0; i < d->count && i < 100; i++) {
        bool is_repeat = i < d->repeats;
        const struct clo_launch_section *section = &d->sections[is_repeat ? 0 : i % 2];
        clo_buffer_le32(&metadata, section->gpa + (is_repeat ? i * CLO_LAUNCH_PAGE : 0));
        clo_buffer_le32(&metadata, section->size);
        clo_buffer_le32(&metadata, section->type);
    }
    make_ovmf(CLO_LAUNCH_PAGE, &item, 1, 0, out);
    memcpy(out->data, metadata.data, metadata.size);
}

static void test_sections(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_launch_firmware firmware;

    (void)state;
    read_launch_file("cpuid-first.fd", &image);
    parse_firmware(&image, &firmware);
    CHECK(firmware.has_sections && firmware.section_count == 5, "five");
    CHECK(firmware.sections[0].type == CLO_SECTION_CPUID && firmware.sections[0].gpa == 0x9000,
          "in the file's order");
    CHECK(firmware.sections[3].size == 0x5000, "size");
    CHECK(clo_launch_firmware_has(&firmware, CLO_SECTION_KERNEL_HASHES), "hashes");
    CHECK(!clo_launch_firmware_has(&firmware, CLO_SECTION_SVSM_CAA), "no CAA");
    CHECK(strcmp(clo_launch_section_name(0x10), "SNP_KERNEL_HASHES") == 0, "name");
    CHECK(strcmp(clo_launch_section_name(5), "unknown") == 0, "name");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        struct description d;
        const char *error;
    } cases[] = {
        { "version 2", { 0, 2, 0, { { 0 } }, 0 }, "SEV metadata: version 2, expected 1" },
        { "as many as can be", { 0, 1, 64, { { 0x1000, 0x1000, 1 } }, 64 }, NULL },
        { "one more",
          { 0, 1, SECTIONS_MAX, { { 0x1000, 0x1000, 1 } }, SECTIONS_MAX },
          "SEV metadata: 65 sections, at most 64 expected" },
        { "a size too small for them",
          { 39, 1, 2, { { 0x1000, 0x1000, 1 } }, 2 },
          "SEV metadata: size 39 for 2 sections, 4096 bytes are there" },
        { "a size beyond the end",
          { 4097, 1, 1, { { 0x1000, 0x1000, 1 } }, 1 },
          "SEV metadata: size 4097 for 1 sections, 4096 bytes are there" },
        { "a type nobody knows",
          { 0, 1, 1, { { 0x1000, 0x1000, 5 } }, 1 },
          "SEV metadata: section 0: type 0x5 is unknown" },
        { "an address within a page",
          { 0, 1, 1, { { 0x1010, 0x1000, 1 } }, 1 },
          "SEV metadata: section 0: SNP_SEC_MEM at 0x1010, size 0x1000: no whole pages" },
        { "a size within a page",
          { 0, 1, 1, { { 0x1000, 0x1001, 1 } }, 1 },
          "SEV metadata: section 0: SNP_SEC_MEM at 0x1000, size 0x1001: no whole pages" },
        { "no page",
          { 0, 1, 1, { { 0x1000, 0, 1 } }, 1 },
          "SEV metadata: section 0: SNP_SEC_MEM at 0x1000, size 0x0: no whole pages" },
        { "two pages of secrets",
          { 0, 1, 1, { { 0x1000, 0x2000, 2 } }, 1 },
          "SEV metadata: section 0: SNP_SECRETS: size 0x2000, expected one page" },
        { "two pages of CPUID",
          { 0, 1, 1, { { 0x1000, 0x2000, 3 } }, 1 },
          "SEV metadata: section 0: CPUID: size 0x2000, expected one page" },
        { "the second begins in the first",
          { 0, 1, 2, { { 0x1000, 0x2000, 1 }, { 0x2000, 0x1000, 2 } }, 0 },
          "SEV metadata: section 1: SNP_SECRETS at 0x2000 overlaps another" },
        { "the first begins in the second",
          { 0, 1, 2, { { 0x3000, 0x1000, 2 }, { 0x1000, 0x4000, 1 } }, 0 },
          "SEV metadata: section 1: SNP_SEC_MEM at 0x1000 overlaps another" },
        { "up to 4 GiB",
          { 0, 1, 2, { { 0xfffff000, 0x1000, 1 }, { 0xffffe000, 0x1000, 1 } }, 0 },
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        struct clo_launch_firmware firmware;
        struct clo_error err;
        make_image(&cases[i].d, &image);
        bool ok = clo_launch_firmware_parse(clo_buffer_bytes(&image), &firmware, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_no_metadata(void **state)
{
    static const struct description d = { .version = 1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_launch_firmware firmware;
    struct clo_error err;

    (void)state;
    CHECK(!clo_launch_firmware_parse(clo_bytes(NULL, 0), &firmware, &err), "empty");
    CHECK(strcmp(err.text, "a firmware image of 0 bytes") == 0, err.text);
    CHECK(!clo_launch_firmware_parse(clo_bytes("", (size_t)1 << 32), &firmware, &err), "4 GiB");
    CHECK(strcmp(err.text, "a firmware image of 4294967296 bytes") == 0, err.text);
    make_image(&d, &image);
    image.data[image.size - 32 - 18] = 17; /* the table's size, less than its header's */
    CHECK(!clo_launch_firmware_parse(clo_buffer_bytes(&image), &firmware, &err), "table");
    CHECK(strcmp(err.text, "OVMF table: size 17, there are 4064 bytes before its end") == 0,
          err.text);
    image.data[image.size - 32 - 18] = 40;
    image.data[0] = 'B';
    CHECK(!clo_launch_firmware_parse(clo_buffer_bytes(&image), &firmware, &err), "BSEV");
    CHECK(strcmp(err.text, "SEV metadata: no signature ASEV") == 0, err.text);
    memset(image.data + image.size - 34, 0, 2); /* in the footer's GUID: there is no table */
    CHECK(clo_launch_firmware_parse(clo_buffer_bytes(&image), &firmware, &err), err.text);
    CHECK(!firmware.has_sections, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
