#include "cloister/snp.h"
#include "lib/base/put.h"

#include <inttypes.h>

#include "vectors.h"

static void make(uint8_t report[CLO_SNP_REPORT_SIZE], unsigned version)
{
    memset(report, 0, CLO_SNP_REPORT_SIZE);
    clo_put_le32(report, version);
    report[0x0a] = 2; /* the bit of POLICY that is always one */
    report[0x34] = 1;
}

static void test_parse(void **state)
{
    static const struct {
        const char *name;
        unsigned version;
        size_t at; /* byte that is set to one; 0: none */
        const char *error;
    } cases[] = {
        { "version 1", 1, 0, "SNP report: version 1, at least 2 expected" },
        { "version 2", 2, 0, NULL },
        { "version 5", 5, 0, NULL },
        { "version 6 is read", 6, 0, NULL },
        { "reserved bits of SIGNER_INFO", 5, 0x49,
          "SNP report: SIGNER_INFO is 0x100: reserved bits are not zero" },
        { "reserved after SIGNER_INFO", 3, 0x4c, "SNP report: reserved byte at 0x4c is not zero" },
        { "CPUID in version 2", 2, 0x188, "SNP report: reserved byte at 0x188 is not zero" },
        { "CPUID in version 3", 3, 0x188, NULL },
        { "after CPUID", 3, 0x18b, "SNP report: reserved byte at 0x18b is not zero" },
        { "after CURRENT_MAJOR", 3, 0x1eb, "SNP report: reserved byte at 0x1eb is not zero" },
        { "mitigation vector in version 4", 4, 0x1f8,
          "SNP report: reserved byte at 0x1f8 is not zero" },
        { "mitigation vector in version 5", 5, 0x1f8, NULL },
        { "last reserved byte", 5, 0x29f, "SNP report: reserved byte at 0x29f is not zero" },
        { "reserved today, used tomorrow", 6, 0x29f, NULL },
    };
    uint8_t report[CLO_SNP_REPORT_SIZE];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_snp_report parsed;
        struct clo_error err;
        make(report, cases[i].version);
        if (cases[i].at != 0)
            report[cases[i].at] = 1;
        bool ok = clo_snp_parse(clo_bytes(report, sizeof report), &parsed, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(!ok || parsed.is_newer == (cases[i].version > 5), cases[i].name);
    }
}

