#include "cloister/tdvf.h"

#include "tdvf_maker.h"

static void test_parts(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_tdvf tdvf;
    struct clo_error err;

    (void)state;
    tdvf_make(tdvf_parts, CLO_COUNT(tdvf_parts), &image);
    CHECK(clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), err.text);
    CHECK(tdvf.count == 6, "six sections");
    const struct clo_tdvf_section *code = clo_tdvf_find(&tdvf, CLO_TDVF_BFV);
    CHECK(code == &tdvf.sections[0] && code->address == 0xffffd000 && code->memory_size == 0x2000,
          "code");
    CHECK(code->data.data == image.data + 0x1000 && code->data.size == 0x2000, "a view");
    CHECK(clo_tdvf_find(&tdvf, CLO_TDVF_TD_HOB)->data.size == 0, "memory of zeros");
    CHECK(clo_tdvf_find(&tdvf, CLO_TDVF_PAYLOAD) == NULL, "absent");
    CHECK(strcmp(clo_tdvf_type_name(8), "TD_PARAMS") == 0, "the last");
    CHECK(clo_tdvf_type_name(9) == NULL, "unknown");
}

/* Each with one thing changed in one section of a good image. */
static void test_refused_sections(void **state)
{
    static const struct {
        const char *name;
        size_t index;
        struct tdvf_item item;
        const char *error;
    } cases[] = {
        { "address is not a page",
          0,
          { 0x1000, 0x2000, 0xffffd800, 0x2000, 0, 1 },
          "section 0: 0x2000 bytes at 0xffffd800 are not whole pages" },
        { "size is not a page",
          2,
          { 0, 0, 0x810000, 0x10001, 3, 0 },
          "section 2: 0x10001 bytes at 0x810000 are not whole pages" },
        { "no memory",
          2,
          { 0, 0, 0x810000, 0, 3, 0 },
          "section 2: 0x0 bytes at 0x810000 are not whole pages" },
        { "leaves the address space",
          2,
          { 0, 0, 0xfffffffffffff000, 0x2000, 3, 2 },
          "section 2: 0x2000 bytes at 0xfffffffffffff000 leave the address space" },
        { "more data than memory",
          1,
          { 0, 0x2000, 0xffffc000, 0x1000, 1, 0 },
          "section 1: 0x2000 bytes of data for 0x1000 of memory" },
        { "TD HOB with data",
          4,
          { 0, 1, 0x809000, 0x2000, 2, 0 },
          "section 4: has data, where memory of zeros belongs" },
        { "temporary memory with data",
          5,
          { 0, 1, 0x800000, 0x6000, 3, 0 },
          "section 5: has data, where memory of zeros belongs" },
        { "measured before it is there",
          0,
          { 0x1000, 0x2000, 0xffffd000, 0x2000, 0, 3 },
          "section 0: is measured, and added only after that" },
        { "measured beyond its data",
          0,
          { 0x1000, 0x1fff, 0xffffd000, 0x2000, 0, 1 },
          "section 0: 0x2000 bytes are measured, and it has 0x1fff bytes of data" },
        { "data beyond the image",
          0,
          { 0x3000, 0x2000, 0xffffd000, 0x2000, 0, 1 },
          "section 0: data 0x3000 to 0x5000, the image has 0x4118 bytes" },
        { "data far beyond the image",
          0,
          { 0xffffffff, 0x2000, 0xffffd000, 0x2000, 0, 1 },
          "section 0: data 0xffffffff to 0x100001fff, the image has 0x4118 bytes" },
        { "unknown type", 5, { 0, 0, 0x800000, 0x6000, 9, 0 }, "section 5: type 9" },
        { "unknown attribute", 5, { 0, 0, 0x800000, 0x6000, 3, 4 }, "section 5: attributes 0x4" },
        { "memory twice", 5, { 0, 0, 0x80a000, 0x1000, 3, 0 }, "section 5: overlaps section 4" },
        { "memory of another to its end",
          5,
          { 0, 0, 0x800000, 0xb001000, 3, 0 },
          "section 5: overlaps section 2" },
        { "second TD HOB", 5, { 0, 0, 0x800000, 0x6000, 2, 0 }, "section 5: a second TD_HOB" },
        { "no code",
          0,
          { 0x1000, 0x2000, 0xffffd000, 0x2000, 5, 1 },
          "no boot firmware volume (BFV) that is measured" },
        { "code is not measured",
          0,
          { 0x1000, 0x2000, 0xffffd000, 0x2000, 0, 0 },
          "no boot firmware volume (BFV) that is measured" },
        { "more memory than there is",
          2,
          { 0, 0, 0x100000000, 0x100000000, 3, 0 },
          "more than 4 GiB of memory is added" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        struct tdvf_item items[CLO_COUNT(tdvf_parts)];
        char expected[300];
        struct clo_tdvf tdvf;
        struct clo_error err;
        memcpy(items, tdvf_parts, sizeof items);
        items[cases[i].index] = cases[i].item;
        tdvf_make(items, CLO_COUNT(items), &image);
        CHECK(!clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), cases[i].name);
        snprintf(expected, sizeof expected, "TDX metadata: %s", cases[i].error);
        if (strcmp(err.text, expected) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].name, err.text, expected);
    }
}

