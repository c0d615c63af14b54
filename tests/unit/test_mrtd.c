#include "cloister/json.h"
#include "cloister/tdvf.h"
#include "tdvf_maker.h"

/* By another implementation: tests/vectors/mrtd/make.py. */
static json_t *read_expected(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;
    json_t *json;
    char path[4096];

    snprintf(path, sizeof path, "%s/vectors/mrtd/mrtd.json", getenv("CLOISTER_TESTS"));
    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, &err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &json, &err))
        fail_msg("%s", err.text);
    return json;
}

static void check(const json_t *expected, const char *name, const struct tdvf_item *items,
                  size_t count)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    const json_t *values = json_object_get(expected, name);
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest mrtd;
    struct clo_tdvf tdvf;
    struct clo_error err;

    tdvf_make(items, count, &image);
    CHECK(clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), err.text);
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &mrtd);
    clo_hex_text(clo_digest_bytes(&mrtd), hex);
    CHECK(strcmp(hex, json_string_value(json_object_get(values, "single"))) == 0, name);
    clo_tdvf_mrtd(&tdvf, CLO_TDX_TWO_PASS, &mrtd);
    clo_hex_text(clo_digest_bytes(&mrtd), hex);
    CHECK(strcmp(hex, json_string_value(json_object_get(values, "two"))) == 0, name);
}

static void test_orders(void **state)
{
    struct tdvf_item later[CLO_COUNT(tdvf_parts)];
    CLO_CLEANUP(clo_json_freep) json_t *expected = read_expected();

    (void)state;
    memcpy(later, tdvf_parts, sizeof later);
    for (size_t i = 0; i < CLO_COUNT(later); i++)
        if (later[i].type == CLO_TDVF_TEMP_MEM)
            later[i].attributes |= CLO_TDVF_PAGE_AUG;
    check(expected, "as it is", tdvf_parts, CLO_COUNT(tdvf_parts));
    check(expected, "memory added later", later, CLO_COUNT(later));
}

/* A bit of the code, an address and a page more each give another value; the variables, which are
 * added and not measured, do not. */
static void test_what_moves_it(void **state)
{
    static const struct {
        const char *name;
        size_t byte;
        bool moves;
    } cases[] = {
        { "first byte of the code", 0x1000, true },
        { "last byte of the code", 0x2fff, true },
        { "beyond the code", 0x3000, false },
        { "the variables", 0x0fff, false },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_digest before;
    struct clo_digest after;
    struct clo_tdvf tdvf;
    struct clo_error err;

    (void)state;
    tdvf_make(tdvf_parts, CLO_COUNT(tdvf_parts), &image);
    CHECK(clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, &err), err.text);
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &before);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        image.data[cases[i].byte] ^= 0x10;
        clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &after);
        CHECK(clo_digest_equal(&before, &after) != cases[i].moves, cases[i].name);
        image.data[cases[i].byte] ^= 0x10;
    }
    tdvf.sections[2].address += CLO_TDVF_PAGE;
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &after);
    CHECK(!clo_digest_equal(&before, &after), "an address");
    tdvf.sections[2].address -= CLO_TDVF_PAGE;
    tdvf.sections[2].memory_size += CLO_TDVF_PAGE;
    clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &after);
    CHECK(!clo_digest_equal(&before, &after), "a page more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_what_moves_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
