/* A UKI assembled and signed (what `cloister uki build --key` does: read the parts, build, sign, write,
 * fsync, rename) against copying and SHA-256-hashing the same bytes (read, write, fsync, hash). Both in
 * each round, in turn. On a disk, fsync is most of it; FOLDER on a tmpfs shows the work itself. */
#include <string.h>

#include "bench.h"
#include "cloister/authenticode.h"
#include "cloister/uki.h"
#include "device/file.h"

struct parts {
    const char *stub, *kernel, *initrd;
};

static void read_part(const char *path, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_file_read(path, (size_t)1 << 31, out, &err))
        bench_fail(&err);
}

static double time_build(const struct parts *paths, const char *target,
                         const struct clo_private_key *key,
                         const struct clo_certificate *certificate)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_error err;
    double start = bench_now();

    read_part(paths->stub, &stub);
    read_part(paths->kernel, &kernel);
    read_part(paths->initrd, &initrd);
    const struct clo_uki_parts parts = { .stub = clo_buffer_bytes(&stub),
                                         .kernel = clo_buffer_bytes(&kernel),
                                         .initrd = clo_buffer_bytes(&initrd),
                                         .cmdline = clo_bytes_text("quiet") };
    if (!clo_uki_build(&parts, &image, &err) ||
        !clo_authenticode_sign(&image, key, certificate, CLO_HASH_SHA256, &err) ||
        !clo_file_write(target, clo_buffer_bytes(&image), 0644, &err))
        bench_fail(&err);
    return bench_now() - start;
}

/* A megabyte at a time, as cat and sha256sum would. */
static double time_copy(const struct parts *paths, const char *target)
{
    const char *const inputs[] = { paths->stub, paths->kernel, paths->initrd };
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file file = { .fd = -1 };
    static uint8_t piece[1 << 20];
    struct clo_digest digest;
    struct clo_error err;
    double start = bench_now();

    if (!clo_new_file_open(target, 0644, &file, &err))
        bench_fail(&err);
    for (size_t i = 0; i < CLO_COUNT(inputs); i++) {
        FILE *input = fopen(inputs[i], "rb");
        if (input == NULL) {
            clo_fail(&err, CLO_ERR_FORMAT, "%s cannot be read", inputs[i]);
            bench_fail(&err);
        }
        setvbuf(input, NULL, _IONBF, 0);
        for (size_t got; (got = fread(piece, 1, sizeof piece, input)) > 0;) {
            clo_hasher_add(hasher, clo_bytes(piece, got));
            if (!clo_write_all(file.fd, clo_bytes(piece, got), &err))
                bench_fail(&err);
        }
        fclose(input);
    }
    clo_hasher_get(hasher, &digest);
    if (!clo_new_file_commit(&file, &err))
        bench_fail(&err);
    return bench_now() - start;
}

static void make_signer(struct clo_private_key **key, struct clo_certificate **certificate)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = { .common_name = "bench",
                                               .not_after = 4000000000,
                                               .serial = clo_bytes("\x01", 1),
                                               .scheme = CLO_RSASSA_PKCS1,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    if (!clo_private_key_new(CLO_KEY_RSA, 2048, key, &err) ||
        !clo_private_key_public(*key, &public_key, &err) ||
        !clo_certificate_make(&spec, public_key, NULL, *key, &der, &err) ||
        !clo_certificate_parse(clo_buffer_bytes(&der), certificate, &err))
        bench_fail(&err);
}

int main(int argc, char **argv)
{
    struct bench_series copy = { 0 }, build = { 0 }, ratio = { 0 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    unsigned rounds = argc > 5 ? (unsigned)atoi(argv[5]) : 15;
    struct clo_error err;
    char target[4200];

    if (argc < 4 || rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-uki STUB KERNEL INITRD [FOLDER [ROUNDS]]\n");
        return 2;
    }
    const struct parts paths = { argv[1], argv[2], argv[3] };
    if (!clo_scratch_new(argc > 4 ? argv[4] : ".", &scratch, &err))
        bench_fail(&err);
    make_signer(&key, &certificate);
    snprintf(target, sizeof target, "%s/target", scratch.path);
    time_copy(&paths, target); /* warm up */
    time_build(&paths, target, key, certificate);
    for (unsigned i = 0; i < rounds; i++) {
        double a = time_copy(&paths, target);
        double b = time_build(&paths, target, key, certificate);
        bench_add(&copy, a * 1e3);
        bench_add(&build, b * 1e3);
        bench_add(&ratio, b / a);
    }
    bench_heading("UKI, assembled and signed");
    bench_row("copied and hashed with SHA-256", &copy, "ms");
    bench_row("read, built, signed, written", &build, "ms");
    bench_row("ratio", &ratio, "(goal: at most 2.00)");
    return 0;
}
