/* Certificates that are kept: found by all of their bytes, within bounds, and believed no more than others. */
#include "lib/crypto/certificate_cache.h"

#include <pthread.h>

#include "checks.h"
#include "cloister/appraise.h"
#include "sim/forge.h"
#include "test.h"

#define NOW 1780000000LL
#define DAY 86400LL

static struct sim_forge_keys keys;

static int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    return sim_forge_keys_new(2048, &keys, &err) ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    sim_forge_keys_free(&keys);
    return 0;
}

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static struct clo_certificate_cache *new_cache(size_t room)
{
    struct clo_certificate_cache *cache;
    struct clo_error err;

    must(clo_certificate_cache_new(room, &cache, &err), &err);
    return cache;
}

static size_t count_of(struct clo_certificate_cache *cache)
{
    size_t count;
    uint64_t found;

    clo_certificate_cache_counts(cache, &count, &found);
    return count;
}

static uint64_t found_in(struct clo_certificate_cache *cache)
{
    size_t count;
    uint64_t found;

    clo_certificate_cache_counts(cache, &count, &found);
    return found;
}

static void forge_one(const struct sim_breakage *breakage, struct sim_forged *out)
{
    struct sim_forge forge;
    struct clo_error err;

    sim_forge_good(CLO_SNP_GENOA, 3, false, NOW, &keys, &forge);
    if (breakage != NULL)
        breakage->apply(&forge, &keys);
    must(sim_forge(&forge, &keys, out, &err), &err);
}

/* Whether it is authentic; `failures` gets what failed. False, too, for what cannot be read. */
static bool appraise(const struct sim_forged *forged, int64_t at, const struct clo_digest *root,
                     struct clo_certificate_cache *cache, char failures[1000])
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    const struct clo_appraise_inputs inputs = {
        .at = at, .roots = root, .root_count = 1, .certificate_cache = cache
    };
    struct clo_error err;

    sim_forge_table(forged, false, &table);
    must(clo_evidence_new(&evidence, &err), &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                          clo_bytes(forged->report, sizeof forged->report), &err),
         &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&table), &err),
         &err);
    failures[0] = '\0';
    if (!clo_appraise(evidence, &inputs, &appraisal, &err)) {
        snprintf(failures, 1000, "%s", err.text);
        return false;
    }
    const struct clo_checks *checks = clo_appraisal_checks(appraisal);
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            snprintf(failures + strlen(failures), 1000 - strlen(failures), "%s: %s\n",
                     checks->items[i].id, checks->items[i].detail);
    return clo_appraisal_status(appraisal) != CLO_CONTRAINDICATED;
}

static void warm(struct clo_certificate_cache *cache, const struct sim_forged *good)
{
    char why[1000];

    for (int i = 0; i < 3; i++)
        CHECK(appraise(good, NOW, &good->root, cache, why), why);
}

/* --- The cache by itself --- */

/* A byte that was changed, wherever it is, makes another certificate. */
static void test_changed_byte(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(8);
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *leaf = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *again = NULL;
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    struct clo_error err;

    (void)state;
    forge_one(NULL, &good);
    must(clo_certificate_cache_read(cache, clo_buffer_bytes(&good.leaf), &leaf, &err), &err);
    CHECK(count_of(cache) == 0, "what is read is not kept by that");
    clo_certificate_cache_keep(cache, leaf);
    clo_certificate_cache_keep(cache, leaf);
    CHECK(count_of(cache) == 1, "once");
    must(clo_certificate_cache_read(cache, clo_buffer_bytes(&good.leaf), &again, &err), &err);
    CHECK(again == leaf && found_in(cache) == 1, "the same one");
    for (size_t i = 0; i < good.leaf.size; i++) {
        struct clo_certificate *other = NULL;
        good.leaf.data[i] ^= 1;
        if (clo_certificate_cache_read(cache, clo_buffer_bytes(&good.leaf), &other, &err))
            CHECK(other != leaf, "another one");
        clo_certificate_free(other);
        good.leaf.data[i] ^= 1;
    }
    CHECK(found_in(cache) == 1, "none of them was found");
    for (size_t size = 0; size < good.leaf.size; size += 97) {
        struct clo_certificate *part = NULL;
        CHECK(!clo_certificate_cache_read(cache, clo_bytes(good.leaf.data, size), &part, &err),
              "a part of it is not one");
    }
}

