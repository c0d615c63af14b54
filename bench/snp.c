/* An SEV-SNP report verified, with a chain that was verified before and with all of it, against the
 * signatures that cannot be avoided: one ECDSA P-384 (ours, and the fastest that Debian has a library for,
 * nettle's), and two RSA-4096 more. All in each round, in turn.
 * Allocations are counted: once set up, a report with a known chain takes none. */
#include <stdatomic.h>
#include <string.h>
#include <threads.h>

#include <gmp.h>
#include <nettle/dsa.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>

#include "bench.h"
#include "cloister/encoding.h"
#include "sim/forge.h"

#define NOW  1780000000LL
#define RUNS 40

/* --- The counting allocator: glibc's own, by the names it keeps for such use --- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static atomic_size_t allocations;

CLO_API void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

CLO_API void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

CLO_API void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(old, size);
}

/* --- What is verified --- */

struct scene {
    struct sim_forged forged;
    struct clo_snp_certificates certificates;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_snp_trust trust;
    struct clo_snp_endorser endorser;
    struct clo_bytes message;
    uint8_t signature[96];
    struct ecc_point nettle_key;
    struct dsa_signature nettle_signature;
};

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

static void make_nettle(struct scene *s)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    struct clo_error err;
    mpz_t a;
    mpz_t b;

    must(clo_public_key_numbers(clo_certificate_key(s->chain.leaf), &x, &y, &err), &err);
    mpz_inits(a, b, NULL);
    mpz_import(a, x.size, 1, 1, 0, 0, x.data);
    mpz_import(b, y.size, 1, 1, 0, 0, y.data);
    ecc_point_init(&s->nettle_key, nettle_get_secp_384r1());
    if (ecc_point_set(&s->nettle_key, a, b) != 1)
        exit(4);
    mpz_clears(a, b, NULL);
    dsa_signature_init(&s->nettle_signature);
    mpz_import(s->nettle_signature.r, 48, 1, 1, 0, 0, s->signature);
    mpz_import(s->nettle_signature.s, 48, 1, 1, 0, 0, s->signature + 48);
}

static void make_scene(struct scene *s)
{
    CLO_CLEANUP(sim_forge_keys_free) struct sim_forge_keys keys = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct sim_forge forge;
    struct clo_error err;

    must(sim_forge_keys_new(4096, &keys, &err), &err);
    sim_forge_good(CLO_SNP_GENOA, 3, false, NOW, &keys, &forge);
    must(sim_forge(&forge, &keys, &s->forged, &err), &err);
    sim_forge_table(&s->forged, false, &table);
    must(clo_snp_certificates_add(&s->certificates, clo_buffer_bytes(&table), &err), &err);
    must(clo_snp_parse(clo_bytes(s->forged.report, sizeof s->forged.report), &s->report, &err),
         &err);
    must(clo_snp_chain_find(&s->report, &s->certificates, &s->chain, &err), &err);
    s->trust = (struct clo_snp_trust){ .at = NOW, .roots = &s->forged.root, .root_count = 1 };
    must(clo_snp_chain_verify(&s->chain, &s->trust, &checks, &s->endorser, &err), &err);
    s->message = clo_bytes(s->forged.report, CLO_SNP_SIGNED_SIZE);
    for (size_t i = 0; i < 48; i++) {
        s->signature[i] = s->forged.report[CLO_SNP_SIGNED_SIZE + 47 - i];
        s->signature[48 + i] = s->forged.report[CLO_SNP_SIGNED_SIZE + 72 + 47 - i];
    }
    make_nettle(s);
}

/* --- Jobs --- */

static void signature(const struct scene *s, struct clo_checks *checks)
{
    struct clo_error err;

    (void)checks;
    must(clo_signature_verify(clo_certificate_key(s->chain.leaf), CLO_ECDSA_RAW, CLO_HASH_SHA384,
                              s->message, clo_bytes(s->signature, sizeof s->signature), &err),
         &err);
}

static void nettle(const struct scene *s, struct clo_checks *checks)
{
    struct clo_digest digest;

    (void)checks;
    clo_hash(CLO_HASH_SHA384, s->message, &digest);
    if (ecdsa_verify(&s->nettle_key, clo_digest_bytes(&digest).size, digest.bytes,
                     &s->nettle_signature) != 1)
        exit(1);
}

static void all_signatures(const struct scene *s, struct clo_checks *checks)
{
    struct clo_error err;

    signature(s, checks);
    must(clo_certificate_verify(s->chain.leaf, s->chain.intermediate, CLO_RSASSA_PSS,
                                CLO_HASH_SHA384, &err) &&
                 clo_certificate_verify(s->chain.intermediate, s->chain.root, CLO_RSASSA_PSS,
                                        CLO_HASH_SHA384, &err),
         &err);
}

