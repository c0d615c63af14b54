/* Microsoft's endorsement of the utility VM next to a report: what it lets stand, and what a policy demands of it. */
#include "cloister/appraise.h"
#include "lib/cloud/hcl_write.h"

#include "snp_chain.h"
#include "uvm_endorsement_maker.h"

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
    struct uvm_scene made;
    bool is_of_another_vm, no_issuer, no_feed;
    const char *policy;  /* POLICY, with the issuer for %s */
    bool has_containers; /* their policy is the one in HOST_DATA */
    bool has_others;     /* it is another */
    bool is_wrapped;     /* in claims such as a paravisor's, which the guest wrote itself */
};

static const char containers[] = "package policy";
static const char claims[] =
        "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
        "\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"
        "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static void make(const struct scene *scene, struct clo_buffer *issuer, struct clo_buffer *out,
                 struct clo_snp_certificates *certificates)
{
    struct uvm_scene made = scene->made;
    struct clo_digest digest;

    snp_maker_reset(&maker);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(containers), &digest);
    memcpy(maker.report + 0xc0, digest.bytes, 32);
    if (scene->is_wrapped) {
        maker.report[0x30] = 0; /* VMPL */
        clo_hash(CLO_HASH_SHA256, clo_bytes_text(claims), &digest);
        memset(maker.report + 0x50, 0, 64);
        memcpy(maker.report + 0x50, digest.bytes, 32);
    }
    snp_maker_make(&maker, certificates);
    if (!scene->is_of_another_vm)
        made.measurement = maker.report + 0x90;
    path_maker_reset(&cloud);
    uvm_endorsement_make(&cloud, &made, issuer, out);
}

static void add_report(const struct scene *scene, struct clo_evidence *evidence)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    struct clo_bytes report = clo_bytes(maker.report, sizeof maker.report);
    struct clo_error err;

    if (!scene->is_wrapped)
        must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT, report, &err), &err);
    else
        must(clo_hcl_write(CLO_HCL_SNP, report, clo_bytes_text(claims), &hcl, &err) &&
                     clo_evidence_add(evidence, CLO_EVIDENCE_HCL_REPORT, clo_buffer_bytes(&hcl),
                                      &err),
             &err);
}

static struct clo_appraisal *appraise(const struct scene *scene)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer endorsement = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer issuer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_digest digest;
    struct clo_error err;

    make(scene, &issuer, &endorsement, &certificates);
    must(clo_evidence_new(&evidence, &err), &err);
    add_report(scene, evidence);
    if (scene->policy != NULL) {
        const char *at = strstr(scene->policy, "ISSUER");
        clo_buffer_append(&text, at == NULL
                                         ? clo_bytes_text(scene->policy)
                                         : clo_bytes(scene->policy, (size_t)(at - scene->policy)));
        if (at != NULL) {
            clo_buffer_append(&text, clo_buffer_bytes(&issuer));
            clo_buffer_append(&text, clo_bytes_text(at + 6));
        }
        must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    }
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene->has_others ? "package other" : containers),
             &digest);
    const char *issuers[] = { clo_buffer_string(&issuer) };
    const char *feeds[] = { UVM_FEED };
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .at = PATH_NOW,
        .roots = &maker.root,
        .root_count = 1,
        .endorsements.certificates = &certificates,
        .init_data = scene->has_containers || scene->has_others ? clo_digest_bytes(&digest)
                                                                : clo_bytes(NULL, 0),
        .launch_endorsement = { .bytes = clo_buffer_bytes(&endorsement),
                                .issuers = issuers,
                                .issuer_count = !scene->no_issuer,
                                .feeds = feeds,
                                .feed_count = !scene->no_feed },
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

#define POLICY(more) \
    "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"endorsement\":{" more "}}"

