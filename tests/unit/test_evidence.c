#include "cloister/evidence.h"

#include "test.h"

#define TYPE "\"__cmwc_t\":\"" CLO_EVIDENCE_TYPE "\""

static void test_round_trip(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *media_type;
    struct clo_bytes bytes;
    struct clo_error err;

    (void)state;
    CHECK(clo_evidence_new(&evidence, &err), err.text);
    CHECK(clo_evidence_add(evidence, CLO_EVIDENCE_EVENTLOG, clo_bytes("\xff\xfe\0", 3), &err),
          err.text);
    CHECK(clo_evidence_add(evidence, CLO_EVIDENCE_TPM_QUOTE, clo_bytes(NULL, 0), &err), err.text);
    CHECK(!clo_evidence_add(evidence, CLO_EVIDENCE_EVENTLOG, clo_bytes(NULL, 0), &err), "twice");
    CHECK(err.status == CLO_ERR_USAGE &&
                  strcmp(err.text, "evidence: \"eventlog\" is there already") == 0,
          err.text);
    CHECK(!clo_evidence_add(evidence, "diary", clo_bytes(NULL, 0), &err), "unknown");
    CHECK(strcmp(err.text, "evidence: unknown label \"diary\"") == 0, err.text);
    CHECK(clo_evidence_write(evidence, &text, &err), err.text);
    CHECK(clo_evidence_parse(clo_buffer_bytes(&text), &again, &err), err.text);
    CHECK(clo_evidence_count(again) == 2, "count");
    CHECK(clo_bytes_equal(clo_evidence_get(again, CLO_EVIDENCE_EVENTLOG),
                          clo_bytes("\xff\xfe\0", 3)),
          "bytes");
    CHECK(clo_evidence_has(again, CLO_EVIDENCE_TPM_QUOTE), "an empty member is there");
    CHECK(clo_evidence_get(again, CLO_EVIDENCE_TPM_QUOTE).data != NULL, "and says so");
    CHECK(clo_evidence_get(again, CLO_EVIDENCE_TDX_QUOTE).data == NULL, "an absent one is not");
    CHECK(!clo_evidence_has(again, "diary"), "unknown");
    for (size_t i = 0; i < 2; i++)
        CHECK(clo_evidence_at(again, i, &media_type, &bytes) != NULL &&
                      strchr(media_type, '/') != NULL,
              "walk");
    CHECK(clo_evidence_at(again, 2, &media_type, &bytes) == NULL, "end");
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "", "evidence: JSON: empty" },
        { "[]", "evidence: is not a JSON object" },
        { "{}", "evidence: is not a CMW collection: \"__cmwc_t\" is missing" },
        { "{\"__cmwc_t\":\"tag:other\"}",
          "evidence: a collection of type \"tag:other\", expected \"" CLO_EVIDENCE_TYPE "\"" },
        { "{" TYPE "}", "evidence: the bundle is empty" },
        { "{" TYPE ",\"diary\":[\"text/plain\",\"\"]}", "evidence: \"diary\": unknown label" },
        { "{" TYPE ",\"eventlog\":\"AA\"}",
          "evidence: \"eventlog\": is not [MEDIA TYPE, base64url]" },
        { "{" TYPE ",\"eventlog\":[\"text/plain\"]}",
          "evidence: \"eventlog\": is not [MEDIA TYPE, base64url]" },
        { "{" TYPE ",\"eventlog\":[\"text/plain\",\"AA\",1]}",
          "evidence: \"eventlog\": is not [MEDIA TYPE, base64url]" },
        { "{" TYPE ",\"eventlog\":[1,\"AA\"]}",
          "evidence: \"eventlog\": is not [MEDIA TYPE, base64url]" },
        { "{" TYPE ",\"eventlog\":[\"text/plain\",\"AA\"]}", NULL },
        { "{" TYPE ",\"eventlog\":[\"application/octet-stream\",\"A\"]}", NULL },
        { "{" TYPE ",\"eventlog\":[\"application/octet-stream\",\"AA==\"]}", NULL },
        { "{" TYPE "," TYPE "}", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_evidence *evidence = NULL;
        struct clo_error err;
        CHECK(!clo_evidence_parse(clo_bytes_text(cases[i].text), &evidence, &err) &&
                      evidence == NULL,
              cases[i].text);
        CHECK(strncmp(err.text, "evidence: ", 10) == 0, err.text);
        CHECK(cases[i].error == NULL || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_too_large(void **state)
{
    CLO_CLEANUP(clo_freep) char *text = calloc(1, CLO_EVIDENCE_LIMIT + 2);
    struct clo_evidence *evidence = NULL;
    struct clo_error err;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', CLO_EVIDENCE_LIMIT + 1);
    CHECK(!clo_evidence_parse(clo_bytes(text, CLO_EVIDENCE_LIMIT + 1), &evidence, &err), "large");
    CHECK(strcmp(err.text, "evidence: 16777217 bytes, at most 16777216") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
