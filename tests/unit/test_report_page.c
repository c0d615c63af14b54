#include "cloister/report.h"

#include "test.h"

static const char *same(const char *text)
{
    return text;
}

static const char *marked(const char *text)
{
    static char out[2000];

    snprintf(out, sizeof out, "[%.1900s]", text);
    return out;
}

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    return json;
}

#define AUDIT(subject, result, found)                                                           \
    "{\"cloister_audit\": 1, \"subject\": \"" subject "\", \"for\": [\"snp\"], \"findings\": [" \
    "{\"id\": \"guest.tee\", \"group\": \"guest\", \"severity\": \"required\", \"result\": "    \
    "\"pass\", "                                                                                \
    "\"found\": \"tee: snp\"}, {\"id\": \"image.root_encrypted\", \"group\": \"image\", "       \
    "\"severity\": \"required\", \"result\": \"" result "\", \"found\": \"" found               \
    "\", \"reason\": \"why\", \"wanted\": \"w\", \"fix\": \"do\"}]}"
#define APPRAISAL(status)                                                                          \
    "{\"status\": \"" status "\", \"checks\": [{\"id\": \"snp.signature\", \"result\": \"pass\", " \
    "\"detail\": \"d\"}, {\"id\": \"appraise.pcr.11\", \"result\": \"pass\", \"detail\": \"d\"}, " \
    "{\"id\": \"appraise.measurement\", \"result\": \"pass\", \"detail\": \"d\"}], \"claims\": "   \
    "{\"version\": 3}}"
#define IMAGE(fit)                                                                            \
    "{\"disk\": \"x\", \"partitions\": [{\"name\": \"esp\", \"type\": "                       \
    "\"c12a7328-f81f-11d2-ba4b-00a0c93ec93b\", \"bytes\": 1048576}, {\"name\": \"my root\", " \
    "\"type\": \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\", \"bytes\": 8388608}], \"root\": "    \
    "{\"fit\": " fit "}}"

/* The page made of some documents; the caller frees `out`. */
static const char *make(const char *const *documents, size_t count,
                        const char *(*translate)(const char *), struct clo_buffer *out)
{
    struct clo_report_input input = { .language = "en", .version = "1", .translate = translate };
    json_t *parsed[3] = { NULL };
    struct clo_error err;

    for (size_t i = 0; i < count; i++) {
        parsed[i] = parse(documents[i]);
        CHECK(clo_report_take(&input, parsed[i], &err), err.text);
    }
    CHECK(clo_report_write(&input, out, &err), err.text);
    for (size_t i = 0; i < count; i++)
        json_decref(parsed[i]);
    return clo_buffer_string(out);
}

static void test_verdicts(void **state)
{
    static const struct {
        const char *name;
        const char *documents[3];
        size_t count;
        const char *verdict;
    } cases[] = {
        { "an audit that fails", { AUDIT("a", "fail", "f") }, 1, "verdict bad" },
        { "an audit alone is not all", { AUDIT("a", "pass", "f") }, 1, "verdict open" },
        { "an appraisal alone neither", { APPRAISAL("affirming") }, 1, "verdict open" },
        { "an image that is not fit", { IMAGE("false") }, 1, "verdict bad" },
        { "what is refused is bad",
          { APPRAISAL("contraindicated"), IMAGE("true") },
          2,
          "verdict bad" },
        { "a consequence is no better", { AUDIT("a", "consequence", "f") }, 1, "verdict bad" },
        { "a waiver does not make it hold", { AUDIT("a", "waived", "f") }, 1, "verdict bad" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        const char *page = make(cases[i].documents, cases[i].count, same, &out);
        CHECK(strstr(page, cases[i].verdict) != NULL, cases[i].name);
    }
}

/* All five links shown to hold: only then is it good. */
static void test_whole_chain(void **state)
{
    static const char kernel[] =
            "{\"cloister_audit\": 1, \"subject\": \"a\", \"findings\": [{\"id\": \"kconfig.X\", "
            "\"group\": \"hardening\", \"severity\": \"required\", \"result\": \"pass\"}]}";
    const char *const documents[] = { kernel, APPRAISAL("affirming"), IMAGE("true") };
    const char *const warned[] = { kernel, APPRAISAL("warning"), IMAGE("true") };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };

    (void)state;
    CHECK(strstr(make(documents, 3, same, &out), "verdict good") != NULL, "good");
    CHECK(strstr(clo_buffer_string(&out), "my root, 8 MiB") != NULL, "this very disk");
    CHECK(strstr(make(warned, 3, same, &other), "verdict open") != NULL, "a warning");
}