static const struct {
    const char *name;
    struct scene scene;
    const char *id, *detail; /* detail NULL: it holds */
} check_cases[] = {
    { "as the report has it", { .no_feed = false }, "endorsement.measurement", NULL },
    { "the newer form", { .made.is_envelope = true }, "endorsement.measurement", NULL },
    { "of another VM",
      { .is_of_another_vm = true },
      "endorsement.measurement",
      "is not one of those" },
    { "changed", { .made.changed = true }, "endorsement.signature", "" },
    { "nobody's issuer", { .no_issuer = true }, "endorsement.issuer", "no issuer is trusted" },
    { "no feed", { .no_feed = true }, "endorsement.feed", "no feed is trusted" },
    { "issuer and feed of the policy",
      { .no_issuer = true,
        .no_feed = true,
        .policy = POLICY("\"issuers\":[\"ISSUER\"],\"feeds\":[\"" UVM_FEED "\"]") },
      "policy.endorsement_issuer",
      NULL },
    { "its feed",
      { .no_feed = true, .policy = POLICY("\"feeds\":[\"x\",\"" UVM_FEED "\"]") },
      "policy.endorsement_feed",
      NULL },
    { "another issuer than the policy's",
      { .policy = POLICY("\"issuers\":[\"did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_"
                         "eT1RPHbCQ_ECBQfYZpt9s::eku:1.2\"]") },
      "policy.endorsement_issuer",
      "not one that the policy names" },
    { "another feed than the policy's",
      { .policy = POLICY("\"feeds\":[\"x\"]") },
      "policy.endorsement_feed",
      "not one that the policy names" },
    { "an SVN that is wanted",
      { .policy = POLICY("\"minimum_svn\":104") },
      "policy.endorsement_svn",
      NULL },
    { "a lower SVN",
      { .policy = POLICY("\"minimum_svn\":105") },
      "policy.endorsement_svn",
      "has SVN 104, at least 105" },
    { "a lower SVN in the newer form",
      { .made.is_envelope = true, .policy = POLICY("\"minimum_svn\":105") },
      "policy.endorsement_svn",
      "has SVN 104, at least 105" },
    { "no time where the policy wants one",
      { .made.no_time = true, .policy = POLICY("\"maximum_age\":\"1h\"") },
      "policy.endorsement_age",
      "does not say when" },
    { "one that does not hold",
      { .made.changed = true, .policy = POLICY("") },
      "policy.endorsement",
      "there is none that is verified" },
    { "the policy for its containers", { .has_containers = true }, "init_data", NULL },
    { "another policy for its containers", { .has_others = true }, "init_data", "does not hold" },
};

static void test_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(check_cases); i++) {
        const char *detail = check_cases[i].detail;
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&check_cases[i].scene);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), check_cases[i].id);
        CHECK(check != NULL, check_cases[i].name);
        CHECK(check->result == (detail == NULL ? CLO_CHECK_PASS : CLO_CHECK_FAIL), check->detail);
        CHECK(detail == NULL || strstr(check->detail, detail) != NULL, check->detail);
    }
}

static const char *open_program(const struct scene *scene, char out[256])
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(scene);
    const char *why;

    *out = '\0';
    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
        if (strcmp(clo_appraisal_open(appraisal, i, &why), "program") == 0)
            snprintf(out, 256, "%s", why);
    return out;
}

/* What runs in the VM is open as long as nothing names the policy for it. */
static void test_open(void **state)
{
    char why[256];

    (void)state;
    CHECK(strstr(open_program(&(struct scene){ .no_feed = false }, why), "containers") != NULL,
          why);
    CHECK(*open_program(&(struct scene){ .has_containers = true }, why) == '\0', why);
    CHECK(strstr(open_program(&(struct scene){ .has_containers = true, .is_of_another_vm = true },
                              why),
                 "measurement_covers") != NULL,
          why);
}

/* What starts in an endorsed VM has a report over any claims: a vTPM next to it is anybody's, and its containers are still to be named. */
static void test_wrapped(void **state)
{
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *appraisal = appraise(&(struct scene){ .is_wrapped = true });
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), "hcl.binding");
    bool has_firmware = false, has_containers = false;
    const char *why;

    (void)state;
    CHECK(check != NULL && check->result == CLO_CHECK_PASS, clo_appraisal_summary(appraisal));
    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++) {
        const char *aspect = clo_appraisal_open(appraisal, i, &why);
        has_firmware |= strcmp(aspect, "firmware") == 0 && strstr(why, "no launch measurement");
        has_containers |= strcmp(aspect, "program") == 0 && strstr(why, "containers") != NULL;
    }
    CHECK(has_firmware, "claims next to an endorsed launch: its firmware is open");
    CHECK(has_containers, "claims next to an endorsed launch: its containers are open");
}

static void test_refused(void **state)
{
    static const struct {
        const char *policy, *error;
    } cases[] = {
        { POLICY("\"issuers\":[]"), "names none" },
        { POLICY("\"issuers\":\"any\""), "names none" },
        { POLICY("\"feeds\":[]"), "names none" },
        { POLICY("\"feeds\":[1]"), "not a short string" },
        { POLICY("\"issuers\":[\"did:web:a\"]"), "does not begin" },
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
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
