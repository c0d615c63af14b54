/* A whole bundle of a pretend platform, and everything that can be wrong with it. */
#include "cloister/appraise.h"

#include "scene_group.h"
#include "vectors.h"

#define ANYHEX "0000000000000000000000000000000000000000000000000000000000000000"

/* --- The cases --- */

struct result {
    struct clo_appraisal *appraisal; /* NULL: it could not be read */
    struct clo_error err;
};

static struct result run_with(struct scene *with, const struct clo_reference *const *references,
                              size_t reference_count)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char hex[2 * 48 + 1];
    char root[2 * 32 + 1];
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *given = NULL;
    struct result result = { 0 };
    struct clo_error err;

    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(with, evidence, &certificates);
    clo_hex_text(clo_digest_bytes(&with->maker.root), root);
    clo_hex_text(clo_bytes(with->maker.report + 0x90, 48), hex);
    if (with->policy != NULL)
        clo_buffer_text(&text, with->policy);
    else
        clo_buffer_printf(&text,
                          "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],"
                          "\"roots\":[\"%s\"],\"pcrs\":[0,4,11,12],"
                          "\"snp\":{\"measurement\":[\"%s\"]}}",
                          with->root_is_not_given ? ANYHEX : root, hex);
    if (with->strict)
        must(clo_policy_strict(&policy, &err), &err);
    else if (!with->no_policy)
        must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    if (with->gives_ak || with->gives_other_ak)
        must(clo_private_key_public(with->gives_ak ? with->ak : with->other_ak, &given, &err),
             &err);
    struct clo_appraise_inputs inputs = {
        .policy = policy,
        .ak = given,
        .references = references,
        .reference_count = with->no_reference ? 0 : reference_count,
        .expected_nonce = with->no_nonce ? (struct clo_bytes){ 0 } : clo_bytes_text(NONCE),
        .at = SNP_MAKER_NOW,
        .roots = &with->maker.root,
        .root_count = with->root_is_not_given ? 0 : 1,
        .endorsements.certificates = &certificates,
        .expectations = &with->expectation,
        .expectation_count = with->expectation.name == NULL ? 0 : 1,
    };
    if (!clo_appraise(evidence, &inputs, &result.appraisal, &result.err))
        result.appraisal = NULL;
    return result;
}

static struct result run(struct scene *with, const struct clo_reference *against)
{
    return run_with(with, &against, 1);
}

static void test_accepted(void **state)
{
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    scene.log_of_ima = true; /* PCR 10 is nobody's to predict */
    scene.gives_ak = true;   /* and the key is the one in the claims */
    struct result r = run(&scene, reference);
    if (r.appraisal == NULL)
        fail_msg("%s", r.err.text);
    CHECK(clo_appraisal_status(r.appraisal) == CLO_AFFIRMING, clo_appraisal_summary(r.appraisal));
    CHECK(clo_appraisal_releases(r.appraisal, &err), err.text);
    CHECK(clo_appraisal_warning_count(r.appraisal) == 0, "no warning");
    CHECK(strcmp(clo_appraisal_summary(r.appraisal), "accepted by policy \"mine\"") == 0,
          clo_appraisal_summary(r.appraisal));
    CLO_CLEANUP(clo_json_freep) json_t *jwk = jwk_of(scene.transport);
    const json_t *bound = clo_appraisal_tee_pubkey(r.appraisal);
    CHECK(bound != NULL && json_equal(bound, jwk), "the key that the evidence binds");
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(r.appraisal);
    CHECK(strcmp(json_string_value(json_object_get(json, "status")), "affirming") == 0, "JSON");
    CHECK(json_object_get(json_object_get(json, "claims"), "measurement") != NULL, "claims");
    clo_appraisal_free(r.appraisal);
}

