#include "cloister/hcl.h"

#include "cloister/jose.h"
#include "lib/cloud/hcl_write.h"
#include "vectors.h"

#define CLAIMS "{\"keys\":[]}"

static uint8_t report[CLO_HCL_HARDWARE_SIZE];

static void make(struct clo_buffer *out)
{
    struct clo_error err;

    memset(report, 0x5a, sizeof report);
    if (!clo_hcl_write(CLO_HCL_SNP, clo_bytes(report, sizeof report), clo_bytes_text(CLAIMS), out,
                       &err))
        fail_msg("%s", err.text);
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_hcl hcl;
    struct clo_error err;

    (void)state;
    make(&file);
    clo_buffer_zero(&file, 100); /* a NV index is larger than what it holds */
    CHECK(clo_hcl_parse(clo_buffer_bytes(&file), &hcl, &err), err.text);
    CHECK(hcl.version == 2 && hcl.request_type == 2 && hcl.report_type == CLO_HCL_SNP, "header");
    CHECK(hcl.hash == CLO_HASH_SHA256, "hash");
    CHECK(clo_bytes_equal(hcl.hardware_report, clo_bytes(report, sizeof report)), "report");
    CHECK(clo_bytes_equal(hcl.claims, clo_bytes_text(CLAIMS)), "claims");
    file.data[CLO_HCL_REQUEST_AT + 8] = CLO_HCL_TDX;
    CHECK(clo_hcl_parse(clo_buffer_bytes(&file), &hcl, &err), err.text);
    CHECK(hcl.hardware_report.size == 1024, "a TDREPORT");
    for (size_t size = 0; size < CLO_HCL_REQUEST_AT + 20 + strlen(CLAIMS); size++) {
        CHECK(!clo_hcl_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size), &hcl, &err), "cut");
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
}

static void test_refused(void **state)
{
    enum {
        AT = CLO_HCL_REQUEST_AT
    };
    static const struct {
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { 0, 'h', "HCL report: does not begin with \"HCLA\"" },
        { AT + 8, 1, "HCL report: report type 1" },
        { AT + 8, 9, "HCL report: report type 9" },
        { AT + 12, 0, "HCL report: hash type 0" },
        { AT + 12, 4, "HCL report: hash type 4" },
        { AT + 16, 0, "HCL report: 0 bytes of claims in 31 of request data, 31 are there" },
        { AT + 16, 12, "HCL report: 12 bytes of claims in 31 of request data, 31 are there" },
        { AT + 18, 2, "HCL report: 131083 bytes of claims in 31 of request data, 31 are there" },
        { AT, 32, "HCL report: 11 bytes of claims in 32 of request data, 31 are there" },
        { AT, 19, "HCL report: 11 bytes of claims in 19 of request data, 31 are there" },
        { AT + 3, 0xff,
          "HCL report: 11 bytes of claims in 4278190111 of request data, 31 are "
          "there" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_hcl hcl;
        struct clo_error err;
        make(&file);
        file.data[cases[i].at] = cases[i].value;
        CHECK(!clo_hcl_parse(clo_buffer_bytes(&file), &hcl, &err), cases[i].error);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_bind(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    uint8_t report_data[64] = { 0 };
    struct clo_bytes in = clo_bytes(report_data, sizeof report_data);
    struct clo_digest digest;
    struct clo_hcl hcl;
    struct clo_error err;

    (void)state;
    make(&file);
    CHECK(clo_hcl_parse(clo_buffer_bytes(&file), &hcl, &err), err.text);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(CLAIMS), &digest);
    memcpy(report_data, digest.bytes, 32);
    CHECK(clo_hcl_bind(&hcl, in, &err), err.text);
    report_data[63] = 1;
    CHECK(!clo_hcl_bind(&hcl, in, &err), "not zero after it");
    CHECK(err.status == CLO_ERR_UNVERIFIED && strstr(err.text, "is not zero after") != NULL,
          err.text);
    report_data[63] = 0;
    report_data[0] ^= 1;
    CHECK(!clo_hcl_bind(&hcl, in, &err), "another digest");
    CHECK(strcmp(err.text, "HCL report: REPORT_DATA is not the sha256 digest of the claims") == 0,
          err.text);
    CHECK(!clo_hcl_bind(&hcl, clo_bytes(digest.bytes, 31), &err), "too short");
}

static void test_write_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(!clo_hcl_write(CLO_HCL_SNP, clo_bytes(report, 100), clo_bytes_text(CLAIMS), &out, &err),
          "a short report");
    CHECK(err.status == CLO_ERR_USAGE && out.size == 0, err.text);
    CHECK(!clo_hcl_write(CLO_HCL_SNP, clo_bytes(report, sizeof report), clo_bytes(NULL, 0), &out,
                         &err),
          "no claims");
}

/* --- The shared vectors: what Azure's machines hand out --- */

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("azure");
    size_t tried = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *expected = json_object_get(json_object_get(entry, "expected"), "hcl");
        struct clo_digest digest;
        struct clo_hcl hcl;
        struct clo_error err;
        char hex[2 * 32 + 1];
        char path[512];
        if (expected == NULL)
            continue;
        CHECK(find_case_file("azure", entry, "hcl_report.bin", path, sizeof path), name);
        read_vector(path, &file);
        CHECK(clo_hcl_parse(clo_buffer_bytes(&file), &hcl, &err), err.text);
        bool is_snp =
                strcmp(json_string_value(json_object_get(expected, "report_type")), "SNP") == 0;
        CHECK(hcl.report_type == (is_snp ? CLO_HCL_SNP : CLO_HCL_TDX), name);
        CHECK((json_int_t)hcl.claims.size ==
                      json_integer_value(json_object_get(expected, "claims_size")),
              name);
        clo_hash(CLO_HASH_SHA256, hcl.claims, &digest);
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&digest), hex),
                     json_string_value(json_object_get(expected, "claims_sha256"))) == 0,
              name);
        if (is_snp) { /* REPORT_DATA lies at 0x50 of a report */
            bool binds = json_is_true(json_object_get(expected, "report_data_binds_claims"));
            CHECK(clo_hcl_bind(&hcl, clo_bytes_slice(hcl.hardware_report, 0x50, 64), &err) == binds,
                  name);
        }
        tried++;
    }
    CHECK(tried > 8, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bind),    cmocka_unit_test(test_write_refused),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
