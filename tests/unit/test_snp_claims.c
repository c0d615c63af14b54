#include "test.h"

#include "cloister/json.h"
#include "cloister/snp.h"

static json_t *claims_of(const uint8_t *bytes, enum clo_snp_product product)
{
    struct clo_snp_report report;
    struct clo_error err;

    if (!clo_snp_parse(clo_bytes(bytes, CLO_SNP_REPORT_SIZE), &report, &err))
        fail_msg("%s", err.text);
    json_t *json = clo_snp_report_json(&report, product);
    assert_non_null(json);
    return json;
}

static const char *text(const json_t *json, const char *key)
{
    const char *value = json_string_value(json_object_get(json, key));

    return value == NULL ? "(none)" : value;
}

static void test_report(void **state)
{
    uint8_t bytes[CLO_SNP_REPORT_SIZE] = { 0 };

    (void)state;
    bytes[0] = 5;
    bytes[0x04] = 7;                      /* GUEST_SVN */
    bytes[0x08] = 31, bytes[0x0a] = 0x0b; /* POLICY: ABI 0.31, SMT, must-be-one, debug */
    bytes[0x30] = 1;                      /* VMPL */
    bytes[0x34] = 1;
    memset(bytes + 0x38, 0x11, 8);  /* CURRENT_TCB */
    bytes[0x40] = 0x21;             /* PLATFORM_INFO: SMT, alias check */
    memset(bytes + 0x90, 0xab, 48); /* MEASUREMENT */
    bytes[0x180] = 1, bytes[0x181] = 2, bytes[0x186] = 3, bytes[0x187] = 4;
    bytes[0x188] = 0x19, bytes[0x189] = 1, bytes[0x18a] = 2;
    bytes[0x1e8] = 29, bytes[0x1e9] = 55, bytes[0x1ea] = 1;
    bytes[0x1f8] = 9; /* LAUNCH_MIT_VECTOR */
    CLO_CLEANUP(clo_json_freep) json_t *json = claims_of(bytes, CLO_SNP_MILAN);
    const json_t *tcb = json_object_get(json, "reported_tcb");
    const json_t *policy = json_object_get(json, "policy_bits");
    const json_t *platform = json_object_get(json, "platform_bits");

    CHECK(json_integer_value(json_object_get(json, "version")) == 5 &&
                  json_integer_value(json_object_get(json, "guest_svn")) == 7 &&
                  json_integer_value(json_object_get(json, "vmpl")) == 1,
          "numbers");
    CHECK(strcmp(text(json, "policy"), "0x00000000000b001f") == 0, text(json, "policy"));
    CHECK(strcmp(text(json, "policy_abi"), "0.31") == 0, text(json, "policy_abi"));
    CHECK(json_is_true(json_object_get(policy, "debug")) &&
                  json_is_false(json_object_get(policy, "migrate_ma")),
          "policy bits");
    CHECK(json_is_true(json_object_get(platform, "alias_check_complete")) &&
                  json_is_false(json_object_get(platform, "ecc_en")),
          "platform bits");
    CHECK(strncmp(text(json, "measurement"), "abababab", 8) == 0 &&
                  strlen(text(json, "measurement")) == 96,
          text(json, "measurement"));
    CHECK(json_integer_value(json_object_get(tcb, "bootloader")) == 1 &&
                  json_integer_value(json_object_get(tcb, "tee")) == 2 &&
                  json_integer_value(json_object_get(tcb, "snp")) == 3 &&
                  json_integer_value(json_object_get(tcb, "microcode")) == 4 &&
                  json_object_get(tcb, "fmc") == NULL,
          "TCB by Milan's layout");
    CHECK(strcmp(text(tcb, "raw"), "0102000000000304") == 0, text(tcb, "raw"));
    CHECK(strcmp(text(json, "current_version"), "1.55.29") == 0, text(json, "current_version"));
    CHECK(json_is_true(json_object_get(json, "chip_id_masked")), "zeros");
    CHECK(strcmp(text(json, "launch_mit_vector"), "0x0000000000000009") == 0,
          text(json, "launch_mit_vector"));
    CHECK(strcmp(text(json, "signing_key"), "VCEK") == 0, text(json, "signing_key"));
}

/* What a version does not have is absent, and an unknown product has no layout. */
static void test_absent(void **state)
{
    uint8_t bytes[CLO_SNP_REPORT_SIZE] = { 0 };

    (void)state;
    bytes[0] = 2;
    bytes[0x34] = 1;
    CLO_CLEANUP(clo_json_freep) json_t *json = claims_of(bytes, CLO_SNP_UNKNOWN);
    CHECK(json_object_get(json, "cpuid_fam_id") == NULL &&
                  json_object_get(json, "launch_mit_vector") == NULL,
          "not in version 2");
    CHECK(json_object_size(json_object_get(json, "current_tcb")) == 2, "raw and value alone");
    CHECK(json_is_true(json_object_get(json, "chip_id_masked")), "masked");
}

static void test_verified(void **state)
{
    uint8_t bytes[CLO_SNP_REPORT_SIZE] = { 0 };
    struct clo_snp_verified verified = { .product = CLO_SNP_GENOA,
                                         .is_vlek = true,
                                         .csp_id = "Some Cloud",
                                         .root = { .hash = CLO_HASH_SHA256, .bytes = { 0xfe } } };
    struct clo_error err;

    (void)state;
    bytes[0] = 3;
    bytes[0x34] = 1;
    CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &verified.report, &err), err.text);
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_snp_claims(&verified);
    CHECK(strcmp(text(json, "csp_id"), "Some Cloud") == 0, text(json, "csp_id"));
    CHECK(strncmp(text(json, "root"), "fe00", 4) == 0, text(json, "root"));
    CHECK(strcmp(text(json, "product"), clo_snp_product_name(CLO_SNP_GENOA)) == 0, "product");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