/* The usual reference under another name and origin, with some registers other than they are. */
static struct clo_reference *variant(const char *name, const char *origin,
                                     const char *const *others)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_deep_copy(clo_reference_json(reference));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *values = json_object_get(json_object_get(json, "pcrs"), "sha256");
    struct clo_reference *out;
    struct clo_error err;

    json_object_set_new(json, "name", json_string(name));
    json_object_set_new(json, "origin", json_string(origin));
    json_object_set_new(json, "events", json_object());
    for (; *others != NULL; others++)
        json_object_set_new(values, *others, json_string(ANYHEX));
    must(clo_json_write(json, &text, &err), &err);
    must(clo_reference_parse(clo_buffer_bytes(&text), &out, &err), &err);
    return out;
}

/* An image and its update: evidence of the one or the other is accepted, whichever comes first; of
 * something with parts of both it is not. */
static void test_alternatives(void **state)
{
    static const char *const kernel[] = { "4", NULL };
    static const char *const command_line[] = { "11", NULL };
    static const char *const both[] = { "4", "11", NULL };
    struct clo_reference *other_kernel = variant("kernel", "prediction", kernel);
    struct clo_reference *other_command_line = variant("cmdline", "prediction", command_line);
    struct clo_reference *update = variant("update", "prediction", both);
    struct clo_reference *calibration = variant("update", "calibration", both);
    const struct {
        const struct clo_reference *references[2];
        bool is_accepted;
        const char *why;
    } cases[] = {
        { { reference, update }, true, "the image that runs" },
        { { update, reference }, true, "the same, the other way round" },
        { { other_kernel, reference },
          true,
          "one register apart, as a disk before and after growth" },
        { { other_kernel, other_command_line }, false, "a part of each" },
        { { other_command_line, other_kernel }, false, "a part of each, the other way round" },
        { { update, other_kernel }, false, "neither" },
        { { reference, calibration }, true, "of another origin: the order counts" },
        { { calibration, reference }, false, "and counts here" },
    };

    (void)state;
    scene_reset(&scene);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct result r = run_with(&scene, cases[i].references, 2);
        if (r.appraisal == NULL)
            fail_msg("%s", r.err.text);
        CHECK((clo_appraisal_status(r.appraisal) == CLO_AFFIRMING) == cases[i].is_accepted,
              cases[i].why);
        clo_appraisal_free(r.appraisal);
    }
    clo_reference_free(other_kernel);
    clo_reference_free(other_command_line);
    clo_reference_free(update);
    clo_reference_free(calibration);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        const char *check;   /* that fails */
        const char *summary; /* part of it */
        struct scene scene;  /* the members that are set replace the usual ones */
    } cases[] = {
        { .name = "another command line in the UKI",
          .check = "pcr.11",
          .summary = "PCR 11: .cmdline",
          .scene = { .cmdline = "console=ttyS0 init=/bin/sh" } },
        { .name = "a command line from outside",
          .check = "pcr.12",
          .summary = "PCR 12: unexpected event",
          .scene = { .injected = "systemd.unit=rescue.target" } },
        { .name = "an old nonce",
          .check = "evidence.nonce",
          .summary = "is not the one that was given out",
          .scene = { .nonce = "b2xk" } },
        { .name = "runtime data that was not quoted",
          .check = "tpm.quote.nonce",
          .scene = { .foreign_runtime_data = true } },
        { .name = "a root that the policy does not name",
          .check = "snp.root",
          .summary = "is not trusted",
          .scene = { .root_is_not_given = true } },
        { .name = "claims of another key",
          .check = "hcl.binding",
          .summary = "REPORT_DATA is not the sha256 digest of the claims",
          .scene = { .claims_name_other_ak = true } },
        { .name = "another key than the one that was given",
          .check = "hcl.ak",
          .summary = "the key that was given is not the one in the claims",
          .scene = { .gives_other_ak = true } },
        { .name = "a quote by another key",
          .check = "tpm.quote.signature",
          .summary = "quote",
          .scene = { .sign_with_other_ak = true } },
        { .name = "a PCR value that was not quoted",
          .check = "tpm.pcrs",
          .summary = "not that of the PCR values",
          .scene = { .wrong_pcr_value = true } },
        { .name = "a log without one of the events",
          .check = "eventlog.replay",
          .summary = "do not lead to the quoted PCRs 4",
          .scene = { .log_leaves_out_an_event = true } },
        { .name = "PCR 12 not quoted",
          .check = "pcr.12",
          .summary = "is not in the quote",
          .scene = { .quoted = 0xefff } },
        { .name = "nothing quoted",
          .check = "tpm.pcrs",
          .summary = "no PCR values",
          .scene = { .quoted = 1U << 31 } },
        { .name = "no quote",
          .check = "tpm.quote.signature",
          .summary = "the evidence has no quote",
          .scene = { .left_out = CLO_EVIDENCE_TPM_QUOTE } },
        { .name = "no PCR values",
          .check = "tpm.pcrs",
          .scene = { .left_out = CLO_EVIDENCE_TPM_PCRS } },
        { .name = "no runtime data",
          .check = "evidence.nonce",
          .scene = { .left_out = CLO_EVIDENCE_RUNTIME_DATA } },
        { .name = "no reference values",
          .check = "pcr.11",
          .summary = "no reference value",
          .scene = { .no_reference = true } },
        { .name = "a policy without PCR 12",
          .check = "policy.pcrs",
          .summary = "PCR 12 is left out",
          .scene = { .policy = "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],"
                               "\"pcrs\":[0,4,11],\"snp\":{\"measurement\":\"any\"}}" } },
        { .name = "a policy that names another root than the caller",
          .check = "policy.root",
          .summary = "does not name the root",
          .scene = { .policy = "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],"
                               "\"pcrs\":[0,4,11,12],\"snp\":{\"measurement\":\"any\"}}" } },
        { .name = "a policy without a measurement",
          .check = "policy.measurement",
          .scene = { .policy = "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],"
                               "\"pcrs\":[0,4,11,12]}" } },
        { .name = "a pin that does not hold",
          .check = "expect.vmpl",
          .summary = "vmpl is 0, expected 1",
          .scene = { .expectation = { "vmpl", "1" } } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct scene *with = &cases[i].scene;
        struct clo_error err;
        scene_reset(&scene);
        struct scene changed = *with;
        changed.maker = scene.maker;
        changed.ak = scene.ak;
        changed.other_ak = scene.other_ak;
        changed.transport = scene.transport;
        if (changed.nonce == NULL)
            changed.nonce = scene.nonce;
        if (changed.cmdline == NULL)
            changed.cmdline = scene.cmdline;
        changed.quoted = with->quoted == 1U << 31 ? 0 : with->quoted == 0 ? 0xffff : with->quoted;
        struct result r = run(&changed, reference);
        if (r.appraisal == NULL)
            fail_msg("%s: %s", cases[i].name, r.err.text);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(r.appraisal), cases[i].check);
        CHECK(clo_appraisal_status(r.appraisal) == CLO_CONTRAINDICATED, cases[i].name);
        if (check == NULL || check->result != CLO_CHECK_FAIL)
            fail_msg("%s: %s: %s; %s", cases[i].name, cases[i].check,
                     check == NULL ? "absent" : check->detail, clo_appraisal_summary(r.appraisal));
        if (cases[i].summary != NULL &&
            strstr(clo_appraisal_summary(r.appraisal), cases[i].summary) == NULL)
            fail_msg("%s: %s", cases[i].name, clo_appraisal_summary(r.appraisal));
        CHECK(!clo_appraisal_releases(r.appraisal, &err) && err.status == CLO_ERR_REFUSED,
              cases[i].name);
        clo_appraisal_free(r.appraisal);
    }
}

