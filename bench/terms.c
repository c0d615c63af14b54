/* terms [TERMS [VMS [FOLDER]]]: one piece of evidence held against what a broker releases on: by one set of terms, and by ten
 * thousand of distinct images of which one accepts it, in turn and in one run; VMS: with that many resources in all. What they cost must be the same but for a search. Then the parts of one
 * decision: what is verified, which is once, and what one more policy costs that is held against it. */
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "lib/appraise/verified.h"
#include "sim/forge.h"
#include "verifier/kbs/terms.h"

#define NOW      1780000000LL
#define RUNS     20
#define ROUNDS   15
#define TOGETHER 1000 /* resources, in one transaction */
#define NONCE    "bm9uY2Utb2Ytb3Vycw=="

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

/* --- The evidence: a bare report over runtime data --- */

static const char runtime_data[] =
        "{\"nonce\":\"" NONCE "\",\"tee-pubkey\":{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\","
        "\"kty\":\"EC\",\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\","
        "\"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}}";

struct scene {
    struct sim_forged forged;
    struct clo_evidence *evidence;
    char root[2 * 32 + 1];
    char measurement[2 * 48 + 1];
};

static void make_scene(struct scene *s)
{
    CLO_CLEANUP(sim_forge_keys_free) struct sim_forge_keys keys = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_digest digest;
    struct sim_forge forge;
    struct clo_error err;

    must(sim_forge_keys_new(4096, &keys, &err), &err);
    sim_forge_good(CLO_SNP_GENOA, 3, false, NOW, &keys, &forge);
    clo_hash(CLO_HASH_SHA512, clo_bytes_text(runtime_data), &digest);
    memcpy(forge.report + 0x50, digest.bytes, 64);
    must(sim_forge(&forge, &keys, &s->forged, &err), &err);
    sim_forge_table(&s->forged, false, &table);
    must(clo_evidence_new(&s->evidence, &err), &err);
    must(clo_evidence_add(s->evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_bytes_text(runtime_data),
                          &err),
         &err);
    must(clo_evidence_add(s->evidence, CLO_EVIDENCE_SNP_REPORT,
                          clo_bytes(s->forged.report, sizeof s->forged.report), &err),
         &err);
    must(clo_evidence_add(s->evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&table),
                          &err),
         &err);
    clo_hex_text(clo_digest_bytes(&s->forged.root), s->root);
    clo_hex_text(clo_bytes(s->forged.report + 0x90, 48), s->measurement);
}

/* --- Stores --- */

/* A resource on the terms of that number; those of 0 accept the evidence. */
static void put(struct clo_store *store, const struct scene *s, unsigned resource, unsigned number)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    char path[64], other[2 * 48 + 1];
    struct clo_error err;

    snprintf(path, sizeof path, "default/disk/%u", resource);
    snprintf(other, sizeof other, "%096x", number);
    clo_buffer_printf(&policy,
                      "{\"cloister_policy\":1,\"name\":\"policy %u\",\"tee\":[\"snp\"],\"roots\":"
                      "[\"%s\"],\"snp\":{\"measurement\":[\"%s\"],\"measurement_covers\":"
                      "[\"kernel\",\"initrd\",\"cmdline\"]}}",
                      number, s->root, number == 0 ? s->measurement : other);
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(path),
                                           .policy = clo_buffer_bytes(&policy),
                                           .now = NOW };
    must(clo_store_put(store, &entry, &err), &err);
}

static struct clo_term_book *make_book(const char *folder, const struct scene *s, unsigned count,
                                       unsigned resources, struct clo_store **store)
{
    struct clo_term_book *book;
    struct clo_error err;

    must(clo_store_open(folder, store, &err), &err);
    for (unsigned i = 0; i < resources;) {
        must(clo_store_begin(*store, &err), &err);
        do
            put(*store, s, i, i % count);
        while (++i < resources && i % TOGETHER != 0);
        must(clo_store_end(*store, true, &err), &err);
    }
    must(clo_term_book_new(*store, 0, &book, &err), &err);
    return book;
}

