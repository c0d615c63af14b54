#include "lib/cloud/gce.h"

#include "cloister/json.h"

#include "path_maker.h"

static struct path_maker maker;

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&maker, CLO_KEY_P256, 0);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    path_maker_free(&maker);
    return 0;
}

static bool parse(struct clo_bytes value, struct clo_gce_instance *out, struct clo_error *err)
{
    const struct clo_certificate_extension_spec extension = { .oid = "1.3.6.1.4.1.11129.2.1.21",
                                                              .value = value };
    struct clo_certificate *chain[3] = { NULL };

    path_maker_reset(&maker);
    maker.leaf_extensions = &extension;
    maker.leaf_extension_count = value.size > 0;
    path_maker_make(&maker, chain);
    bool ok = clo_gce_instance_parse(chain[0], out, err);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(chain[i]);
    return ok;
}

/* SEQUENCE { "z", 2^63 + 1, "p", 1, "n" }, and what comes after it. */
#define BASE \
    0x0c, 1, 'z', 0x02, 9, 0, 0x80, 0, 0, 0, 0, 0, 0, 1, 0x0c, 1, 'p', 0x02, 1, 1, 0x0c, 1, 'n'
#define BASE_SIZE 23

static void test_parse(void **state)
{
    static const uint8_t plain[] = { 0x30, BASE_SIZE, BASE };
    static const uint8_t not_said[] = { 0x30, BASE_SIZE + 9, BASE, 0xa0, 7, 0x30,
                                        5,    0xa0,          3,    0x02, 1, 5 };
    static const uint8_t production[] = { 0x30, BASE_SIZE + 14, BASE, 0xa0, 12,   0x30, 10, 0xa1,
                                          3,    0x01,           1,    0xff, 0xa2, 3,    1,  1,
                                          0 };
    static const struct {
        const char *name;
        struct clo_bytes value;
        uint64_t version;
        bool is_production;
    } cases[] = {
        { "without security properties", { plain, sizeof plain }, 0, false },
        { "which do not say production", { not_said, sizeof not_said }, 5, false },
        { "which say it", { production, sizeof production }, 0, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_gce_instance instance;
        struct clo_error err;
        CHECK(parse(cases[i].value, &instance, &err), err.text);
        CHECK(strcmp(instance.zone, "z") == 0 && strcmp(instance.project_id, "p") == 0 &&
                      strcmp(instance.name, "n") == 0 && instance.id == 1 &&
                      instance.project_number == 0x8000000000000001ULL,
              cases[i].name);
        CHECK(instance.security_version == cases[i].version &&
                      instance.is_production == cases[i].is_production,
              cases[i].name);
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_gce_instance_json(&instance);
        CHECK(strcmp(json_string_value(json_object_get(json, "gce_project_number")),
                     "9223372036854775809") == 0,
              "the claim");
    }
}

static void test_malformed(void **state)
{
    static const uint8_t cut[] = { 0x30, 3, 0x0c, 1, 'z' };
    static const uint8_t more[] = { 0x30, BASE_SIZE, BASE, 0 };
    static const uint8_t negative[] = { 0x30, 6, 0x0c, 1, 'z', 0x02, 1, 0x80 };
    static const uint8_t control[] = { 0x30, 6, 0x0c, 1, 7, 0x02, 1, 1 };
    static const uint8_t no_boolean[] = { 0x30, BASE_SIZE + 9, BASE, 0xa0, 7, 0x30,
                                          5,    0xa1,          3,    0x02, 1, 1 };
    static const uint8_t untagged[] = {
        0x30, BASE_SIZE + 7, BASE, 0x30, 5, 0xa1, 3, 0x01, 1, 0xff
    };
    static const struct {
        const char *name;
        struct clo_bytes value;
    } cases[] = {
        { "cut short", { cut, sizeof cut } },
        { "a byte after it", { more, sizeof more } },
        { "a negative number", { negative, sizeof negative } },
        { "a control character", { control, sizeof control } },
        { "a number for a boolean", { no_boolean, sizeof no_boolean } },
        { "properties without their tag", { untagged, sizeof untagged } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_gce_instance instance;
        struct clo_error err;
        CHECK(!parse(cases[i].value, &instance, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
    struct clo_gce_instance instance;
    struct clo_error err;
    CHECK(!parse(clo_bytes("", 0), &instance, &err) && err.status == CLO_ERR_UNAVAILABLE,
          "no extension");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