/* Authentic, and yet nothing may be released on it. */
static void test_not_released(void **state)
{
    static const struct {
        const char *name;
        enum clo_appraisal_status status;
        const char *error;
        bool no_policy, strict, no_nonce, no_reference;
    } cases[] = {
        { "no policy", CLO_WARNING, "without a policy", true, false, false, false },
        { "neither policy nor reference", CLO_WARNING, "without a policy", true, false, false,
          true },
        { "the built-in policy", CLO_WARNING, "without a policy", false, true, false, false },
        { "no nonce expected", CLO_WARNING, "does not hold a nonce of ours", false, false, true,
          false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err;
        scene_reset(&scene);
        scene.no_policy = cases[i].no_policy;
        scene.strict = cases[i].strict;
        scene.no_nonce = cases[i].no_nonce;
        scene.no_reference = cases[i].no_reference;
        struct result r = run(&scene, reference);
        if (r.appraisal == NULL)
            fail_msg("%s: %s", cases[i].name, r.err.text);
        if (clo_appraisal_status(r.appraisal) != cases[i].status)
            fail_msg("%s: %s", cases[i].name, clo_appraisal_summary(r.appraisal));
        CHECK(!clo_appraisal_releases(r.appraisal, &err), cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
        clo_appraisal_free(r.appraisal);
    }
}

/* What cannot be read at all is not a verdict, but an error that names the member. */
static void test_malformed(void **state)
{
    static const struct {
        const char *label, *error;
    } cases[] = {
        { CLO_EVIDENCE_RUNTIME_DATA, "evidence: runtime data" },
        { CLO_EVIDENCE_HCL_REPORT, "HCL report" },
        { CLO_EVIDENCE_SNP_CERTIFICATES, "evidence: certificates" },
        { CLO_EVIDENCE_TPM_QUOTE, "quote" },
        { CLO_EVIDENCE_TPM_SIGNATURE, "signature" },
        { CLO_EVIDENCE_TPM_PCRS, "evidence: PCR values" },
        { CLO_EVIDENCE_EVENTLOG, "evidence: event log" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        scene_reset(&scene);
        scene.bad_member = cases[i].label;
        struct result r = run(&scene, reference);
        CHECK(r.appraisal == NULL, cases[i].label);
        if (strstr(r.err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].label, r.err.text);
    }
    scene_reset(&scene);
    scene.expectation = (struct clo_expectation){ "mesurement", "00" };
    struct result r = run(&scene, reference);
    CHECK(r.appraisal == NULL && r.err.status == CLO_ERR_USAGE, "a misspelt claim");
    scene_reset(&scene);
    scene.left_out = CLO_EVIDENCE_HCL_REPORT;
    r = run(&scene, reference);
    CHECK(r.appraisal == NULL && strstr(r.err.text, "no hardware report") != NULL, "no report");
}

/* A report of the guest's own binds the runtime data itself. */
static void test_bare(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        scene_reset(&scene);
        runtime.size = 0;
        write_runtime_data(&scene, NONCE, &runtime);
        clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&runtime), &digest);
        memcpy(scene.maker.report + 0x50, digest.bytes, 64);
        scene.maker.report[0x50] ^= (uint8_t)changed;
        snp_maker_make(&scene.maker, &certificates);
        must(clo_evidence_new(&evidence, &err), &err);
        add(&scene, evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&runtime));
        add(&scene, evidence, CLO_EVIDENCE_SNP_REPORT,
            clo_bytes(scene.maker.report, sizeof scene.maker.report));
        struct clo_appraise_inputs inputs = { .at = SNP_MAKER_NOW,
                                              .roots = &scene.maker.root,
                                              .root_count = 1,
                                              .expected_nonce = clo_bytes_text(NONCE),
                                              .endorsements.certificates = &certificates };
        must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
        CHECK((clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED) == (changed == 1),
              clo_appraisal_summary(appraisal));
        CHECK((clo_appraisal_tee_pubkey(appraisal) == NULL) == (changed == 1), "the bound key");
    }
}

