/* A TPM's quote verified and held against its PCR values, against the signature alone, which cannot be avoided: RSA-2048 and
 * P-256, in the same round. By the thread's processor time: a busy machine does not count. */
#include "cloister/quote.h"
#include "bench.h"
#include "cloister/crypto.h"

#define ROUNDS 40
#define RUNS   200

struct scene {
    const char *name;
    enum clo_key_kind kind;
    enum clo_signature_scheme scheme;
    uint16_t algorithm; /* TPM_ALG_ID */
    struct clo_private_key *key;
    struct clo_public_key *ak;
    struct clo_buffer attest, raw, signature;
    struct clo_pcr_bank bank;
};

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* PCRs 0 to 15 of the SHA-256 bank, as a guest quotes them. */
static void make_attest(struct scene *s)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer values = { 0 };
    static const uint8_t name[34];
    struct clo_digest digest;

    clo_pcr_reset(&s->bank, CLO_HASH_SHA256);
    for (unsigned i = 0; i < 16; i++)
        clo_buffer_append(&values, clo_digest_bytes(&s->bank.values[i]));
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&values), &digest);
    clo_buffer_be32(&s->attest, 0xff544347);
    clo_buffer_be16(&s->attest, 0x8018);
    sized(&s->attest, clo_bytes(name, sizeof name));
    sized(&s->attest, clo_digest_bytes(&digest));
    clo_buffer_be64(&s->attest, 1);
    clo_buffer_be64(&s->attest, 1);
    clo_buffer_u8(&s->attest, 1);
    clo_buffer_be64(&s->attest, 1);
    clo_buffer_be32(&s->attest, 1);
    clo_buffer_be16(&s->attest, 0x000b);
    clo_buffer_u8(&s->attest, 3);
    clo_buffer_append(&s->attest, clo_bytes("\xff\xff\0", 3));
    sized(&s->attest, clo_digest_bytes(&digest));
}

static void make(struct scene *s)
{
    struct clo_error err;

    must(clo_private_key_new(s->kind, 2048, &s->key, &err) &&
                 clo_private_key_public(s->key, &s->ak, &err),
         &err);
    make_attest(s);
    must(clo_signature_make(s->key, s->scheme, CLO_HASH_SHA256, clo_buffer_bytes(&s->attest),
                            &s->raw, &err),
         &err);
    clo_buffer_be16(&s->signature, s->algorithm);
    clo_buffer_be16(&s->signature, 0x000b);
    size_t half = s->kind == CLO_KEY_RSA ? s->raw.size : s->raw.size / 2;
    sized(&s->signature, clo_bytes(s->raw.data, half));
    if (half < s->raw.size)
        sized(&s->signature, clo_bytes(s->raw.data + half, half));
}

static void verify_quote(const struct scene *s)
{
    struct clo_quote_verified quote;
    struct clo_error err;

    must(clo_quote_verify(clo_buffer_bytes(&s->attest), clo_buffer_bytes(&s->signature), s->ak,
                          false, &quote, &err) &&
                 clo_quote_covers(&quote, &s->bank, 0xffff, &err),
         &err);
}

static void verify_signature(const struct scene *s)
{
    struct clo_error err;

    must(clo_signature_verify(s->ak, s->scheme, CLO_HASH_SHA256, clo_buffer_bytes(&s->attest),
                              clo_buffer_bytes(&s->raw), &err),
         &err);
}

/* Microseconds for one. */
static double time_of(void (*run)(const struct scene *s), const struct scene *s)
{
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);

    for (int i = 0; i < RUNS; i++)
        run(s);
    return (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start) / RUNS * 1e6;
}

static void bench(struct scene *s)
{
    struct bench_series quote = { .count = 0 };
    struct bench_series signature = { .count = 0 };
    struct bench_series ratio = { .count = 0 };

    make(s);
    for (int i = 0; i < ROUNDS; i++) {
        double ours = time_of(verify_quote, s);
        double least = time_of(verify_signature, s);
        bench_add(&quote, ours);
        bench_add(&signature, least);
        bench_add(&ratio, ours / least);
    }
    bench_heading(s->name);
    (void)bench_row("quote, and its 16 PCR values", &quote, "us");
    (void)bench_row("its signature alone", &signature, "us");
    (void)bench_row("ratio, round by round", &ratio, "");
}

static void clear(struct scene *s)
{
    clo_private_key_free(s->key);
    clo_public_key_free(s->ak);
    clo_buffer_free(&s->attest);
    clo_buffer_free(&s->raw);
    clo_buffer_free(&s->signature);
}

int main(void)
{
    struct scene scenes[] = {
        { .name = "RSA-2048, RSASSA",
          .kind = CLO_KEY_RSA,
          .scheme = CLO_RSASSA_PKCS1,
          .algorithm = 0x0014 },
        { .name = "P-256, ECDSA",
          .kind = CLO_KEY_P256,
          .scheme = CLO_ECDSA_RAW,
          .algorithm = 0x0018 },
    };

    for (size_t i = 0; i < CLO_COUNT(scenes); i++) {
        bench(&scenes[i]);
        clear(&scenes[i]);
    }
    return 0;
}
