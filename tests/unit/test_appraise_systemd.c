/* A signed report of systemd's: what its TPM's signature must be, and what hardware's REPORT_DATA must hold. */
#include "cloister/appraise.h"

#include "lib/evidence/systemd_report.h"
#include "snp_chain.h"
#include "systemd_report_maker.h"

#define NOW 1780000000LL

static struct sd_maker tpm;
static struct snp_maker snp;

static int make_keys(void **state)
{
    (void)state;
    sd_maker_init(&tpm);
    snp_maker_init(&snp);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    sd_maker_free(&tpm);
    snp_maker_free(&snp);
    return 0;
}

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

struct scene {
    struct sd_scene made;
    bool no_key;       /* nobody vouches */
    bool other_quote;  /* next to the stream is another report's */
    const char *nonce; /* NULL: none is expected */
};

static void read_evidence(const struct sd_scene *made, struct clo_evidence **out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    CLO_CLEANUP(systemd_report_free) struct systemd_report report = { .count = 0 };
    struct clo_error err;

    sd_report_make(&tpm, made, &stream);
    must(systemd_report_parse(clo_buffer_bytes(&stream), &report, &err) &&
                 clo_evidence_new(out, &err) && systemd_report_evidence(&report, 0, *out, &err),
         &err);
}

/* All pieces of one, but the quote and its signature of the other. */
static void exchange_quote(struct clo_evidence **evidence)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *other = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *mixed = NULL;
    struct clo_error err;

    read_evidence(&(struct sd_scene){ .no_log = false }, &other);
    must(clo_evidence_new(&mixed, &err), &err);
    for (size_t i = 0; i < clo_evidence_count(*evidence); i++) {
        const char *type;
        struct clo_bytes bytes;
        const char *label = clo_evidence_at(*evidence, i, &type, &bytes);
        bool is_quote = strcmp(label, CLO_EVIDENCE_TPM_QUOTE) == 0 ||
                        strcmp(label, CLO_EVIDENCE_TPM_SIGNATURE) == 0;
        must(clo_evidence_add(mixed, label, is_quote ? clo_evidence_get(other, label) : bytes,
                              &err),
             &err);
    }
    clo_evidence_free(*evidence);
    *evidence = CLO_TAKE(mixed);
}

static struct clo_appraisal *appraise(const struct scene *scene)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_appraisal *appraisal;
    struct clo_error err;

    read_evidence(&scene->made, &evidence);
    if (scene->other_quote)
        exchange_quote(&evidence);
    must(clo_private_key_public(tpm.key, &key, &err), &err);
    const struct clo_appraise_inputs inputs = {
        .at = NOW,
        .ak = scene->no_key ? NULL : key,
        .expected_nonce = scene->nonce == NULL ? clo_bytes(NULL, 0) : clo_bytes_text(scene->nonce),
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static const struct {
    const char *name;
    struct scene scene;
    const char *id, *detail; /* detail NULL: it holds, and nothing fails */
} cases[] = {
    { "as systemd makes it", { .no_key = false }, "report.session", NULL },
    { "its binding", { .no_key = false }, "report.binding", NULL },
    { "its NvPCR", { .no_key = false }, "report.nvpcr", NULL },
    { "its registers", { .no_key = false }, "tpm.pcrs", NULL },
    { "what the TPM says of itself", { .made.has_capabilities = true }, "report.session", NULL },
    { "its nonce", { .nonce = "n0" }, "evidence.nonce", NULL },
    { "another nonce", { .nonce = "n1" }, "evidence.nonce", "not the value of a metric" },
    { "an empty nonce", { .nonce = "" }, "evidence.nonce", "not the value of a metric" },
    { "a value that is not a text", { .nonce = "2" }, "evidence.nonce", "not the value" },
    { "nobody vouches", { .no_key = true }, "tpm.ak.key", "nobody vouches" },
    { "another digest", { .made.names_another_digest = true }, "report.digest", "another text" },
    { "an audit of another text",
      { .made.of_another_text = true },
      "report.binding",
      "another text" },
    { "not exclusive", { .made.not_exclusive = true }, "report.session", "came between" },
    { "a component left out", { .made.left_out = true }, "report.session", "one is missing" },
    { "changed after it was signed", { .made.changed = true }, "report.signatures", "component 0" },
    { "an NvPCR by another key",
      { .made.by_another_key = true },
      "report.signatures",
      "component 1" },
    { "an ordinary index",
      { .made.ordinary_index = true },
      "report.nvpcr",
      "can only be extended" },
    { "an index never written",
      { .made.unwritten = true },
      "report.nvpcr",
      "can only be extended" },
    { "half an index", { .made.cut = true }, "report.nvpcr", "is not certified whole" },
    { "another name", { .made.other_name = true }, "report.nvpcr", "under another name" },
    { "other data", { .made.other_data = true }, "report.nvpcr", "under another name" },
    { "another index", { .made.other_area = true }, "report.session", "one is missing" },
    { "another property", { .made.changed_capability = true }, "report.session", "one is missing" },
    { "another log", { .made.other_log = true }, "tpm.pcrs", "" },
    { "a quote of another moment",
      { .other_quote = true, .made.changed = true },
      "report.quote",
      "are not the report's" },
};

static void test_tpm(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&cases[i].scene);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].id);
        bool ok = cases[i].detail == NULL;
        CHECK(check != NULL, cases[i].name);
        CHECK(check->result == (ok ? CLO_CHECK_PASS : CLO_CHECK_FAIL), check->detail);
        CHECK(ok || strstr(check->detail, cases[i].detail) != NULL, check->detail);
        CHECK((clo_appraisal_status(appraisal) == CLO_WARNING) == ok,
              clo_appraisal_summary(appraisal));
    }
}

