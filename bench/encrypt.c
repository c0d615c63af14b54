/* The disk's encryption (clo_encrypt) against what bounds it: AES-256-XTS in libcrypto on as many threads
 * (what `openssl speed -evp aes-256-xts -bytes 4096 -multi N` measures), and writing the same amount to
 * the same disk past the page cache. All three in each round; the ratio is to the lower of the two. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "bench.h"
#include "device/file.h"
#include "image/encrypt.h"
#include "lib/disk/integrity.h"

#define SECTOR      4096
#define BLOCK       ((size_t)4 << 20)
#define THREADS_MAX 64

static unsigned threads;
static uint64_t size;

static void run_on_all(void *(*work)(void *), void *context)
{
    pthread_t ids[THREADS_MAX];

    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, work, context);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

/* --- The primitive --- */

static void *encrypt_in_memory(void *context)
{
    static const uint8_t key[64] = { 1 };
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t *buffer = aligned_alloc(SECTOR, BLOCK);
    uint8_t tweak[16] = { 0 };
    atomic_ullong *next = context;
    uint8_t second_key[64];
    int out;

    memcpy(second_key, key, sizeof second_key);
    second_key[63] = 2; /* XTS refuses two equal halves */
    memset(buffer, 7, BLOCK);
    EVP_EncryptInit_ex(cipher, EVP_aes_256_xts(), NULL, second_key, tweak);
    while (atomic_fetch_add(next, BLOCK) < size)
        for (size_t at = 0; at < BLOCK; at += SECTOR)
            EVP_EncryptUpdate(cipher, buffer + at, &out, buffer + at, SECTOR);
    EVP_CIPHER_CTX_free(cipher);
    free(buffer);
    return NULL;
}

static double time_primitive(void)
{
    atomic_ullong next = 0;
    double start = bench_now();

    run_on_all(encrypt_in_memory, &next);
    return bench_now() - start;
}

/* --- The disk --- */

struct writer {
    int fd;
    atomic_ullong next;
    atomic_bool failed;
};

static void *write_blocks(void *context)
{
    struct writer *writer = context;
    uint8_t *buffer = aligned_alloc(SECTOR, BLOCK);

    memset(buffer, 7, BLOCK);
    for (uint64_t at; (at = atomic_fetch_add(&writer->next, BLOCK)) < size;)
        if (pwrite(writer->fd, buffer, BLOCK, (off_t)at) != (ssize_t)BLOCK)
            atomic_store(&writer->failed, true);
    free(buffer);
    return NULL;
}

static int create(const char *path, int flags, struct clo_error *err)
{
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
        bench_fail(err);
    }
    return fd;
}

static double time_disk(const char *path, struct clo_error *err)
{
    int fd = create(path, O_DIRECT, err);
    struct writer writer = { .fd = fd };
    double start = bench_now();

    run_on_all(write_blocks, &writer);
    fsync(fd);
    double seconds = bench_now() - start;
    close(fd);
    unlink(path);
    if (atomic_load(&writer.failed)) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be written", path);
        bench_fail(err);
    }
    return seconds;
}

/* --- Ours --- */

/* `integrity`: with a tag for each sector; NULL: without. */
static double time_encrypt(const char *source, const char *path, const struct clo_secret *key,
                           const struct clo_integrity *integrity, struct clo_error *err)
{
    int fd = create(path, 0, err);
    const struct clo_encrypt_spec spec = { .source = source,
                                           .target = fd,
                                           .size = integrity == NULL ? size : integrity->provided,
                                           .volume_key = key,
                                           .integrity = integrity,
                                           .all = true };
    struct clo_encrypt_result result;
    double start = bench_now();

    if (!clo_encrypt(&spec, &result, err))
        bench_fail(err);
    fsync(fd);
    double seconds = bench_now() - start;
    close(fd);
    unlink(path);
    return seconds;
}

static void make_key(size_t bytes, struct clo_secret **out, struct clo_error *err)
{
    if (!clo_secret_new(bytes, out, err))
        bench_fail(err);
    for (size_t i = 0; i < bytes; i++)
        clo_secret_data(*out)[i] = (uint8_t)i;
}

static void plan_tags(struct clo_integrity *out, struct clo_error *err)
{
    uint64_t device;

    if (!clo_integrity_size(size, SECTOR, 32, &device, err) ||
        !clo_integrity_plan(device, SECTOR, 32, out, err))
        bench_fail(err);
}

/* What is encrypted: in the page cache, as a file system image is that was just made. */
static void make_source(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *block = malloc(BLOCK);
    int fd = create(path, 0, err);

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (uint8_t)(i * 2654435761U >> 24);
    for (uint64_t at = 0; at < size; at += BLOCK)
        if (!clo_write_all(fd, clo_bytes(block, BLOCK), err))
            bench_fail(err);
    fsync(fd);
    close(fd);
}

int main(int argc, char **argv)
{
    struct bench_series primitive = { 0 }, disk = { 0 }, ours = { 0 }, ratio = { 0 };
    struct bench_series tagged = { 0 }, tagged_ratio = { 0 };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pair = NULL;
    struct clo_integrity integrity;
    unsigned rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 7;
    struct clo_error err;
    char source[4200];
    char target[4200];

    size = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1024) << 20;
    threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    if (size == 0 || size % BLOCK != 0 || rounds == 0 || rounds > BENCH_ROUNDS_MAX) {
        fprintf(stderr, "usage: bench-encrypt [FOLDER [MIB [ROUNDS]]]\n");
        return 2;
    }
    if (!clo_scratch_new(argc > 1 ? argv[1] : ".", &scratch, &err))
        bench_fail(&err);
    make_key(64, &key, &err);
    make_key(96, &pair, &err);
    plan_tags(&integrity, &err);
    snprintf(source, sizeof source, "%s/source", scratch.path);
    snprintf(target, sizeof target, "%s/target", scratch.path);
    make_source(source, &err);
    time_encrypt(source, target, key, NULL, &err); /* warms up */
    for (unsigned i = 0; i < rounds; i++) {
        double mib = (double)(size >> 20);
        double a = mib / time_primitive();
        double b = mib / time_disk(target, &err);
        double c = mib / time_encrypt(source, target, key, NULL, &err);
        double d = mib / time_encrypt(source, target, pair, &integrity, &err);
        bench_add(&primitive, a);
        bench_add(&disk, b);
        bench_add(&ours, c);
        bench_add(&ratio, c / (a < b ? a : b));
        bench_add(&tagged, d);
        bench_add(&tagged_ratio, d / (a < b ? a : b));
    }
    bench_heading("image encryption");
    bench_row("AES-256-XTS in memory, all cores", &primitive, "MiB/s");
    bench_row("written directly to this disk, and fsync", &disk, "MiB/s");
    bench_row("clo_encrypt, read, encrypted, written, fsync", &ours, "MiB/s");
    bench_row("ratio to the lower of the two", &ratio, "(goal: at least 0.85)");
    bench_row("the same with a tag for each sector", &tagged, "MiB/s");
    bench_row("ratio to the lower of the two", &tagged_ratio, "(goal: at least 0.60)");
    return 0;
}
