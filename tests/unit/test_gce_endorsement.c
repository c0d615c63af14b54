#include "lib/cloud/gce_endorsement.h"

#include "gce_endorsement_maker.h"

static struct path_maker maker;

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&maker, CLO_KEY_RSA, 2048);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    path_maker_free(&maker);
    return 0;
}

static void test_parse(void **state)
{
    static const struct {
        const char *name;
        struct gce_scene scene;
        const char *error; /* NULL: it is read */
    } cases[] = {
        { "as Google writes it", { .no_root = false }, NULL },
        { "without measurements", { .no_measurement = true }, "measurements are missing" },
        { "a measurement of 47 bytes", { .measurement_size = 47 }, "malformed" },
        { "signed part twice", { .twice = true }, "not what Google signs" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_gce_endorsement read;
        struct clo_error err;
        gce_endorsement_make(&maker, &cases[i].scene, &file);
        bool ok = clo_gce_endorsement_parse(clo_buffer_bytes(&file), &read, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        if (!ok) {
            CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
            continue;
        }
        CHECK(read.timestamp == PATH_NOW && read.snp_svn == 3 && read.tdx_svn == 4 &&
                      read.snp_policy == 0x30000,
              "numbers");
        CHECK(read.snp_count == 1 && read.snp_vcpus[0] == 2 && read.tdx_count == 1, "measurements");
        for (size_t size = 0; size < file.size; size += 61)
            CHECK(!clo_gce_endorsement_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size),
                                             &read, &err),
                  "cut short");
    }
}

static void test_verify(void **state)
{
    static const struct {
        const char *name;
        struct gce_scene scene;
        const char *fails; /* NULL: nothing */
    } cases[] = {
        { "sound", { .no_root = false }, NULL },
        { "one bit changed", { .changed = true }, "endorsement.signature" },
        { "signed by another key", { .signed_by_another = true }, "endorsement.signature" },
        { "its issuers are missing", { .no_bundle = true }, "endorsement.chain" },
        { "no root is named", { .no_root = true }, "endorsement.root" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        const struct clo_gce_endorsement_trust trust = { .roots = &maker.root,
                                                         .root_count = !cases[i].scene.no_root,
                                                         .at = PATH_NOW };
        struct clo_gce_endorsement read;
        struct clo_error err;
        gce_endorsement_make(&maker, &cases[i].scene, &file);
        CHECK(clo_gce_endorsement_parse(clo_buffer_bytes(&file), &read, &err), err.text);
        bool holds = clo_gce_endorsement_verify(&read, &trust, &checks, &err);
        CHECK(holds == (cases[i].fails == NULL), cases[i].name);
        if (cases[i].fails == NULL)
            continue;
        const struct clo_check *check = clo_checks_get(&checks, cases[i].fails);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