/* The least lately used one goes; who holds it still has it. */
static void test_full(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(2);
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *none = new_cache(0);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    struct clo_certificate *all[3], *found[2] = { NULL, NULL };
    struct clo_error err;

    (void)state;
    forge_one(NULL, &good);
    const struct clo_buffer *der[] = { &good.leaf, &good.ask, &good.ark };
    for (size_t i = 0; i < 3; i++) {
        must(clo_certificate_cache_read(cache, clo_buffer_bytes(der[i]), &all[i], &err), &err);
        clo_certificate_cache_keep(cache, all[i]);
        clo_certificate_cache_keep(none, all[i]);
    }
    CHECK(count_of(cache) == 2 && count_of(none) == 0, "no more than there is room for");
    must(clo_certificate_cache_read(cache, clo_buffer_bytes(&good.leaf), &found[0], &err), &err);
    must(clo_certificate_cache_read(cache, clo_buffer_bytes(&good.ark), &found[1], &err), &err);
    CHECK(found[0] != all[0] && found[1] == all[2], "the first one went");
    CHECK(strcmp(clo_certificate_subject(all[0]), clo_certificate_subject(found[0])) == 0,
          "and is still there for who holds it");
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(all[i]);
    clo_certificate_free(found[0]);
    clo_certificate_free(found[1]);
}

/* That a signature held under one key says nothing of another one that has the same name. */
static void test_other_issuer(void **state)
{
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    CLO_CLEANUP(sim_forged_free) struct sim_forged other = { 0 };
    struct clo_certificate *leaf, *ask, *namesake;
    struct sim_forge forge;
    struct clo_error err;

    (void)state;
    forge_one(NULL, &good);
    struct sim_forge_keys swapped = keys;
    swapped.ask = keys.other_rsa;
    sim_forge_good(CLO_SNP_GENOA, 3, false, NOW, &swapped, &forge);
    must(sim_forge(&forge, &swapped, &other, &err), &err);
    must(clo_certificate_parse(clo_buffer_bytes(&good.leaf), &leaf, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&good.ask), &ask, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&other.ask), &namesake, &err),
         &err);
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *held = clo_certificate_hold(leaf);
    CHECK(clo_certificate_is_shared(leaf), "two have it");
    for (int i = 0; i < 2; i++) {
        CHECK(clo_certificate_verify(held, ask, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err), err.text);
        CHECK(!clo_certificate_verify(held, namesake, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err) &&
                      strstr(err.text, "does not hold") != NULL,
              "another key");
        CHECK(!clo_certificate_verify(held, ask, CLO_RSASSA_PSS, CLO_HASH_SHA256, &err),
              "another hash");
        CHECK(!clo_certificate_verify(held, ask, CLO_RSASSA_PKCS1, CLO_HASH_SHA384, &err),
              "another scheme");
    }
    clo_certificate_free(leaf);
    clo_certificate_free(ask);
    clo_certificate_free(namesake);
}

/* --- With it, nothing is accepted that is not accepted without --- */

static void test_breakages(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(64);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };

    (void)state;
    forge_one(NULL, &good);
    warm(cache, &good);
    CHECK(count_of(cache) == 4 && found_in(cache) >= 8, "a chain and its list are kept, and found");
    for (size_t i = 0; i < sim_breakage_count; i++) {
        CLO_CLEANUP(sim_forged_free) struct sim_forged broken = { 0 };
        char without[1000], first[1000], second[1000];
        forge_one(&sim_breakages[i], &broken);
        bool ok = appraise(&broken, NOW, &broken.root, NULL, without);
        CHECK(appraise(&broken, NOW, &broken.root, cache, first) == ok, sim_breakages[i].name);
        CHECK(appraise(&broken, NOW, &broken.root, cache, second) == ok, sim_breakages[i].name);
        if (strcmp(without, first) != 0 || strcmp(without, second) != 0)
            fail_msg("%s: %s, with the cache %s, then %s", sim_breakages[i].name, without, first,
                     second);
    }
    warm(cache, &good);
}

/* What was good runs out, is revoked, or is not trusted any more. */
static void test_later(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(64);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    CLO_CLEANUP(sim_forged_free) struct sim_forged revoked = { 0 };
    const struct clo_digest other = { .hash = CLO_HASH_SHA256 };
    struct sim_forge forge;
    struct clo_error err;
    char why[1000];

    (void)state;
    forge_one(NULL, &good);
    warm(cache, &good);
    CHECK(!appraise(&good, NOW + 20000 * DAY, &good.root, cache, why) &&
                  strstr(why, "snp.validity") != NULL,
          "out of date");
    CHECK(!appraise(&good, NOW - 20000 * DAY, &good.root, cache, why) &&
                  strstr(why, "snp.validity") != NULL,
          "not yet valid");
    CHECK(!appraise(&good, NOW, &other, cache, why) && strstr(why, "snp.root") != NULL,
          "another root is trusted");
    /* The same certificates, and a list that names the intermediate's. */
    sim_forge_good(CLO_SNP_GENOA, 3, false, NOW, &keys, &forge);
    forge.crl.revoked = forge.ask.serial;
    must(sim_forge(&forge, &keys, &revoked, &err), &err);
    clo_buffer_free(&revoked.ask);
    clo_buffer_free(&revoked.leaf);
    clo_buffer_free(&revoked.ark);
    clo_buffer_append(&revoked.ask, clo_buffer_bytes(&good.ask));
    clo_buffer_append(&revoked.leaf, clo_buffer_bytes(&good.leaf));
    clo_buffer_append(&revoked.ark, clo_buffer_bytes(&good.ark));
    CHECK(!appraise(&revoked, NOW, &good.root, cache, why) && strstr(why, "snp.revocation") != NULL,
          why);
    warm(cache, &good);
}

