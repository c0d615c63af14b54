/* Many terms: which of them evidence is held against, and that nothing is missed by it. */
#include "verifier/kbs/terms.h"

#include "scene.h"

static struct scene scene;
static struct clo_scratch scratch;
static struct clo_store *store;
static struct clo_buffer root_pem;

/* Under a policy of that name for that launch, with reference values or without. */
static void put(const char *path, const char *name, const char *measurement, bool has_reference)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = make_reference();
    struct clo_error err;

    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:i, s:s, s:[s], s:[s#], s:[i,i,i,i], s:{s:[s]}}", "cloister_policy", 1,
                      "name", name, "tee", "snp", "roots", (const char *)root_pem.data,
                      (int)root_pem.size, "pcrs", 0, 4, 11, 12, "snp", "measurement", measurement);
    must(clo_json_write(json, &policy, &err), &err);
    must(clo_reference_write(reference, &text, &err), &err);
    const struct clo_bytes references[] = { clo_buffer_bytes(&text) };
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(path),
                                           .policy = clo_buffer_bytes(&policy),
                                           .references = references,
                                           .reference_count = has_reference ? 1 : 0,
                                           .now = SNP_MAKER_NOW };
    must(clo_store_put(store, &entry, &err), &err);
}

static char *own_measurement(char hex[2 * 48 + 1])
{
    return clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), hex);
}

static void put_numbered(unsigned i, bool is_own)
{
    char path[64], name[64], measurement[2 * 48 + 1];

    snprintf(path, sizeof path, "default/disk/%s%u", is_own ? "own" : "other", i);
    snprintf(name, sizeof name, "policy %u", i);
    if (is_own)
        own_measurement(measurement);
    else
        snprintf(measurement, sizeof measurement, "%096x", i + 1);
    put(path, name, measurement, true);
}

static void ask(struct clo_term_book *book, struct clo_term_answer *out)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    const struct clo_endorsements endorsements = { 0 };
    struct clo_error err;

    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(&scene, evidence, &certificates);
    const struct clo_term_question question = { .evidence = evidence,
                                                .nonce = clo_bytes_text(NONCE),
                                                .time = SNP_MAKER_NOW,
                                                .endorsements = &endorsements };
    must(clo_terms_hold(book, &question, out, &err), &err);
}

static struct clo_term_book *new_book(size_t kept)
{
    struct clo_term_book *book;
    struct clo_error err;

    must(clo_term_book_new(store, kept, &book, &err), &err);
    return book;
}

static void test_none(void **state)
{
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *book = new_book(0);
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer answer = { 0 };

    (void)state;
    scene_reset(&scene);
    ask(book, &answer);
    CHECK(answer.best == NULL && !answer.releases && !answer.is_authentic, "nothing is registered");
}

/* Of a hundred images' terms one can accept it: it alone is looked at. A new one is seen at once, and so is its end. */
static void test_candidates(void **state)
{
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *book = new_book(0);
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer refused = { 0 };
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer accepted = { 0 };
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer gone = { 0 };
    struct clo_error err;
    uint64_t loads;
    size_t terms;

    (void)state;
    scene_reset(&scene);
    for (unsigned i = 0; i < 100; i++)
        put_numbered(i, false);
    ask(book, &refused);
    CHECK(!refused.releases && refused.is_authentic, "nothing accepts it, and it is authentic");
    CHECK(strstr(clo_appraisal_summary(refused.best), "policy.measurement") != NULL,
          clo_appraisal_summary(refused.best));
    put_numbered(100, true);
    ask(book, &accepted);
    CHECK(accepted.releases && accepted.fulfilled_count == 1, "one accepts it");
    CHECK(accepted.tried == 1, "and no other was looked at");
    CHECK(strcmp(clo_appraisal_policy_name(accepted.best), "policy 100") == 0, "that one");
    clo_term_book_counts(book, &terms, &loads);
    CHECK(terms == 101 && loads == 2, "read anew because something changed");
    must(clo_store_remove(store, "default/disk/own100", &err), &err);
    ask(book, &gone);
    CHECK(!gone.releases && gone.fulfilled_count == 0, "removed");
}

/* What evidence fulfils has no limit but what is registered, and terms that do not fit in memory are read again. */
static void test_all_are_fulfilled(void **state)
{
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *book = new_book(4);
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer answer = { 0 };
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource last = { 0 };
    struct clo_error err;
    bool is_there = false;

    (void)state;
    scene_reset(&scene);
    for (unsigned i = 200; i < 240; i++)
        put_numbered(i, true);
    ask(book, &answer);
    CHECK(answer.releases && answer.fulfilled_count == 40, "each of the forty");
    must(clo_store_get(store, "default/disk/own239", &last, &err), &err);
    for (size_t i = 0; i < answer.fulfilled_count; i++)
        is_there = is_there || strcmp(answer.fulfilled[i], last.terms) == 0;
    CHECK(is_there, "the last one too");
}

/* Terms that are found by what they pin say the same as before to what differs in what they do not pin. */
static void test_refused(void **state)
{
    static const struct {
        const char *name, *cmdline, *summary;
        uint32_t disturbed;
    } cases[] = {
        { "another command line", "init=/bin/sh", "PCR 11: .cmdline", 0 },
        { "another boot loader", NULL, "PCR 4", 1U << 4 },
        { "another firmware", NULL, "PCR 0", 1U << 0 },
    };
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *book = new_book(0);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer answer = { 0 };
        scene_reset(&scene);
        if (cases[i].cmdline != NULL)
            scene.cmdline = cases[i].cmdline;
        scene.disturbed = cases[i].disturbed;
        ask(book, &answer);
        CHECK(!answer.releases && answer.is_authentic, cases[i].name);
        CHECK(answer.best != NULL, cases[i].name);
        CHECK(strstr(clo_appraisal_summary(answer.best), cases[i].summary) != NULL,
              clo_appraisal_summary(answer.best));
    }
}

static int set_up(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;
    char folder[4200];

    (void)state;
    scene_init(&scene);
    scene_reset(&scene);
    snp_maker_make(&scene.maker, &certificates);
    must(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[2]), &root_pem, &err),
         &err);
    must(clo_scratch_new(NULL, &scratch, &err), &err);
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    must(clo_store_open(folder, &store, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_store_freep(&store);
    clo_buffer_free(&root_pem);
    clo_scratch_free(&scratch);
    scene_free(&scene);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_all_are_fulfilled),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