static void test_refused_head(void **state)
{
    static const struct {
        const char *name;
        struct tdvf_head head;
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "signature", { "TDVX", 0, 1, 6 }, CLO_ERR_FORMAT, "does not begin with TDVF" },
        { "version", { "TDVF", 0, 2, 6 }, CLO_ERR_UNSUPPORTED, "version 2" },
        { "no sections", { "TDVF", 0, 1, 0 }, CLO_ERR_FORMAT, "0 sections, expected 1 to 64" },
        { "too many", { "TDVF", 0, 1, 65 }, CLO_ERR_FORMAT, "65 sections, expected 1 to 64" },
        { "more than its length",
          { "TDVF", 0, 1, 7 },
          CLO_ERR_FORMAT,
          "length 208 for 7 sections, the image has 280 bytes" },
        { "longer than the image",
          { "TDVF", 281, 1, 6 },
          CLO_ERR_FORMAT,
          "length 281 for 6 sections, the image has 280 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        char expected[300];
        struct clo_tdvf tdvf;
        struct clo_error err;
        tdvf_make_as(&cases[i].head, tdvf_parts, CLO_COUNT(tdvf_parts), &image);
        CHECK(!clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), cases[i].name);
        CHECK(err.status == cases[i].status, cases[i].name);
        snprintf(expected, sizeof expected, "TDX metadata: %s", cases[i].error);
        if (strcmp(err.text, expected) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].name, err.text, expected);
    }
}

/* The end stays, for the table is found from there; what is cut is the data, then the metadata. */
static void test_cut_short(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_tdvf tdvf;
    struct clo_error err;

    (void)state;
    tdvf_make(tdvf_parts, CLO_COUNT(tdvf_parts), &image);
    for (size_t cut = 0; cut < image.size; cut++) {
        struct clo_bytes front = clo_bytes(image.data, cut);
        struct clo_bytes back = clo_bytes(image.data + image.size - cut, cut);
        CHECK(!clo_tdvf_parse(front, &tdvf, &err), "its end is missing");
        bool is_whole = clo_tdvf_parse(back, &tdvf, &err);
        CHECK(!is_whole || tdvf.sections[0].data.data + 0x2000 <= back.data + back.size,
              "a view beyond the image");
        CHECK(!is_whole || cut >= 0x3000, "its data are missing");
    }
}

/* td-shim describes itself in a section that lies in no memory: it is not measured. */
static void test_no_memory(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    struct tdvf_item items[CLO_COUNT(tdvf_parts) + 1];
    struct clo_digest with, without;
    struct clo_tdvf tdvf;
    struct clo_error err;

    (void)state;
    memcpy(items, tdvf_parts, sizeof tdvf_parts);
    items[CLO_COUNT(tdvf_parts)] = (struct tdvf_item){ 0, 0x100, 0, 0, CLO_TDVF_TD_INFO, 0 };
    tdvf_make(items, CLO_COUNT(items), &image);
    CHECK(clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), err.text);
    CHECK(tdvf.sections[6].data.size == 0x100, "its data");
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &with);
    tdvf_make(tdvf_parts, CLO_COUNT(tdvf_parts), &plain);
    CHECK(clo_tdvf_parse(clo_buffer_bytes(&plain), &tdvf, &err), err.text);
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &without);
    CHECK(clo_digest_equal(&with, &without), "MRTD");
    items[CLO_COUNT(tdvf_parts)].attributes = CLO_TDVF_MR_EXTEND;
    image.size = 0;
    tdvf_make(items, CLO_COUNT(items), &image);
    CHECK(!clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err) &&
                  strcmp(err.text,
                         "TDX metadata: section 6: 0x0 bytes at 0x0 are not whole pages") == 0,
          err.text);
}

static void test_no_metadata(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    const struct ovmf_item item = { &clo_guid_ovmf_sev_metadata,
                                    { (const uint8_t *)"\1\0\0", 4 },
                                    0 };
    struct clo_tdvf tdvf;
    struct clo_error err;

    (void)state;
    make_ovmf(4096, &item, 1, 0, &image);
    CHECK(!clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err) &&
                  err.status == CLO_ERR_UNSUPPORTED &&
                  strcmp(err.text,
                         "no TDX metadata in it: a firmware that was not built for TDX") == 0,
          err.text);
    clo_buffer_free(&image);
    const struct ovmf_item short_item = { &clo_guid_ovmf_tdx_metadata,
                                          { (const uint8_t *)"\10\0\0", 4 },
                                          0 };
    make_ovmf(4096, &short_item, 1, 0, &image);
    CHECK(!clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err) &&
                  strcmp(err.text, "TDX metadata: 8 bytes, expected 16 at least") == 0,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),        cmocka_unit_test(test_refused_sections),
        cmocka_unit_test(test_refused_head), cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_no_metadata),  cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