/* From the bytes of the report. */
static void known_chain(const struct scene *s, struct clo_checks *checks)
{
    struct clo_snp_report report;
    struct clo_snp_verified verified;
    struct clo_error err;

    clo_checks_clear(checks);
    must(clo_snp_parse(s->report.raw, &report, &err) &&
                 clo_snp_report_verify(&report, &s->endorser, NOW, checks, &verified, &err),
         &err);
}

/* From the bytes of report, leaf and intermediate; the root is held ready, as AMD's are. */
static void whole_chain(const struct scene *s, struct clo_checks *checks)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *leaf = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *intermediate = NULL;
    struct clo_snp_report report;
    struct clo_snp_verified verified;
    struct clo_error err;

    clo_checks_clear(checks);
    must(clo_snp_parse(s->report.raw, &report, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&s->forged.leaf), &leaf, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&s->forged.ask), &intermediate, &err),
         &err);
    const struct clo_snp_chain chain = { leaf, intermediate, s->chain.root };
    must(clo_snp_verify(&report, &chain, &s->trust, checks, &verified, &err), &err);
}

/* Of this thread: others on the machine lengthen it less than the time on the wall. */
static double processor_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double measure(const struct scene *s, void (*job)(const struct scene *, struct clo_checks *),
                      struct clo_checks *checks)
{
    double start = processor_time();

    for (int i = 0; i < RUNS; i++)
        job(s, checks);
    return (processor_time() - start) / RUNS * 1e6;
}

/* --- Two threads --- */

static int thread(void *context)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };

    for (int i = 0; i < 4 * RUNS; i++)
        known_chain(context, &checks);
    return 0;
}

static double two_threads(struct scene *s)
{
    thrd_t threads[2];
    double start = bench_now();

    for (size_t i = 0; i < CLO_COUNT(threads); i++)
        if (thrd_create(&threads[i], thread, s) != thrd_success)
            exit(4);
    for (size_t i = 0; i < CLO_COUNT(threads); i++)
        thrd_join(threads[i], NULL);
    return (bench_now() - start) / (4 * RUNS * CLO_COUNT(threads)) * 1e6;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 30;
    struct bench_series one = { 0 }, fastest = { 0 }, three = { 0 }, known = { 0 }, whole = { 0 };
    struct bench_series pair = { 0 }, pair_ratio = { 0 }, known_ratio = { 0 };
    struct bench_series known_fastest = { 0 }, whole_fastest = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct scene scene = { 0 };

    if (rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-snp [ROUNDS]\n");
        return 2;
    }
    make_scene(&scene);
    known_chain(&scene, &checks); /* the list has its memory now */
    size_t before = atomic_load(&allocations);
    known_chain(&scene, &checks);
    size_t used = atomic_load(&allocations) - before;
    for (unsigned i = 0; i < rounds; i++) {
        double a = measure(&scene, signature, &checks);
        double n = measure(&scene, nettle, &checks);
        double b = measure(&scene, known_chain, &checks);
        double c = measure(&scene, all_signatures, &checks);
        double d = measure(&scene, whole_chain, &checks);
        double start = bench_now();
        measure(&scene, known_chain, &checks);
        double wall = (bench_now() - start) / RUNS * 1e6;
        double e = two_threads(&scene);
        bench_add(&one, a);
        bench_add(&fastest, n);
        bench_add(&known, b);
        bench_add(&three, c);
        bench_add(&whole, d);
        bench_add(&pair, e);
        bench_add(&known_ratio, b / a);
        bench_add(&known_fastest, b / n);
        bench_add(&whole_fastest, d / (c - a + n));
        bench_add(&pair_ratio, wall / e);
    }
    bench_heading("SEV-SNP report");
    bench_row("ECDSA P-384 verification, nettle's", &fastest, "us");
    bench_row("ECDSA P-384 verification, ours", &one, "us");
    bench_row("report, chain known", &known, "us");
    bench_row("the same and two RSA-4096", &three, "us");
    bench_row("report with its chain, from the bytes", &whole, "us");
    bench_row("report, chain known, two threads: each", &pair, "us");
    bench_row("chain known / nettle's P-384 (at most 1.15)", &known_fastest, "");
    bench_row("chain known / our P-384", &known_ratio, "");
    bench_row("with chain / signatures, nettle's P-384 (1.25)", &whole_fastest, "");
    bench_row("two threads: rate", &pair_ratio, "x");
    printf("allocations for a report with a known chain: %zu\n", used);
    clo_snp_certificates_free(&scene.certificates);
    sim_forged_free(&scene.forged);
    return used == 0 ? 0 : 1;
}
