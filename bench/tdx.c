/* A TDX quote verified, with the platform's collateral known and with all of it to check, against the P-256
 * verifications that cannot be avoided: two, and nine. All in each round, in turn; and how often memory is
 * asked for. */
#include <string.h>

#include <openssl/crypto.h>

#include "bench.h"
#include "lib/crypto/certificate_cache.h"
#include "sim/tdx.h"

#define NOW  1780000000LL
#define RUNS 100
#define COLD 20

/* The C library's own, counted. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
static size_t allocations;

CLO_API void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

CLO_API void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

CLO_API void *realloc(void *pointer, size_t size)
{
    allocations++;
    return __libc_realloc(pointer, size);
}

/* libcrypto's own, counted apart: its point multiplication on P-256 takes three pieces each time. */
static size_t libcrypto_allocations;

static void *libcrypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    libcrypto_allocations++;
    return __libc_malloc(size);
}

static void *libcrypto_realloc(void *pointer, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    libcrypto_allocations++;
    return __libc_realloc(pointer, size);
}

static void libcrypto_free(void *pointer, const char *file, int line)
{
    (void)file;
    (void)line;
    free(pointer);
}

struct scene {
    struct sim_tdx_keys keys;
    struct sim_tdx_made made;
    struct clo_tdx_quote quote;
    struct clo_tdx_platform *platform;
    struct clo_checks checks;
    struct clo_certificate_cache *cache; /* of what new_platform() has verified; NULL: none */
    struct clo_public_key *key;
    struct clo_buffer signature;
};

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

static struct clo_tdx_platform *new_platform(struct scene *s)
{
    const struct clo_tdx_trust trust = {
        .at = NOW, .roots = &s->made.trusted, .root_count = 1, .cache = s->cache
    };
    struct clo_tdx_platform *platform;
    struct clo_error err;

    s->checks.count = 0;
    must(clo_tdx_platform_new(s->quote.chain, &s->made.collateral, &trust, &s->checks, &platform,
                              &err),
         &err);
    return platform;
}

static void verify(struct scene *s, const struct clo_tdx_platform *platform)
{
    struct clo_tdx_verified verified;
    struct clo_error err;

    must(clo_tdx_verify(&s->quote, platform, NOW, &s->checks, &verified, &err), &err);
}

static void init(struct scene *s)
{
    struct sim_tdx tdx;
    struct clo_error err;

    must(sim_tdx_keys_new(&s->keys, &err), &err);
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &s->keys, &tdx);
    must(sim_tdx_make(&tdx, &s->keys, &s->made, &err) &&
                 clo_tdx_parse(clo_buffer_bytes(&s->made.quote), &s->quote, &err),
         &err);
    s->platform = new_platform(s);
    must(clo_private_key_public(s->keys.attestation, &s->key, &err) &&
                 clo_signature_make(s->keys.attestation, CLO_ECDSA_RAW, CLO_HASH_SHA256,
                                    s->quote.signed_part, &s->signature, &err),
         &err);
}

/* Of this thread: others on the machine do not count. */
static double processor_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double primitive(struct scene *s)
{
    struct clo_error err;
    double start = processor_now();

    for (int i = 0; i < RUNS; i++)
        must(clo_signature_verify(s->key, CLO_ECDSA_RAW, CLO_HASH_SHA256, s->quote.signed_part,
                                  clo_buffer_bytes(&s->signature), &err),
             &err);
    return (processor_now() - start) * 1e6 / RUNS;
}

static double warm(struct scene *s, size_t *count)
{
    double start = processor_now();
    size_t before = allocations;

    for (int i = 0; i < RUNS; i++) {
        struct clo_error err;
        s->checks.count = 0;
        must(clo_tdx_parse(clo_buffer_bytes(&s->made.quote), &s->quote, &err), &err);
        verify(s, s->platform);
    }
    *count = (allocations - before) / RUNS;
    return (processor_now() - start) * 1e6 / RUNS;
}

static double cold(struct scene *s, size_t *count)
{
    double start = processor_now();
    size_t before = allocations;

    for (int i = 0; i < COLD; i++) {
        struct clo_tdx_platform *platform = new_platform(s);
        verify(s, platform);
        clo_tdx_platform_free(platform);
    }
    *count = (allocations - before) / COLD;
    return (processor_now() - start) * 1e6 / COLD;
}

/* The same, where the broker has seen the platform and its collateral before. */
static double cached(struct scene *s, struct clo_certificate_cache *cache)
{
    size_t ignored;

    s->cache = cache;
    double time = cold(s, &ignored);
    s->cache = NULL;
    return time;
}

int main(int argc, char **argv)
{
    struct bench_series one = { 0 }, warm_time = { 0 }, cold_time = { 0 }, warm_ratio = { 0 },
                        cold_ratio = { 0 }, cached_time = { 0 };
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = NULL;
    struct clo_error err;
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 30;
    size_t warm_count = 0;
    size_t cold_count = 0;
    struct scene s = { 0 };

    if (rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-tdx [ROUNDS]\n");
        return 2;
    }
    CRYPTO_set_mem_functions(libcrypto_malloc, libcrypto_realloc, libcrypto_free);
    init(&s);
    must(clo_certificate_cache_new(64, &cache, &err), &err);
    verify(&s, s.platform);
    s.checks.count = 0;
    size_t before = libcrypto_allocations;
    verify(&s, s.platform);
    size_t in_libcrypto = libcrypto_allocations - before;
    for (unsigned i = 0; i <= rounds; i++) {
        double verification = primitive(&s);
        double known = warm(&s, &warm_count);
        double all = cold(&s, &cold_count);
        double seen = cached(&s, cache);
        if (i == 0)
            continue; /* warm up */
        bench_add(&one, verification);
        bench_add(&warm_time, known);
        bench_add(&cold_time, all);
        bench_add(&cached_time, seen);
        bench_add(&warm_ratio, known / (2 * verification));
        bench_add(&cold_ratio, all / (9 * verification));
    }
    bench_heading("TDX quote version 5");
    bench_row("P-256 verification, key known", &one, "us");
    bench_row("quote parsed and verified, platform known", &warm_time, "us");
    bench_row("with chain and collateral to check", &cold_time, "us");
    bench_row("the same, all of it seen before", &cached_time, "us");
    bench_row("known platform, of two P-256", &warm_ratio, "(goal: at most 1.20)");
    bench_row("all of it, of nine P-256", &cold_ratio, "(goal: at most 1.30)");
    printf("memory asked for: %zu times, platform known; %zu times, all of it; by libcrypto in "
           "itself, "
           "platform known: %zu times\n",
           warm_count, cold_count, in_libcrypto);
    return warm_count == 0 ? 0 : 1;
}
