#include "cloister/uki.h"
#include "test.h"

#define A "11111111-1111-1111-1111-111111111111"
#define B "00000000-2222-3333-4444-555555555555"

static bool build(const char *const *texts, size_t count, struct clo_buffer *out,
                  struct clo_error *err)
{
    json_t *files[4] = { NULL };
    bool ok = true;

    for (size_t i = 0; i < count; i++)
        ok = ok && clo_json_parse(clo_bytes_text(texts[i]), &files[i], err);
    out->size = 0;
    ok = ok && clo_hwids_build((const json_t *const *)files, count, out, err);
    for (size_t i = 0; i < count; i++)
        json_decref(files[i]);
    return ok;
}

/* By the struct of systemd's chid.h, written out by hand; the files' order does not matter. */
static void test_section(void **state)
{
    static const char *const texts[] = {
        "{\"type\": \"devicetree\", \"name\": \"n\", \"compatible\": \"c\", \"hwids\": [\"" A
        "\", \"" B "\", \"" A "\"]}",
        "{\"type\": \"uefi-fw\", \"name\": \"n\", \"fwid\": \"f\", \"hwids\": [\"" A "\"]}",
    };
    static const char *const other_way[] = { texts[1], texts[0] };
    /* Three devices and the empty one: strings from 4 * 28 = 0x70 on: "c", "f", "n". */
    static const char expected[] = "1c000010 00000000222233334444555555555555 74000000 70000000"
                                   "1c000010 11111111111111111111111111111111 74000000 70000000"
                                   "1c000020 11111111111111111111111111111111 74000000 72000000"
                                   "00000000 00000000000000000000000000000000 00000000 00000000"
                                   "6300 6600 6e00";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer section = { 0 };
    struct clo_error err;

    (void)state;
    from_hex(expected, &wanted);
    /* A GUID's first three fields are little endian. */
    memcpy(wanted.data + 4, "\0\0\0\0\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55", 16);
    CHECK(build(texts, 2, &section, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&section), clo_buffer_bytes(&wanted)), "as by hand");
    CHECK(build(other_way, 2, &section, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&section), clo_buffer_bytes(&wanted)), "other order");
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "[]", "hardware IDs, file 1: not a JSON object" },
        { "{\"type\": \"x\", \"name\": \"n\", \"hwids\": []}",
          "hardware IDs, file 1: \"type\": x: expected devicetree or uefi-fw" },
        { "{\"type\": \"devicetree\", \"name\": \"n\", \"compatible\": \"c\", \"hwids\": [1]}",
          "hardware IDs, file 1: \"hwids\": entry 0 is not a string" },
    };
    static const char *const lacking[] = {
        "{\"name\": \"n\", \"hwids\": []}",
        "{\"type\": \"devicetree\", \"hwids\": []}",
        "{\"type\": \"devicetree\", \"name\": \"n\", \"hwids\": []}",
        "{\"type\": \"uefi-fw\", \"name\": \"n\", \"compatible\": \"c\", \"hwids\": []}",
        "{\"type\": \"devicetree\", \"name\": \"n\", \"compatible\": \"c\"}",
        "{\"type\": \"devicetree\", \"name\": \"n\", \"compatible\": \"c\", \"hwids\": [\"x\"]}",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer section = { 0 };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(!build(&cases[i].text, 1, &section, &err), cases[i].text);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    for (size_t i = 0; i < CLO_COUNT(lacking); i++) {
        CHECK(!build(&lacking[i], 1, &section, &err), lacking[i]);
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
}

static void test_firmware(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(clo_efifw_head("id", 0x1234, &head, &err), err.text);
    from_hex("addeedfe 10000000 03000000 34120000 696400", &wanted);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&head), clo_buffer_bytes(&wanted)), "by hand");
    CHECK(!clo_efifw_head("id", 0, &head, &err), "empty");
    CHECK(strcmp(err.text, "firmware image: 0 bytes") == 0, err.text);
    CHECK(!clo_efifw_head("", 1, &head, &err), "no ID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_firmware),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