/* What is called a newer version must still be a report, not any file that is large enough. */
static void test_newer(void **state)
{
    static const struct {
        const char *name;
        unsigned version;
        size_t at;
        uint8_t byte;
        const char *error;
    } cases[] = {
        { "the newest that may be", 0xff, 0, 0xff, NULL },
        { "version of a file of another kind", 0x100, 0, 0,
          "SNP report: version 0x100: no report" },
        { "text", 0x00905a4d, 0, 'M', "SNP report: version 0x905a4d: no report, or a damaged one" },
        { "POLICY without its one", 6, 0x0a, 0, "without bit 17, which is always one" },
        { "another algorithm", 6, 0x34, 2, "no report: version 6, and signature algorithm 0x2" },
        { "no algorithm", 6, 0x34, 0, "no report: version 6, and signature algorithm 0x0" },
        { "R is too large", 6, 0x2a0 + 48, 1, "no P-384 signature at its end" },
        { "R of 48 bytes", 6, 0x2a0 + 47, 1, NULL },
        { "S is too large", 6, 0x2a0 + 72 + 71, 1, "no P-384 signature at its end" },
        { "S of 48 bytes", 6, 0x2a0 + 72 + 47, 1, NULL },
        { "something after S", 6, 0x49f, 1, "no P-384 signature at its end" },
        { "a newer signing key", 6, 0x49, 1, NULL },
    };
    uint8_t report[CLO_SNP_REPORT_SIZE];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_snp_report parsed;
        struct clo_error err;
        make(report, cases[i].version);
        if (cases[i].at != 0)
            report[cases[i].at] = cases[i].byte;
        bool ok = clo_snp_parse(clo_bytes(report, sizeof report), &parsed, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || err.status == CLO_ERR_FORMAT, cases[i].name);
        if (!ok && strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void test_sizes(void **state)
{
    uint8_t report[CLO_SNP_REPORT_SIZE + 1];
    struct clo_snp_report parsed;
    struct clo_error err;

    (void)state;
    make(report, 3);
    for (size_t size = 0; size <= sizeof report; size++) {
        bool ok = clo_snp_parse(clo_bytes(report, size), &parsed, &err);
        CHECK(ok == (size == CLO_SNP_REPORT_SIZE), "only 1184 bytes");
        CHECK(ok || err.status == CLO_ERR_FORMAT, err.text);
    }
}

static void test_unwrap(void **state)
{
    static const struct {
        const char *name;
        uint32_t status, size;
        size_t report_at; /* where the report lies; 0: there is none */
        size_t total;
        const char *error; /* NULL: the report is found */
    } cases[] = {
        { "kernel's buffer", 0, 1184, 0x20, 4000, NULL },
        { "response without the rest of the buffer", 0, 1184, 0x20, 1216, NULL },
        { "refused by the firmware", 0x16, 0, 0, 4000,
          "SNP report: the firmware answered with status 0x16" },
        { "refused, with the size of a report", 0x27, 0, 0, 1184,
          "SNP report: the firmware answered with status 0x27" },
        { "status and size of zero", 0, 0, 0, 4000,
          "SNP report: the response holds 0 bytes, expected 1184" },
        { "a size that is not a report's", 0, 1185, 0x20, 4000,
          "SNP report: the response holds 1185 bytes, expected 1184" },
        { "response cut short", 0, 1184, 0x20, 1215,
          "SNP report: response of 1215 bytes, expected 1216" },
    };
    static uint8_t in[4000];
    struct clo_bytes report;
    struct clo_bytes table;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        memset(in, 0, sizeof in);
        if (cases[i].report_at != 0)
            make(in + cases[i].report_at, 3);
        clo_put_le32(in, cases[i].status);
        clo_put_le32(in + 4, cases[i].size);
        bool ok = clo_snp_unwrap(clo_bytes(in, cases[i].total), &report, &table, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!ok || (report.data == in + 0x20 && report.size == 1184 && table.size == 0),
              cases[i].name);
    }
    memset(in, 0, sizeof in);
    make(in, 3);
    in[0x0a] = 3; /* POLICY is never zero */
    CHECK(clo_snp_unwrap(clo_bytes(in, sizeof in), &report, &table, &err), "zeros after it");
    CHECK(report.data == in && report.size == 1184 && table.size == 0, "zeros after it");
    in[1184 + 3] = 1;
    CHECK(clo_snp_unwrap(clo_bytes(in, 1184 + 24), &report, &table, &err), "with a table");
    CHECK(report.data == in && report.size == 1184 && table.size == 24, "with a table");
    CHECK(!clo_snp_unwrap(clo_bytes(in, 1183), &report, &table, &err), "short");
    CHECK(strcmp(err.text, "SNP report: 1183 bytes, expected 1184") == 0, err.text);
}

static void test_product(void **state)
{
    static const struct {
        uint8_t family, model;
        enum clo_snp_product product;
    } cases[] = {
        { 0x19, 0x01, CLO_SNP_MILAN },   { 0x19, 0x11, CLO_SNP_GENOA },
        { 0x19, 0xa0, CLO_SNP_GENOA },   { 0x1a, 0x02, CLO_SNP_TURIN },
        { 0x1a, 0x11, CLO_SNP_TURIN },   { 0x1a, 0x50, CLO_SNP_VENICE },
        { 0x1a, 0x12, CLO_SNP_UNKNOWN }, { 0x19, 0x20, CLO_SNP_UNKNOWN },
        { 0x17, 0x01, CLO_SNP_UNKNOWN },
    };
    static const struct clo_snp_tcb tcb = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_snp_report report = { .has_cpuid = true,
                                         .cpuid_fam_id = cases[i].family,
                                         .cpuid_mod_id = cases[i].model };
        CHECK(clo_snp_report_product(&report) == cases[i].product,
              clo_snp_product_name(cases[i].product));
        report.has_cpuid = false;
        CHECK(clo_snp_report_product(&report) == CLO_SNP_UNKNOWN, "version 2");
    }
    struct clo_snp_tcb_parts old = clo_snp_tcb_parts(&tcb, CLO_SNP_GENOA);
    struct clo_snp_tcb_parts new = clo_snp_tcb_parts(&tcb, CLO_SNP_TURIN);
    CHECK(old.fmc == -1 && old.bootloader == 1 && old.tee == 2 && old.snp == 7 &&
                  old.microcode == 8,
          "Genoa's layout");
    CHECK(new.fmc == 1 && new.bootloader == 2 && new.tee == 3 && new.snp == 4 && new.microcode == 8,
          "Turin's layout");
}

/* --- The shared vectors: every field --- */

static void same_text(const json_t *expected, const json_t *got, const char *key, const char *name)
{
    const json_t *want = json_object_get(expected, key);
    const json_t *have = json_object_get(got, key);

    if (json_is_object(have))
        have = json_object_get(have, "raw");
    if (want == NULL)
        return;
    if (have == NULL || !json_equal(want, have))
        fail_msg("%s: %s: %s", name, key,
                 json_is_string(have) ? json_string_value(have) : "differs");
}

static void test_vectors(void **state)
{
    static const char *const keys[] = {
        "version",      "guest_svn",      "family_id",       "image_id",
        "vmpl",         "signature_algo", "signer_info",     "report_data",
        "measurement",  "host_data",      "id_key_digest",   "author_key_digest",
        "report_id",    "report_id_ma",   "chip_id",         "cpuid_fam_id",
        "cpuid_mod_id", "cpuid_step",     "current_version", "committed_version",
        "policy",       "platform_info",  "signing_key",
    };
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("snp");
    size_t i;
    size_t tried = 0;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *parsed = json_object_get(json_object_get(entry, "expected"), "parsed");
        struct clo_snp_report report;
        struct clo_error err;
        char path[512];
        if (parsed == NULL || !find_case_file("snp", entry, "report.bin", path, sizeof path))
            continue;
        read_vector(path, &file);
        CHECK(clo_snp_parse(clo_buffer_bytes(&file), &report, &err), name);
        CLO_CLEANUP(clo_json_freep)
        json_t *json = clo_snp_report_json(&report, clo_snp_report_product(&report));
        for (size_t k = 0; k < CLO_COUNT(keys); k++)
            same_text(parsed, json, keys[k], name);
        /* The manifest has a TCB as one number, little endian. */
        char text[24];
        uint64_t tcb = 0;
        for (size_t k = 8; k-- > 0;)
            tcb = tcb << 8 | report.reported_tcb.raw[k];
        snprintf(text, sizeof text, "0x%016" PRIx64, tcb);
        CHECK(strcmp(json_string_value(json_object_get(parsed, "reported_tcb")), text) == 0, name);
        tried++;
    }
    CHECK(tried > 5, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_newer),
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_unwrap),
        cmocka_unit_test(test_product), cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
