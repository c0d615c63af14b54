/* MRTD of a firmware of 4 MiB against the SHA-384 of its stream, made beforehand: the hashing that cannot
 * be avoided. Both in each round, in turn. */
#include <string.h>

#include "bench.h"
#include "cloister/tdvf.h"

#define CODE_SIZE ((size_t)4 << 20)
#define RUNS      8

static void append_record(struct clo_buffer *out, const char *name, uint64_t address)
{
    clo_buffer_text(out, name);
    clo_buffer_zero(out, 16 - strlen(name));
    clo_buffer_le64(out, address);
    clo_buffer_zero(out, 104);
}

static void make_stream(const struct clo_tdvf_section *code, struct clo_buffer *out)
{
    clo_buffer_reserve(out, CODE_SIZE * 2);
    for (size_t page = 0; page < CODE_SIZE; page += CLO_TDVF_PAGE) {
        append_record(out, "MEM.PAGE.ADD", code->address + page);
        for (size_t at = page; at < page + CLO_TDVF_PAGE; at += 256) {
            append_record(out, "MR.EXTEND", code->address + at);
            clo_buffer_append(out, clo_bytes(code->data.data + at, 256));
        }
    }
}

int main(int argc, char **argv)
{
    struct bench_series primitive = { 0 }, job = { 0 }, ratio = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer code = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stream = { 0 };
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 30;
    struct clo_tdvf tdvf = { .count = 1 };
    struct clo_digest expected;
    struct clo_digest mrtd;

    if (rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-mrtd [ROUNDS]\n");
        return 2;
    }
    for (size_t i = 0; i < CODE_SIZE; i++)
        clo_buffer_u8(&code, (uint8_t)(i * 31 + i / 509));
    tdvf.sections[0] = (struct clo_tdvf_section){ .attributes = CLO_TDVF_MR_EXTEND,
                                                  .address = 0x100000000 - CODE_SIZE,
                                                  .memory_size = CODE_SIZE,
                                                  .data = clo_buffer_bytes(&code) };
    make_stream(&tdvf.sections[0], &stream);
    for (unsigned i = 0; i <= rounds; i++) {
        double start = bench_now();
        for (unsigned k = 0; k < RUNS; k++)
            clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&stream), &expected);
        double middle = bench_now();
        for (unsigned k = 0; k < RUNS; k++)
            clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &mrtd);
        double end = bench_now();
        if (!clo_digest_equal(&mrtd, &expected)) {
            fprintf(stderr, "bench: MRTD is not the hash of its stream\n");
            return 4;
        }
        if (i == 0)
            continue; /* warm up */
        bench_add(&primitive, (middle - start) * 1e3 / RUNS);
        bench_add(&job, (end - middle) * 1e3 / RUNS);
        bench_add(&ratio, (end - middle) / (middle - start));
    }
    bench_heading("MRTD of 4 MiB of firmware");
    bench_row("SHA-384 of its stream (6.1 MiB)", &primitive, "ms");
    bench_row("MRTD", &job, "ms");
    bench_row("ratio", &ratio, "(goal: at most 1.20)");
    return 0;
}