/* Microseconds of processor time for one. */
static double hold(struct clo_term_book *book, const struct scene *s)
{
    const struct clo_endorsements endorsements = { 0 };
    const struct clo_term_question question = { .evidence = s->evidence,
                                                .nonce = clo_bytes_text(NONCE),
                                                .time = NOW,
                                                .endorsements = &endorsements };
    struct clo_error err;
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 0; i < RUNS; i++) {
        CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer answer = { 0 };
        must(clo_terms_hold(book, &question, &answer, &err), &err);
        if (!answer.releases) {
            fprintf(stderr, "bench: %s\n", clo_appraisal_summary(answer.best));
            exit(4);
        }
    }
    return (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / RUNS * 1e6;
}

/* As it was: every policy with every signature. */
static double appraise_whole(const struct clo_terms *terms, const struct scene *s)
{
    const struct clo_appraise_inputs inputs = { .policy = terms->policy,
                                                .expected_nonce = clo_bytes_text(NONCE),
                                                .at = NOW };
    struct clo_error err;
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 0; i < RUNS; i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        must(clo_appraise(s->evidence, &inputs, &appraisal, &err), &err);
    }
    return (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / RUNS * 1e6;
}

static double appraise_claims(const struct clo_terms *terms, const struct scene *s)
{
    CLO_CLEANUP(clo_verified_evidence_freep) struct clo_verified_evidence *verified = NULL;
    const struct clo_appraise_inputs inputs = { .policy = terms->policy,
                                                .expected_nonce = clo_bytes_text(NONCE),
                                                .at = NOW };
    const struct clo_appraise_terms by = { .policy = terms->policy };
    struct clo_error err;

    must(clo_evidence_verify(s->evidence, &inputs, &verified, &err), &err);
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < RUNS; i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        must(clo_appraise_verified(verified, &by, &appraisal, &err), &err);
    }
    return (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / RUNS * 1e6;
}

static void measure(const struct scene *s, const char *folder, unsigned count, unsigned resources)
{
    struct bench_series one = { 0 }, many = { 0 }, whole = { 0 }, claims = { 0 };
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *first = NULL;
    CLO_CLEANUP(clo_term_book_freep) struct clo_term_book *second = NULL;
    CLO_CLEANUP(clo_store_freep) struct clo_store *first_store = NULL;
    CLO_CLEANUP(clo_store_freep) struct clo_store *second_store = NULL;
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    char path[4200];
    struct clo_error err;

    snprintf(path, sizeof path, "%s/one", folder);
    first = make_book(path, s, 1, 1, &first_store);
    snprintf(path, sizeof path, "%s/many", folder);
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    second = make_book(path, s, count, resources, &second_store);
    double made = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    must(clo_store_next_terms(first_store, 0, &terms, &err) == CLO_NEXT_ITEM, &err);
    hold(first, s);
    start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    hold(second, s);
    double load = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    for (int i = 0; i < ROUNDS; i++) {
        bench_add(&one, hold(first, s));
        bench_add(&many, hold(second, s));
        bench_add(&whole, appraise_whole(&terms, s));
        bench_add(&claims, appraise_claims(&terms, s));
    }
    bench_heading("evidence held against terms, processor time");
    double yardstick = bench_row("one set of terms", &one, "us");
    printf("%u distinct terms, %u resources on them (put in %.1f s):\n", count, resources, made);
    double measured = bench_row("one of them accepts it", &many, "us");
    bench_row("verified and appraised as a whole", &whole, "us");
    bench_row("one more policy over what was verified", &claims, "us");
    printf("ratio %.2f, reading %u terms %.0f ms once\n", measured / yardstick, count, load * 1e3);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    unsigned resources = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : count;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL;
    struct clo_scratch scratch;
    struct scene s = { 0 };
    struct clo_error err;

    must(clo_scratch_new(argc > 3 ? argv[3] : base, &scratch, &err), &err);
    make_scene(&s);
    measure(&s, scratch.path, count, resources);
    clo_evidence_free(s.evidence);
    clo_scratch_free(&scratch);
    return 0;
}