static bool is_fresh(const struct scene *scene)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(scene);
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(appraisal);

    return json_is_true(json_object_get(json, "is_fresh"));
}

/* The nonce shows freshness only where what was signed is of this report. */
static void test_fresh(void **state)
{
    (void)state;
    CHECK(is_fresh(&(struct scene){ .nonce = "n0" }), "its nonce");
    CHECK(!is_fresh(&(struct scene){ .no_key = false }), "no nonce");
    CHECK(!is_fresh(&(struct scene){ .nonce = "n1" }), "another nonce");
    CHECK(!is_fresh(&(struct scene){ .nonce = "n0", .made.of_another_text = true }),
          "an audit of another text");
    CHECK(!is_fresh(&(struct scene){ .nonce = "n0", .made.not_exclusive = true }),
          "a session that others were in");
}

/* --- Hardware's --- */

static struct clo_appraisal *appraise_tsm(bool is_bound, const char *provider, bool is_for_nonce)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(systemd_report_free) struct systemd_report report = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    const struct sd_scene scene = { .mechanism = "tsm" };
    struct clo_appraisal *appraisal;
    struct clo_digest digest;
    struct clo_error err;

    snp_maker_reset(&snp);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(SD_RECORD), &digest);
    memset(snp.report + 0x50, 0, 64);
    memcpy(snp.report + 0x50, digest.bytes, 32);
    if (!is_bound)
        snp.report[0x50 + 40] = 1;
    snp_maker_make(&snp, &certificates);
    clo_buffer_printf(&data, "{\"provider\":\"%s\",\"outblob\":\"", provider);
    clo_base64_write(clo_bytes(snp.report, sizeof snp.report), &data);
    clo_buffer_printf(&data, "\"}");
    sd_stream(&scene, clo_buffer_string(&data), &stream);
    must(systemd_report_parse(clo_buffer_bytes(&stream), &report, &err) &&
                 clo_evidence_new(&evidence, &err),
         &err);
    if (!systemd_report_evidence(&report, 0, evidence, &err)) {
        CHECK(err.status == CLO_ERR_UNSUPPORTED, err.text);
        return NULL;
    }
    const struct clo_appraise_inputs inputs = {
        .at = NOW,
        .roots = &snp.root,
        .root_count = 1,
        .endorsements.certificates = &certificates,
        .expected_nonce = clo_bytes_text("n0"),
        .expected_qualifying = is_for_nonce ? clo_bytes(snp.report + 0x50, 64) : clo_bytes(NULL, 0),
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static void test_tsm(void **state)
{
    (void)state;
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *good = appraise_tsm(true, "sev_guest", false);
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *bad = appraise_tsm(false, "sev_guest", false);
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(good), "snp.report_data");
    CHECK(check != NULL && check->result == CLO_CHECK_PASS, clo_appraisal_summary(good));
    CHECK(clo_appraisal_status(good) == CLO_WARNING, clo_appraisal_summary(good));
    CHECK(strstr(clo_appraisal_summary(good), "freshness") == NULL, clo_appraisal_summary(good));
    check = clo_checks_get(clo_appraisal_checks(bad), "snp.report_data");
    CHECK(check != NULL && check->result == CLO_CHECK_FAIL, "made for another report");
    CHECK(strstr(check->detail, "is not the digest of systemd's report") != NULL, check->detail);
    CHECK(appraise_tsm(true, "arm_cca_guest", false) == NULL, "a provider that is not known");
}

/* A report next to evidence that was made for something else proves nothing. */
static void test_next_to(void **state)
{
    (void)state;
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *appraisal = appraise_tsm(true, "sev_guest", true);
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(appraisal);
    const struct clo_check *check =
            clo_checks_get(clo_appraisal_checks(appraisal), "report.binding");
    CHECK(check != NULL && check->result == CLO_CHECK_FAIL, clo_appraisal_summary(appraisal));
    CHECK(strstr(check->detail, "nothing that is verified") != NULL, check->detail);
    CHECK(json_object_get(json_object_get(json, "claims"), "report_digest") == NULL, "a claim");
}

/* Next to a report that nobody vouches for the stream is not parsed: this one could not be. */
static void test_unverified(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    const struct clo_appraise_inputs inputs = { .at = NOW,
                                                .endorsements.certificates = &certificates };
    struct clo_error err;

    (void)state;
    snp_maker_reset(&snp);
    snp_maker_make(&snp, &certificates);
    must(clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                  clo_bytes(snp.report, sizeof snp.report), &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SYSTEMD_REPORT,
                                  clo_bytes_text("\x1e{}\n\x1e{\n"), &err) &&
                 clo_appraise(evidence, &inputs, &appraisal, &err),
         &err);
    const struct clo_check *check =
            clo_checks_get(clo_appraisal_checks(appraisal), "report.binding");
    CHECK(check != NULL && check->result == CLO_CHECK_FAIL, clo_appraisal_summary(appraisal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tpm),        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_tsm),        cmocka_unit_test(test_next_to),
        cmocka_unit_test(test_unverified),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
