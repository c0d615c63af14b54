/* A cloud's launch endorsement next to a report: what it lets stand, and what a policy demands of it. */
#include "cloister/appraise.h"

#include "gce_endorsement_maker.h"
#include "snp_chain.h"

static struct path_maker cloud;
static struct snp_maker maker;

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&cloud, CLO_KEY_RSA, 2048);
    snp_maker_init(&maker);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    path_maker_free(&cloud);
    snp_maker_free(&maker);
    return 0;
}

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

struct scene {
    bool is_left_out, is_of_other_firmware, root_is_not_given, is_changed, other_guest_policy;
    bool has_manifest; /* of a service module's services */
    int64_t later;     /* than it was signed */
    uint64_t before;   /* it was signed */
    const char *policy;
};

static const uint8_t no_services[24] = { 0xbb, 0x9e, 0x84, 0x63, 0x92, 0x3d, 0x70, 0x46, 0xa1,
                                         0xff, 0x58, 0xf9, 0xc9, 0x4b, 0x87, 0xbb, 24 };

static struct clo_appraisal *appraise(const struct scene *scene)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer endorsement = { 0 };
    struct gce_scene made = { .changed = scene->is_changed, .signed_before = scene->before };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    snp_maker_reset(&maker);
    memcpy(maker.report + 8, "\0\0\3\0\0\0\0\0", 8);
    if (scene->other_guest_policy)
        maker.report[10] = 7;
    snp_maker_make(&maker, &certificates);
    if (!scene->is_of_other_firmware)
        made.measurement = maker.report + 0x90;
    gce_endorsement_make(&cloud, &made, &endorsement);
    must(clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                  clo_bytes(maker.report, sizeof maker.report), &err),
         &err);
    if (scene->has_manifest)
        must(clo_evidence_add(evidence, CLO_EVIDENCE_SVSM_MANIFEST,
                              clo_bytes(no_services, sizeof no_services), &err),
             &err);
    if (scene->policy != NULL)
        must(clo_policy_parse(clo_bytes_text(scene->policy), &policy, &err), &err);
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .at = PATH_NOW + scene->later,
        .roots = &maker.root,
        .root_count = 1,
        .endorsements.certificates = &certificates,
        .launch_endorsement = { scene->is_left_out ? clo_bytes(NULL, 0)
                                                   : clo_buffer_bytes(&endorsement),
                                &cloud.root, !scene->root_is_not_given },
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

#define POLICY(more) \
    "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"endorsement\":{" more "}}"

static void test_checks(void **state)
{
    static const struct {
        const char *name;
        struct scene scene;
        const char *id, *detail; /* detail NULL: it holds */
    } cases[] = {
        { "as the report has it", { .later = 1 }, "endorsement.measurement", NULL },
        { "of other firmware",
          { .is_of_other_firmware = true },
          "endorsement.measurement",
          "is not one of those" },
        { "for another guest policy",
          { .other_guest_policy = true },
          "endorsement.policy",
          "endorsed is 0x30000" },
        { "its root is not given", { .root_is_not_given = true }, "endorsement.root", "no root" },
        { "changed", { .is_changed = true }, "endorsement.signature", "" },
        { "firmware of the SVN that is wanted",
          { .policy = POLICY("\"minimum_svn\":3") },
          "policy.endorsement_svn",
          NULL },
        { "firmware of a lower SVN",
          { .policy = POLICY("\"minimum_svn\":4") },
          "policy.endorsement_svn",
          "has SVN 3, at least 4" },
        { "young enough",
          { .later = 1800, .policy = POLICY("\"maximum_age\":\"1h\"") },
          "policy.endorsement_age",
          NULL },
        { "too old",
          { .before = 7200, .policy = POLICY("\"maximum_age\":\"1h\"") },
          "policy.endorsement_age",
          "signed 2 hours ago, at most 1" },
        { "signed in the future",
          { .later = -60, .policy = POLICY("\"maximum_age\":\"1h\"") },
          "policy.endorsement_age",
          "in the future" },
        { "no endorsement",
          { .is_left_out = true, .policy = POLICY("") },
          "policy.endorsement",
          "there is none that is verified" },
        { "one that does not hold",
          { .is_changed = true, .policy = POLICY("") },
          "policy.endorsement",
          "there is none that is verified" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&cases[i].scene);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].id);
        CHECK(check != NULL, cases[i].name);
        CHECK(check->result == (cases[i].detail == NULL ? CLO_CHECK_PASS : CLO_CHECK_FAIL),
              check->detail);
        CHECK(cases[i].detail == NULL || strstr(check->detail, cases[i].detail) != NULL,
              check->detail);
    }
}

static bool is_launch_open(const struct scene *scene)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(scene);
    bool is_open = false;
    const char *why;

    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
        is_open |= strcmp(clo_appraisal_open(appraisal, i, &why), "firmware") == 0 &&
                   strstr(why, "no launch measurement") != NULL;
    return is_open;
}

/* Endorsed firmware is the guest's first program, and no service module is below it. */
static void test_module(void **state)
{
    (void)state;
    CHECK(!is_launch_open(&(struct scene){ .later = 1 }), "the endorsement names the firmware");
    CHECK(is_launch_open(&(struct scene){ .later = 1, .has_manifest = true }),
          "a manifest next to endorsed firmware");
}

static void test_refused(void **state)
{
    static const struct {
        const char *policy, *error;
    } cases[] = {
        { POLICY("\"svn\":1"), "svn" },
        { POLICY("\"minimum_svn\":4294967296"), "minimum_svn" },
        { POLICY("\"maximum_age\":\"0d\""), "maximum_age" },
        { "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"endorsement\":true}",
          "\"endorsement\": not an object" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        struct clo_error err = { .text = "" };
        CHECK(!clo_policy_parse(clo_bytes_text(cases[i].policy), &policy, &err), cases[i].policy);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_module),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