/* A host that keeps CHIP_ID out of the report does not make another machine of it: the VCEK names the chip. */
static void test_masked_chip(void **state)
{
    char named[CLO_INSTANCE_HEX_SIZE] = "";
    struct clo_error err;

    (void)state;
    for (int masked = 0; masked < 2; masked++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        scene_reset(&scene);
        if (masked == 1)
            memset(scene.maker.report + 0x1a0, 0, 64);
        must(clo_evidence_new(&evidence, &err), &err);
        make_evidence(&scene, evidence, &certificates);
        struct clo_appraise_inputs inputs = { .at = SNP_MAKER_NOW,
                                              .roots = &scene.maker.root,
                                              .root_count = 1,
                                              .endorsements.certificates = &certificates };
        must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
        const char *chip = clo_appraisal_instances(appraisal)->hex[CLO_INSTANCE_CHIP];
        if (masked == 0)
            snprintf(named, sizeof named, "%s", chip);
        CHECK(chip[0] != '\0' && strcmp(chip, named) == 0, masked == 0 ? "a chip" : "masked");
    }
}

static void test_tdx(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_appraise_inputs inputs = { .at = SNP_MAKER_NOW };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    (void)state;
    must(clo_evidence_new(&evidence, &err), &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_bytes_text("quote"), &err), &err);
    CHECK(!clo_appraise(evidence, &inputs, &appraisal, &err), "TDX");
    CHECK(err.status == CLO_ERR_FORMAT, err.text);
}

