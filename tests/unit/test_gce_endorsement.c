#include "lib/cloud/gce_endorsement.h"

#include "path_maker.h"

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

struct scene {
    bool no_bundle, no_root, no_measurement, twice, signed_by_another, changed;
    size_t measurement_size; /* 0: 48 */
};

static void put_varint(struct clo_buffer *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        clo_buffer_u8(out, (uint8_t)(value | 0x80));
    clo_buffer_u8(out, (uint8_t)value);
}

static void put_bytes(struct clo_buffer *out, unsigned number, struct clo_bytes bytes)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.size);
    clo_buffer_append(out, bytes);
}

static void put_number(struct clo_buffer *out, unsigned number, uint64_t value)
{
    put_varint(out, number << 3);
    put_varint(out, value);
}

static void make_golden(const struct scene *scene, struct clo_certificate *const chain[3],
                        struct clo_buffer *out)
{
    static const uint8_t measurement[64] = { 1, 2, 3 };
    size_t size = scene->measurement_size != 0 ? scene->measurement_size : 48;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer time = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entry = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer snp = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer td = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tdx = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error err;

    put_number(&time, 1, PATH_NOW);
    put_bytes(out, 1, clo_buffer_bytes(&time));
    put_number(out, 2, 123456);
    put_bytes(out, 4, clo_certificate_der(chain[0]));
    put_bytes(out, 5, clo_bytes(measurement, 48));
    for (size_t i = 1; i < 3; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(chain[i]), &pem, &err))
            fail_msg("%s", err.text);
    if (!scene->no_bundle)
        put_bytes(out, 6, clo_buffer_bytes(&pem));
    if (scene->no_measurement)
        return;
    put_number(&snp, 1, 3);
    put_number(&entry, 1, 2);
    put_bytes(&entry, 2, clo_bytes(measurement, size));
    put_bytes(&snp, 2, clo_buffer_bytes(&entry));
    put_number(&snp, 5, 0x30000);
    put_bytes(out, 7, clo_buffer_bytes(&snp));
    put_number(&td, 1, 16);
    put_bytes(&td, 3, clo_bytes(measurement, size));
    put_number(&tdx, 1, 4);
    put_bytes(&tdx, 2, clo_buffer_bytes(&td));
    put_bytes(out, 8, clo_buffer_bytes(&tdx));
}

static void make(const struct scene *scene, struct clo_buffer *out)
{
    struct clo_certificate *chain[3] = { NULL };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer golden = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_error err;

    path_maker_reset(&maker);
    path_maker_make(&maker, chain);
    make_golden(scene, chain, &golden);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(chain[i]);
    if ((scene->signed_by_another && !clo_private_key_new(CLO_KEY_RSA, 2048, &other, &err)) ||
        !clo_signature_make(other != NULL ? other : maker.leaf_key, CLO_RSASSA_PSS, CLO_HASH_SHA256,
                            clo_buffer_bytes(&golden), &signature, &err))
        fail_msg("%s", err.text);
    if (scene->changed)
        golden.data[golden.size - 1] ^= 1; /* in the last MRTD */
    put_bytes(out, 1, clo_buffer_bytes(&golden));
    put_bytes(out, 2, clo_buffer_bytes(&signature));
    if (scene->twice)
        put_bytes(out, 1, clo_buffer_bytes(&golden));
}

static void test_parse(void **state)
{
    static const struct {
        const char *name;
        struct scene scene;
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
        make(&cases[i].scene, &file);
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
        struct scene scene;
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
        make(&cases[i].scene, &file);
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
