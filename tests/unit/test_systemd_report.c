/* The stream of a signed report: what is read, and what is not. */
#include "lib/evidence/systemd_report.h"

#include "lib/evidence/import.h"
#include "lib/evidence/systemd_tpm.h"
#include "systemd_report_maker.h"

static struct sd_maker maker;

static int make_keys(void **state)
{
    (void)state;
    sd_maker_init(&maker);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    sd_maker_free(&maker);
    return 0;
}

#define TYPE      "\"mediaType\":\"application/vnd.io.systemd.report\""
#define SIGNATURE "\"mediaType\":\"application/vnd.io.systemd.report.signature\""
#define ZEROS     "0000000000000000000000000000000000000000000000000000000000000000"

static void test_stream(void **state)
{
    static const struct {
        const char *name, *text, *error; /* error NULL: it parses */
    } cases[] = {
        { "a report alone", "\x1e{" TYPE "}\n", NULL },
        { "and a signature",
          "\x1e{" TYPE "}\n\x1e{" SIGNATURE ",\"mechanism\":\"x\",\"sha256\":\"" ZEROS "\"}\n",
          NULL },
        { "a signature over several lines",
          "\x1e{" TYPE "}\n\x1e{\n" SIGNATURE ",\n\"mechanism\":\"x\",\"sha256\":\"" ZEROS "\"}\n",
          NULL },
        { "nothing", "", "not a stream" },
        { "not signed", "{" TYPE "}\n", "--sign=require-one" },
        { "cut short", "\x1e{" TYPE "}", "cut short" },
        { "a separator alone", "\x1e", "cut short" },
        { "not JSON", "\x1e{\n", "systemd-report" },
        { "a member twice", "\x1e{" TYPE "," TYPE "}\n", "systemd-report" },
        { "of another type", "\x1e{\"mediaType\":\"text/plain\"}\n", "of type \"text/plain\"" },
        { "two reports", "\x1e{" TYPE "}\n\x1e{" TYPE "}\n", "signature 0: a record of type" },
        { "no mechanism", "\x1e{" TYPE "}\n\x1e{" SIGNATURE ",\"sha256\":\"" ZEROS "\"}\n",
          "mechanism" },
        { "no digest", "\x1e{" TYPE "}\n\x1e{" SIGNATURE ",\"mechanism\":\"x\"}\n", "sha256" },
        { "bytes after a record", "\x1e{" TYPE "}\n\x1e{" SIGNATURE "}\nx", "cut short" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(systemd_report_free) struct systemd_report report;
        struct clo_error err = { .text = "" };
        bool ok = systemd_report_parse(clo_bytes_text(cases[i].text), &report, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || report.count == 0 || !report.signatures[0].is_of_report, cases[i].name);
    }
}

static void test_many(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    CLO_CLEANUP(systemd_report_free) struct systemd_report report;
    struct clo_error err;

    (void)state;
    clo_buffer_printf(&stream, "\x1e{" TYPE "}\n");
    for (int i = 0; i < SYSTEMD_SIGNATURES_MAX + 1; i++)
        clo_buffer_printf(&stream,
                          "\x1e{" SIGNATURE ",\"mechanism\":\"x\",\"sha256\":\"" ZEROS "\"}\n");
    CHECK(!systemd_report_parse(clo_buffer_bytes(&stream), &report, &err), "too many");
    CHECK(strstr(err.text, "more than 16 signatures") != NULL, err.text);
}

/* `data` of a signature that systemd did not write so, and why it is refused. */
static void test_data(void **state)
{
#define PCR                                                                                        \
    "{\"type\":\"pcr\",\"attestInfo\":{\"attest\":{\"type\":\"ATTEST_QUOTE\",\"qualifiedSigner\":" \
    "\"\",\"extraData\":\"\",\"clockInfo\":{\"clock\":1,\"resetCount\":1,\"restartCount\":1,"      \
    "\"safe\":\"YES\"},\"firmwareVersion\":1,\"attested\":{\"pcrSelect\":[%s],\"pcrDigest\":\"\"}" \
    "}},"                                                                                          \
    "\"signature\":{\"sigAlg\":\"ECDSA\",\"signature\":{\"hash\":\"SHA256\",\"signatureR\":"       \
    "\"00\","                                                                                      \
    "\"signatureS\":\"00\"}}}"
    static const struct {
        const char *mechanism, *components, *selection, *error;
    } cases[] = {
        { "tpm2", "", "", "components are missing" },
        { "tpm2", "{}", "", "\"type\"" },
        { "tpm2", "{\"type\":\"mystery\"}", "", "is not known" },
        { "tpm2", PCR, "", "one quote comes first, one audit last" },
        { "tpm2", PCR "," PCR, "", "one quote comes first" },
        { "tpm2", PCR, "{\"hash\":\"SHA256\",\"pcrSelect\":[32]}", "not a PCR" },
        { "tpm2", PCR, "{\"hash\":\"SHA256\",\"pcrSelect\":[-1]}", "not a PCR" },
        { "tpm2", PCR, "{\"hash\":\"MD5\",\"pcrSelect\":[]}", "not known" },
        { "tpm2", "{\"type\":\"pcr\",\"attestInfo\":{\"attest\":{\"type\":\"ATTEST_NV\"}}}", "",
          "of another type" },
        { "tpm2", "{\"type\":\"capability-tpm-property\"}", "", "capabilityMoreData" },
        { "plain", "", "", "nothing vouches" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(systemd_report_free) struct systemd_report report;
        struct clo_error err = { .text = "" };
        clo_buffer_printf(&data,
                          "{\"eventLog\":[],\"publicKey\":{\"type\":\"ECC\",\"nameAlg\":\"SHA256\","
                          "\"objectAttributes\":1,\"parameters\":{\"curveID\":\"NIST_P256\"},"
                          "\"unique\":{\"x\":\"%s\",\"y\":\"%s\"}},\"components\":[",
                          maker.x, maker.y);
        for (const char *at = cases[i].components; *at != '\0'; at++)
            if (at[0] == '%' && at[1] == 's')
                clo_buffer_printf(&data, "%s", cases[i].selection), at++;
            else
                clo_buffer_u8(&data, (uint8_t)*at);
        clo_buffer_printf(&data, "]}");
        sd_stream(&(struct sd_scene){ .mechanism = cases[i].mechanism }, clo_buffer_string(&data),
                  &stream);
        CHECK(systemd_report_parse(clo_buffer_bytes(&stream), &report, &err), err.text);
        CHECK(clo_evidence_new(&evidence, &err), err.text);
        CHECK(!systemd_report_evidence(&report, 0, evidence, &err), cases[i].error);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

/* In any record, or in all together: {} makes a value of three bytes. */
static void test_values(void **state)
{
    static const char head[] =
            "\x1e{\"mediaType\":\"application/vnd.io.systemd.report\",\"metrics\":[{}";

    (void)state;
    for (size_t records = 1; records <= 2; records++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
        CLO_CLEANUP(systemd_report_free) struct systemd_report report;
        struct clo_error err = { .text = "" };
        for (size_t k = 0; k < records; k++) {
            clo_buffer_text(&stream, head);
            for (size_t i = 0; i < CLO_JSON_VALUES_MAX / 2 / records; i++)
                clo_buffer_text(&stream, ",{}");
            clo_buffer_text(&stream, "]}\n");
        }
        CHECK(!systemd_report_parse(clo_buffer_bytes(&stream), &report, &err), "too many");
        CHECK(strstr(err.text, "JSON: more than 50000 values") != NULL, err.text);
    }
}

static void test_good(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    CLO_CLEANUP(systemd_report_free) struct systemd_report report;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error err = { .text = "" };

    (void)state;
    sd_report_make(&maker, &(struct sd_scene){ .has_capabilities = true }, &stream);
    CHECK(systemd_report_parse(clo_buffer_bytes(&stream), &report, &err), err.text);
    CHECK(report.count == 1 && report.signatures[0].is_of_report, "one signature");
    CHECK(systemd_report_has(&report, clo_bytes_text("n0")), "a metric");
    CHECK(!systemd_report_has(&report, clo_bytes_text("n")), "part of a metric");
    CHECK(clo_evidence_new(&evidence, &err) && systemd_report_evidence(&report, 0, evidence, &err),
          err.text);
    CHECK(clo_bytes_equal(clo_evidence_get(evidence, CLO_EVIDENCE_SYSTEMD_REPORT),
                          clo_buffer_bytes(&stream)),
          "the stream");
    CHECK(clo_evidence_has(evidence, CLO_EVIDENCE_TPM_PCRS), "values of the PCRs");
    CHECK(clo_import_read(clo_buffer_bytes(&stream), &import, &err), err.text);
    CHECK(strstr(import.what, "signed report of systemd-report") != NULL, import.what);
    for (size_t size = 0; size < stream.size; size++) {
        CLO_CLEANUP(systemd_report_free) struct systemd_report part;
        bool ok = systemd_report_parse(clo_bytes(stream.data, size), &part, &err);
        CHECK(!ok || size == report.record.size, "cut short");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream), cmocka_unit_test(test_many), cmocka_unit_test(test_data),
        cmocka_unit_test(test_values), cmocka_unit_test(test_good),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