/* --- Azure's, from the shared vectors --- */

static bool add_vector(const json_t *entry, const char *prefix, const char *label,
                       struct clo_evidence *evidence)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_error err;
    char path[512];

    if (!find_case_file("azure", entry, prefix, path, sizeof path))
        return false;
    read_vector(path, &file);
    if (strcmp(label, CLO_EVIDENCE_TPM_SIGNATURE) == 0) {
        clo_buffer_be16(&other, 0x0014);
        clo_buffer_be16(&other, 0x000b);
        clo_buffer_be16(&other, (uint16_t)file.size);
        clo_buffer_append(&other, clo_buffer_bytes(&file));
    } else if (strcmp(label, CLO_EVIDENCE_TPM_PCRS) == 0) {
        CLO_CLEANUP(clo_json_freep) json_t *values = NULL;
        size_t i;
        json_t *value;
        must(clo_json_parse(clo_buffer_bytes(&file), &values, &err), &err);
        clo_buffer_text(&other, "{\"sha256\":{");
        json_array_foreach (values, i, value)
            clo_buffer_printf(&other, "%s\"%zu\":\"%s\"", i == 0 ? "" : ",", i,
                              json_string_value(value));
        clo_buffer_text(&other, "}}");
    } else {
        clo_buffer_append(&other, clo_buffer_bytes(&file));
    }
    must(clo_evidence_add(evidence, label, clo_buffer_bytes(&other), &err), &err);
    return true;
}

static void test_azure_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("azure");
    size_t tried = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
        const json_t *expected = json_object_get(entry, "expected");
        const char *name = json_string_value(json_object_get(entry, "id"));
        const char *verdict =
                json_string_value(json_object_get(expected, "verdict_crypto_and_binding"));
        struct clo_error err;
        char path[512];
        if (verdict == NULL || !find_case_file("azure", entry, "vcek.", path, sizeof path))
            continue;
        read_vector(path, &vcek);
        must(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&vcek), &err), &err);
        must(clo_evidence_new(&evidence, &err), &err);
        CHECK(add_vector(entry, "hcl_report.bin", CLO_EVIDENCE_HCL_REPORT, evidence), name);
        CHECK(add_vector(entry, "tpm_quote.msg", CLO_EVIDENCE_TPM_QUOTE, evidence), name);
        CHECK(add_vector(entry, "tpm_quote.sig", CLO_EVIDENCE_TPM_SIGNATURE, evidence), name);
        CHECK(add_vector(entry, "pcrs_sha256.json", CLO_EVIDENCE_TPM_PCRS, evidence), name);
        /* One case's own time lies before its VCEK: all are valid in the middle of 2026. */
        struct clo_appraise_inputs inputs = { .at = manifest_time("2026-06-01T00:00:00Z"),
                                              .endorsements.certificates = &certificates };
        must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
        bool accepted = clo_appraisal_status(appraisal) != CLO_CONTRAINDICATED;
        if (accepted != (strcmp(verdict, "accept") == 0))
            fail_msg("%s: %s expected: %s", name, verdict, clo_appraisal_summary(appraisal));
        tried++;
    }
    CHECK(tried >= 4, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_not_released),
        cmocka_unit_test(test_malformed),     cmocka_unit_test(test_bare),
        cmocka_unit_test(test_masked_chip),   cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_azure_vectors),
    };

    return cmocka_run_group_tests(tests, set_scene_up, tear_scene_down);
}
