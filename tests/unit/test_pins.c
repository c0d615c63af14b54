/* Terms whose pins the evidence does not show never accept it: what is looked up is the same as what all appraisals say. */
#include "lib/appraise/pins.h"

#include "lib/appraise/verified.h"
#include "scene.h"

static struct scene scene;

static void make_bundle(struct clo_evidence **out)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;

    must(clo_evidence_new(out, &err), &err);
    make_evidence(&scene, *out, &certificates);
}

/* Is it found, as those who look terms up would find it? */
static bool finds(const struct clo_evidence *evidence, const struct clo_pins *pins)
{
    struct clo_pins_shown shown;

    if (!clo_pins_show(evidence, &shown))
        return false;
    if ((pins->classes >> shown.evidence & 1) == 0)
        return false;
    for (unsigned field = 0; field < CLO_PIN_FIELDS; field++) {
        bool is_demanded = false;
        bool is_shown = false;
        for (size_t i = 0; i < pins->count; i++) {
            if (pins->items[i].evidence != shown.evidence || pins->items[i].field != field)
                continue;
            is_demanded = true;
            for (size_t k = 0; k < shown.count; k++)
                is_shown = is_shown || shown.items[k].name == pins->items[i].name;
        }
        if (is_demanded && !is_shown)
            return false;
    }
    return true;
}

static void test_found(void **state)
{
    static const struct {
        const char *name, *cmdline, *injected;
        uint32_t disturbed;
        bool is_found;
    } cases[] = {
        { "as referenced", NULL, NULL, 0, true },
        { "another kernel command line", "init=/bin/sh", NULL, 0, false },
        { "a command line that the host adds", NULL, "x", 0, false },
        { "another boot loader", NULL, NULL, 1U << 4, false },
        { "another firmware, which nothing is found by", NULL, NULL, 1U << 0, true },
    };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = make_reference();
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    must(clo_policy_parse(clo_bytes_text("{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":"
                                         "[\"amd\"],\"pcrs\":[0,4,11,12],\"snp\":{\"measurement\":"
                                         "\"any\"}}"),
                          &policy, &err),
         &err);
    const struct clo_reference *references[] = { reference };
    const struct clo_appraise_terms terms = { .policy = policy,
                                              .references = references,
                                              .reference_count = 1 };
    CLO_CLEANUP(clo_pins_free) struct clo_pins pins = { 0 };
    must(clo_pins_demand(&terms, &pins, &err), &err);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_verified_evidence_freep) struct clo_verified_evidence *verified = NULL;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        const struct clo_appraise_inputs inputs = { .policy = policy, .at = SNP_MAKER_NOW };
        scene_reset(&scene);
        if (cases[i].cmdline != NULL)
            scene.cmdline = cases[i].cmdline;
        scene.injected = cases[i].injected;
        scene.disturbed = cases[i].disturbed;
        make_bundle(&evidence);
        CHECK(finds(evidence, &pins) == cases[i].is_found, cases[i].name);
        must(clo_evidence_verify(evidence, &inputs, &verified, &err), &err);
        must(clo_appraise_verified(verified, &terms, &appraisal, &err), &err);
        const struct clo_check *kernel = clo_checks_get(clo_appraisal_checks(appraisal), "pcr.11");
        CHECK(kernel == NULL || cases[i].is_found ||
                      !clo_checks_ok(clo_appraisal_checks(appraisal)),
              cases[i].name);
    }
}

/* Verified by the roots of one policy it is not appraised by another's. */
static void test_other_trust(void **state)
{
    static const char other[] =
            "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],"
            "\"grace\":{\"stale_crl\":\"1d\"},\"snp\":{\"measurement\":\"any\"}}";
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *strict = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_verified_evidence_freep) struct clo_verified_evidence *verified = NULL;
    struct clo_appraisal *appraisal;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    make_bundle(&evidence);
    must(clo_policy_parse(clo_bytes_text(other), &policy, &err), &err);
    must(clo_policy_strict(&strict, &err), &err);
    const struct clo_appraise_inputs inputs = { .policy = strict, .at = SNP_MAKER_NOW };
    const struct clo_appraise_terms terms = { .policy = policy };
    const struct clo_appraise_terms none = { .policy = NULL };
    must(clo_evidence_verify(evidence, &inputs, &verified, &err), &err);
    CHECK(!clo_appraise_verified(verified, &terms, &appraisal, &err), "another policy's roots");
    CHECK(strcmp(err.text, "the evidence was verified by other roots than the policy's") == 0,
          err.text);
    CHECK(!clo_appraise_verified(verified, &none, &appraisal, &err), "no policy");
}

/* Of evidence without values to look up only those terms are found that name its kind; of what proves nothing, none. */
static void test_without_values(void **state)
{
    static const char sample[] =
            "{\"cloister_policy\":1,\"name\":\"a\",\"tee\":[\"sample\"],\"roots\":[],"
            "\"accept_weak\":\"a test\"}";
    static const char snp[] =
            "{\"cloister_policy\":1,\"name\":\"b\",\"tee\":[\"snp\"],\"roots\":[\"amd\"]}";
    static const struct {
        const char *label, *policy;
        bool is_found;
    } cases[] = {
        { CLO_EVIDENCE_SAMPLE, sample, true },       { CLO_EVIDENCE_SAMPLE, snp, false },
        { CLO_EVIDENCE_NITRO_DOCUMENT, snp, false }, { CLO_EVIDENCE_TDX_QUOTE, snp, false },
        { CLO_EVIDENCE_TPM_QUOTE, snp, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        CLO_CLEANUP(clo_pins_free) struct clo_pins pins = { 0 };
        struct clo_error err;
        must(clo_evidence_new(&evidence, &err), &err);
        must(clo_evidence_add(evidence, cases[i].label, clo_bytes_text("x"), &err), &err);
        must(clo_policy_parse(clo_bytes_text(cases[i].policy), &policy, &err), &err);
        const struct clo_appraise_terms terms = { .policy = policy };
        must(clo_pins_demand(&terms, &pins, &err), &err);
        CHECK(finds(evidence, &pins) == cases[i].is_found, cases[i].label);
    }
}

static int set_up(void **state)
{
    (void)state;
    scene_init(&scene);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_free(&scene);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_other_trust),
        cmocka_unit_test(test_without_values),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
