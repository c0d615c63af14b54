/* What a bare SEV-SNP report was made for: REPORT_DATA against the nonce that was given, or the runtime data. */
#include "checks.h"
#include "cloister/appraise.h"
#include "sim/forge.h"
#include "test.h"

#define NOW 1780000000LL

static struct sim_forge_keys keys;
static struct sim_forged made;

static int start(void **state)
{
    struct sim_forge forge;
    struct clo_error err;

    (void)state;
    if (!sim_forge_keys_new(2048, &keys, &err))
        return -1;
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &keys, &forge);
    memset(forge.report + 0x50, 0, 64);
    memcpy(forge.report + 0x50, "nonce", 5);
    return sim_forge(&forge, &keys, &made, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    sim_forged_free(&made);
    sim_forge_keys_free(&keys);
    return 0;
}

static void test_nonce(void **state)
{
    static const struct {
        const char *given;
        size_t size;
        bool holds;
    } cases[] = {
        { "nonce", 5, true },  { "nonce\0\0\0", 8, true }, { "nonc", 4, false },
        { "noncf", 5, false }, { "nonce1", 6, false },     { "", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        CHECK(clo_evidence_new(&evidence, &err) &&
                      clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                       clo_bytes(made.report, sizeof made.report), &err) &&
                      clo_snp_certificates_read(&certificates, clo_buffer_bytes(&made.leaf),
                                                &err) &&
                      clo_snp_certificates_read(&certificates, clo_buffer_bytes(&made.ask), &err) &&
                      clo_snp_certificates_read(&certificates, clo_buffer_bytes(&made.ark), &err),
              err.text);
        const struct clo_appraise_inputs inputs = {
            .at = NOW,
            .roots = &made.root,
            .root_count = 1,
            .expected_qualifying = clo_bytes(cases[i].given, cases[i].size),
            .endorsements = { .certificates = &certificates },
        };
        CHECK(clo_appraise(evidence, &inputs, &appraisal, &err), err.text);
        CHECK(has_passed(clo_appraisal_checks(appraisal), "snp.report_data") == cases[i].holds,
              cases[i].given);
        CHECK(clo_appraisal_is_fresh(appraisal) == cases[i].holds, cases[i].given);
        CHECK((clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED) == !cases[i].holds,
              clo_appraisal_summary(appraisal));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nonce) };

    return cmocka_run_group_tests(tests, start, stop);
}
