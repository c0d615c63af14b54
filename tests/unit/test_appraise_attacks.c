/* Bundles of genuine evidence with one member that is another's, or one too many: what a client of the broker can put together. */
#include "cloister/appraise.h"

#include "scene_group.h"

/* The scene's bundle, `label` replaced by (or, where it has none, added as) these bytes. */
static void make_with(const char *label, struct clo_bytes bytes, struct clo_evidence **out,
                      struct clo_snp_certificates *certificates)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_error err;

    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(&scene, evidence, certificates);
    must(clo_evidence_new(out, &err), &err);
    for (size_t i = 0; i < clo_evidence_count(evidence); i++) {
        struct clo_bytes member;
        const char *type;
        const char *name = clo_evidence_at(evidence, i, &type, &member);
        if (strcmp(name, label) != 0)
            must(clo_evidence_add(*out, name, member, &err), &err);
    }
    must(clo_evidence_add(*out, label, bytes, &err), &err);
}

static bool appraise(const struct clo_evidence *evidence,
                     const struct clo_snp_certificates *certificates,
                     struct clo_appraisal **appraisal, struct clo_error *err)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_reference *references[] = { reference };
    char root[2 * 32 + 1];
    char hex[2 * 48 + 1];

    clo_hex_text(clo_digest_bytes(&scene.maker.root), root);
    clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), hex);
    clo_buffer_printf(&text,
                      "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"%s\"],"
                      "\"pcrs\":[0,4,11,12],\"snp\":{\"measurement\":[\"%s\"]}}",
                      root, hex);
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, err), err);
    const struct clo_appraise_inputs inputs = { .policy = policy,
                                                .references = references,
                                                .reference_count = 1,
                                                .expected_nonce = clo_bytes_text(NONCE),
                                                .at = SNP_MAKER_NOW,
                                                .roots = &scene.maker.root,
                                                .root_count = 1,
                                                .endorsements.certificates = certificates };
    return clo_appraise(evidence, &inputs, appraisal, err);
}

/* The usual PCR values under the name of another bank, with as many bytes a value. */
static void write_bank(const char *name, size_t size, uint32_t mask, struct clo_buffer *out)
{
    clo_buffer_printf(out, "{\"%s\":{", name);
    for (unsigned i = 0; i < 16; i++)
        if ((mask >> i & 1) != 0)
            clo_buffer_printf(out, "%s\"%u\":\"%0*d\"", out->data[out->size - 1] == '{' ? "" : ",",
                              i, (int)(2 * size), 0);
    clo_buffer_text(out, "}}");
}

static void test_banks(void **state)
{
    static const struct {
        const char *name, *bank;
        size_t size;
        uint32_t mask;
        const char *error; /* part of it; or of the summary, where it could be read */
    } cases[] = {
        { "the SHA-1 bank, whose digests can be made to collide", "sha1", 20, 0xffff,
          "bank \"sha1\"" },
        { "another bank than the quote's", "sha384", 48, 0xffff, "quote: of another bank than" },
        { "fewer registers than were quoted", "sha256", 32, 0xefff,
          "quote: of PCRs 0x00ffff, not 0x00efff" },
        { "values of another hash's size", "sha256", 48, 0xffff, "PCR 0: 48 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer values = { 0 };
        struct clo_error err;
        scene_reset(&scene);
        write_bank(cases[i].bank, cases[i].size, cases[i].mask, &values);
        make_with(CLO_EVIDENCE_TPM_PCRS, clo_buffer_bytes(&values), &evidence, &certificates);
        if (!appraise(evidence, &certificates, &appraisal, &err)) {
            CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
            continue;
        }
        const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), "tpm.pcrs");
        CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].name);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].error) != NULL, check->detail);
    }
}

static void test_two_reports(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    make_with(CLO_EVIDENCE_SNP_REPORT, clo_bytes(scene.maker.report, sizeof scene.maker.report),
              &evidence, &certificates);
    CHECK(!appraise(evidence, &certificates, &appraisal, &err), "two reports");
    CHECK(strcmp(err.text, "evidence: two hardware reports") == 0, err.text);
}

/* The writer of a log may add events of the kind that extends nothing. They change no register, so with one that
 * carries a digest the log leads where it led, and an event that did extend cannot be hidden as one. */
static void test_event_without_action(void **state)
{
    static const struct {
        const char *name;
        bool was_extended;
        const char *check; /* that fails; NULL: none */
    } cases[] = {
        { "an event that extended nothing", false, NULL },
        { "an event that did, called one that does not", true, "eventlog.replay" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
        struct clo_error err;
        scene_reset(&scene);
        scene.injected = cases[i].was_extended ? "init=/bin/sh" : NULL;
        log_header_sha256(&log);
        log_text(&log, 0, "firmware");
        log_text(&log, 4, "program");
        log_text(&log, 11, scene.cmdline);
        log_event(&log, 12, CLO_EV_NO_ACTION, clo_bytes_text("init=/bin/sh"));
        make_with(CLO_EVIDENCE_EVENTLOG, clo_buffer_bytes(&log), &evidence, &certificates);
        must(appraise(evidence, &certificates, &appraisal, &err), &err);
        CHECK((clo_appraisal_status(appraisal) == CLO_AFFIRMING) == (cases[i].check == NULL),
              clo_appraisal_summary(appraisal));
        if (cases[i].check == NULL)
            continue;
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].check);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
    }
}

/* Next to a report of the guest's own, which binds no key of a TPM, the TPM may be a program of the host's. */
static void test_tpm_of_nobody(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *hcl = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    must(clo_evidence_new(&hcl, &err), &err);
    make_evidence(&scene, hcl, &certificates);
    clo_snp_certificates_free(&certificates);
    struct clo_bytes runtime_data = clo_evidence_get(hcl, CLO_EVIDENCE_RUNTIME_DATA);
    clo_hash(CLO_HASH_SHA512, runtime_data, &digest);
    memcpy(scene.maker.report + 0x50, digest.bytes, 64);
    snp_maker_make(&scene.maker, &certificates);
    must(clo_evidence_new(&evidence, &err), &err);
    for (size_t i = 0; i < clo_evidence_count(hcl); i++) {
        struct clo_bytes member;
        const char *type;
        const char *name = clo_evidence_at(hcl, i, &type, &member);
        if (strcmp(name, CLO_EVIDENCE_HCL_REPORT) != 0)
            must(clo_evidence_add(evidence, name, member, &err), &err);
    }
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                          clo_bytes(scene.maker.report, sizeof scene.maker.report), &err),
         &err);
    must(appraise(evidence, &certificates, &appraisal, &err), &err);
    CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, "a TPM that nobody vouches for");
    CHECK(strstr(clo_appraisal_summary(appraisal), "nothing in the evidence binds PCRs") != NULL,
          clo_appraisal_summary(appraisal));
    CHECK(!clo_appraisal_releases(appraisal, &err), "and nothing is released");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_banks),
        cmocka_unit_test(test_two_reports),
        cmocka_unit_test(test_event_without_action),
        cmocka_unit_test(test_tpm_of_nobody),
    };

    return cmocka_run_group_tests(tests, set_scene_up, tear_scene_down);
}
