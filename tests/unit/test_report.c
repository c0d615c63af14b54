/* What the pretend platform makes holds before the same eyes as a real one's. */
#include "sim/report.h"

#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "test.h"

#define NOW 1780000000LL

static bool count_up(void *context, void *out, size_t size)
{
    uint8_t *bytes = out;
    uint8_t *next = context;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (*next)++;
    return true;
}

static struct sim_platform platform;
static struct clo_snp_certificates certificates;
static struct clo_digest root;

static int set_up(void **state)
{
    static uint8_t next = 1;
    const struct clo_random random = { count_up, &next };
    struct clo_error err;

    (void)state;
    assert_true(sim_platform_new("test", NOW, &random, &platform, &err));
    assert_true(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&platform.vcek), &err));
    assert_true(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&platform.ask), &err));
    assert_true(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&platform.ark), &err));
    assert_true(
            clo_public_key_fingerprint(clo_certificate_key(certificates.items[2]), &root, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_snp_certificates_free(&certificates);
    sim_platform_free(&platform);
    return 0;
}

static bool verify(struct clo_bytes bytes, const struct clo_digest *roots,
                   struct clo_snp_verified *out)
{
    const struct clo_snp_trust trust = {
        .at = NOW, .amd = true, .roots = roots, .root_count = roots == NULL ? 0 : 1
    };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_error err;

    assert_true(clo_snp_parse(bytes, &report, &err));
    assert_true(clo_snp_chain_find(&report, &certificates, &chain, &err));
    return clo_snp_verify(&report, &chain, &trust, &checks, out, &err);
}

static void test_report(void **state)
{
    struct sim_report_spec spec = sim_report_default;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    struct clo_snp_verified verified;
    struct clo_error err;

    (void)state;
    spec.vmpl = 2;
    memset(spec.report_data, 7, sizeof spec.report_data);
    memset(spec.measurement, 8, sizeof spec.measurement);
    CHECK(sim_report(&platform, &spec, &report, &err), err.text);
    CHECK(report.size == CLO_SNP_REPORT_SIZE, "size");
    CHECK(verify(clo_buffer_bytes(&report), &root, &verified), "its own root");
    CHECK(!verified.is_amd && verified.report.vmpl == 2, "what it says");
    CHECK(clo_bytes_all(verified.report.report_data, 7) &&
                  clo_bytes_all(verified.report.measurement, 8),
          "what it says");
    CHECK(!verify(clo_buffer_bytes(&report), NULL, &verified), "AMD's roots alone");
    report.data[0x90] ^= 1;
    CHECK(!verify(clo_buffer_bytes(&report), &root, &verified), "changed");
}

static void test_hcl(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *ak = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_hcl_verified_freep) struct clo_hcl_verified *claims = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_snp_verified verified;
    struct clo_digest a;
    struct clo_digest b;
    struct clo_hcl hcl;
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &ak, &err), err.text);
    CHECK(clo_private_key_public(ak, &public_key, &err), err.text);
    CHECK(sim_hcl_report(&platform, public_key, &bytes, &err), err.text);
    CHECK(bytes.size <= 2048, "fits swtpm's largest NV index");
    CHECK(clo_hcl_parse(clo_buffer_bytes(&bytes), &hcl, &err), err.text);
    CHECK(verify(hcl.hardware_report, &root, &verified), "the report inside");
    CHECK(clo_hcl_verify(&hcl, &verified, &claims, &err), err.text);
    CHECK(clo_public_key_fingerprint(clo_hcl_ak(claims), &a, &err) &&
                  clo_public_key_fingerprint(public_key, &b, &err) && clo_digest_equal(&a, &b),
          "the attestation key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_hcl),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