static void test_escaped(void **state)
{
    static const char *const documents[] = {
        AUDIT("<script>alert(1)</script>", "fail", "a & b \\\"><img src=x onerror='y'> \\u0007"),
        IMAGE("\\u003cb\\u003e"),
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)state;
    const char *page = make(documents, 1, same, &out);
    CHECK(strstr(page, "<script") == NULL && strstr(page, "<img") == NULL, "no markup of others");
    CHECK(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;") != NULL, "but their text");
    CHECK(strstr(page, "a &amp; b &quot;&gt;&lt;img src=x onerror=&#39;y&#39;&gt;") != NULL, "all");
    CHECK(strchr(page, '\a') == NULL, "no control characters");
}

/* Nothing is loaded from anywhere. */
static void test_self_contained(void **state)
{
    const char *const documents[] = { AUDIT("a", "fail", "f"), APPRAISAL("affirming"),
                                      IMAGE("true") };
    static const char *const refused[] = { "<script", "<link",   "<img",   "<iframe",
                                           "url(",    "@import", "src=\"", "href=\"http" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)state;
    const char *page = make(documents, 3, same, &out);
    for (size_t i = 0; i < CLO_COUNT(refused); i++)
        CHECK(strstr(page, refused[i]) == NULL, refused[i]);
    CHECK(strstr(page, "default-src 'none'") != NULL, "and nothing may be");
}

/* Every link of the contents leads somewhere, every part and picture has its name. */
static void test_structure(void **state)
{
    const char *const documents[] = { AUDIT("a", "fail", "f"), APPRAISAL("affirming"),
                                      IMAGE("true") };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    static const char *const marks[] = { "href=\"#", "aria-labelledby=\"" };

    (void)state;
    const char *page = make(documents, 3, same, &out);
    for (size_t m = 0; m < CLO_COUNT(marks); m++)
        for (const char *at = strstr(page, marks[m]); at != NULL; at = strstr(at, marks[m])) {
            char id[80];
            at += strlen(marks[m]);
            snprintf(id, sizeof id, "id=\"%.*s\"", (int)strcspn(at, "\" "), at);
            CHECK(strstr(page, id) != NULL, id);
        }
    CHECK(strstr(page, "<html lang=\"en\">") != NULL && strstr(page, "<main id=\"main\">") != NULL,
          "landmarks");
}

/* Each sentence of ours goes through the translation. */
static void test_translated(void **state)
{
    const char *const documents[] = { AUDIT("a", "fail", "f") };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)state;
    const char *page = make(documents, 1, marked, &out);
    CHECK(strstr(page, "<h2 id=\"key\">[How the key travels]</h2>") != NULL, "a title");
    CHECK(strstr(page, "<p>[why]") != NULL, "a rule's reason that the catalogue knows");
    CHECK(strstr(page, "lang=\"en\">[why]") == NULL, "what is translated is not English");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer untranslated = { 0 };
    page = make(documents, 1, same, &untranslated);
    CHECK(strstr(page, "lang=\"en\">why") != NULL, "what it does not know stays, and says so");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *first, *second, *error;
    } cases[] = {
        { "something else", "{\"a\": 1}", NULL,
          "neither an audit's, an appraisal's nor an image's JSON document" },
        { "a list", "[]", NULL, "neither an audit's, an appraisal's nor an image's JSON document" },
        { "two audits", AUDIT("a", "pass", "f"), AUDIT("b", "pass", "f"),
          "two documents of the same kind: an audit" },
    };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_report_input input = { .language = "en", .translate = same };
        json_t *first = parse(cases[i].first);
        json_t *second = cases[i].second == NULL ? NULL : parse(cases[i].second);
        bool ok = clo_report_take(&input, first, &err) &&
                  (second == NULL || clo_report_take(&input, second, &err));
        CHECK(!ok, cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        json_decref(first);
        json_decref(second);
    }
    struct clo_report_input input = { .language = "en", .translate = same };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CHECK(!clo_report_write(&input, &out, &err), "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),  cmocka_unit_test(test_whole_chain),
        cmocka_unit_test(test_escaped),   cmocka_unit_test(test_self_contained),
        cmocka_unit_test(test_structure), cmocka_unit_test(test_translated),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