/* A byte of any certificate of a chain that is known, or of its list, in the evidence. */
static void test_changed_chain(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(64);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    char why[1000];

    (void)state;
    forge_one(NULL, &good);
    warm(cache, &good);
    struct clo_buffer *const parts[] = { &good.leaf, &good.ask, &good.ark };
    for (size_t k = 0; k < CLO_COUNT(parts); k++)
        for (size_t i = 0; i < parts[k]->size; i += 13) {
            parts[k]->data[i] ^= 4;
            CHECK(!appraise(&good, NOW, &good.root, cache, why), "a byte was changed");
            parts[k]->data[i] ^= 4;
        }
    for (size_t i = 0; i < good.crl.size; i += 13) {
        char without[1000];
        good.crl.data[i] ^= 4;
        bool ok = appraise(&good, NOW, &good.root, NULL, without);
        CHECK(appraise(&good, NOW, &good.root, cache, why) == ok, "a byte of the list was changed");
        assert_string_equal(why, without);
        good.crl.data[i] ^= 4;
    }
    CHECK(count_of(cache) == 4, "and nothing of that was kept");
    for (size_t i = 0; i < sizeof good.report; i += 37) {
        if (clo_bytes_all(clo_bytes(good.report + i, 1), 0) && i > CLO_SNP_SIGNED_SIZE)
            continue;
        good.report[i] ^= 4;
        CHECK(!appraise(&good, NOW, &good.root, cache, why), "a byte of the report was changed");
        good.report[i] ^= 4;
    }
    warm(cache, &good);
}

/* What nobody trusts takes nobody's place. */
static void test_strangers(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(4);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    char why[1000];

    (void)state;
    forge_one(NULL, &good);
    warm(cache, &good);
    uint64_t before = found_in(cache);
    for (unsigned i = 0; i < 8; i++) {
        CLO_CLEANUP(sim_forged_free) struct sim_forged stranger = { 0 };
        struct sim_forge forge;
        struct clo_error err;
        sim_forge_good(CLO_SNP_MILAN, 3, false, NOW - (int64_t)i, &keys, &forge);
        forge.root_is_other = true;
        must(sim_forge(&forge, &keys, &stranger, &err), &err);
        CHECK(!appraise(&stranger, NOW, &stranger.root, cache, why), "a stranger's");
    }
    CHECK(count_of(cache) == 4, "none of theirs");
    CHECK(appraise(&good, NOW, &good.root, cache, why) && found_in(cache) >= before + 4, why);
}

/* --- Threads --- */

struct thread {
    pthread_t id;
    struct clo_certificate_cache *cache;
    const struct sim_forged *forged;
    unsigned accepted;
};

static void *run(void *context)
{
    struct thread *t = context;
    char why[1000];

    for (int i = 0; i < 20; i++)
        t->accepted += appraise(t->forged, NOW, &t->forged->root, t->cache, why);
    return NULL;
}

/* Two chains by four threads, and room for less than both. */
static void test_threads(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = new_cache(4);
    CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
    CLO_CLEANUP(sim_forged_free) struct sim_forged other = { 0 };
    struct thread threads[4];
    struct sim_forge forge;
    struct clo_error err;

    (void)state;
    forge_one(NULL, &good);
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &keys, &forge);
    must(sim_forge(&forge, &keys, &other, &err), &err);
    for (size_t i = 0; i < CLO_COUNT(threads); i++) {
        threads[i] = (struct thread){ .cache = cache, .forged = i % 2 == 0 ? &good : &other };
        assert_int_equal(pthread_create(&threads[i].id, NULL, run, &threads[i]), 0);
    }
    for (size_t i = 0; i < CLO_COUNT(threads); i++) {
        pthread_join(threads[i].id, NULL);
        CHECK(threads[i].accepted == 20, "each of them");
    }
    CHECK(count_of(cache) <= 4, "within its bounds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed_byte), cmocka_unit_test(test_full),
        cmocka_unit_test(test_other_issuer), cmocka_unit_test(test_breakages),
        cmocka_unit_test(test_later),        cmocka_unit_test(test_changed_chain),
        cmocka_unit_test(test_strangers),    cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
