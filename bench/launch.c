/* An SNP launch digest against the hashing that it cannot avoid; and whole processes: the program next to
 * sev-snp-measure, in turns.
 *
 *   bench-launch FIRMWARE [CLOISTER PEER KERNEL INITRD] */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "bench.h"
#include "cloister/launch.h"
#include "device/file.h"

#define ROUNDS         20
#define PROCESS_ROUNDS 11
#define INFO_SIZE      112
#define VCPUS          "4"

static uint8_t sink[64];

/* SHA-384 of each page, and of a PAGE_INFO for each: nothing else. */
static void hash_bare(EVP_MD_CTX *context, const EVP_MD *md, struct clo_bytes image)
{
    uint8_t info[INFO_SIZE] = { 0 };

    for (size_t at = 0; at < image.size; at += CLO_LAUNCH_PAGE) {
        if (EVP_DigestInit_ex2(context, md, NULL) != 1 ||
            EVP_DigestUpdate(context, image.data + at, CLO_LAUNCH_PAGE) != 1 ||
            EVP_DigestFinal_ex(context, info + 48, NULL) != 1 ||
            EVP_DigestInit_ex2(context, md, NULL) != 1 ||
            EVP_DigestUpdate(context, info, sizeof info) != 1 ||
            EVP_DigestFinal_ex(context, sink, NULL) != 1)
            abort();
        memcpy(info, sink, 48);
    }
}

static void bench_library(struct clo_bytes image)
{
    struct bench_series bare = { 0 }, digest = { 0 }, ratio = { 0 };
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct clo_launch_firmware firmware;
    struct clo_digest out;
    struct clo_error err;

    if (!clo_launch_firmware_parse(image, &firmware, &err))
        bench_fail(&err);
    const struct clo_launch launch = {
        .vcpus = 4, .vcpu_signature = 0x800f12, .sev_features = 1, .firmware = &firmware
    };
    for (int i = 0; i < ROUNDS; i++) {
        double start = bench_now();
        hash_bare(context, md, image);
        double middle = bench_now();
        if (!clo_launch_digest(&launch, &out, &err))
            bench_fail(&err);
        double end = bench_now();
        bench_add(&bare, (middle - start) * 1e3);
        bench_add(&digest, (end - middle) * 1e3);
        bench_add(&ratio, (end - middle) / (middle - start));
    }
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
    bench_row("SHA-384 of each page and of its PAGE_INFO", &bare, "ms");
    bench_row("clo_launch_digest", &digest, "ms");
    bench_row("  ratio", &ratio, "");
}

/* --- Whole processes --- */

static double run(char *const argv[])
{
    double start = bench_now();
    pid_t child = fork();
    int status;

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "bench: %s does not run\n", argv[0]);
        exit(4);
    }
    return (bench_now() - start) * 1e3;
}

static void bench_processes(const char *title, char *const ours[], char *const peer[])
{
    struct bench_series mine = { 0 }, theirs = { 0 }, ratio = { 0 };

    run(ours);
    run(peer);
    for (int i = 0; i < PROCESS_ROUNDS; i++) {
        double first = run(ours);
        double second = run(peer);
        bench_add(&mine, first);
        bench_add(&theirs, second);
        bench_add(&ratio, second / first);
    }
    bench_heading(title);
    bench_row("cloister measure snp", &mine, "ms");
    bench_row("sev-snp-measure", &theirs, "ms");
    bench_row("  times as fast", &ratio, "");
}

int main(int argc, char **argv)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_error err;

    if (argc != 2 && argc != 6) {
        fprintf(stderr, "usage: bench-launch FIRMWARE [CLOISTER PEER KERNEL INITRD]\n");
        return 2;
    }
    if (!clo_file_read(argv[1], CLO_FILE_LIMIT, &image, &err))
        bench_fail(&err);
    bench_heading("SNP launch digest, 4 MiB of firmware without equal pages, 4 vCPUs");
    bench_library(clo_buffer_bytes(&image));
    if (argc == 2)
        return 0;
    static char mode[] = "--mode=snp", vcpus[] = "--vcpus=" VCPUS, type[] = "--vcpu-type=EPYC-v4";
    static char ovmf[] = "--ovmf", kernel[] = "--kernel", initrd[] = "--initrd";
    static char append[] = "--append", cmdline[] = "console=ttyS0 root=/dev/vda1";
    static char measure[] = "measure", snp[] = "snp";
    char *const ours[] = { argv[2], measure, snp, mode, vcpus, type, ovmf, argv[1], NULL };
    char *const peer[] = { argv[3], mode, vcpus, type, ovmf, argv[1], NULL };
    bench_processes("\nWhole process", ours, peer);
    char *const ours_kernel[] = { argv[2], measure, snp,    mode,    vcpus,  type,    ovmf, argv[1],
                                  kernel,  argv[4], initrd, argv[5], append, cmdline, NULL };
    char *const peer_kernel[] = { argv[3], mode,   vcpus,   type,   ovmf,    argv[1], kernel,
                                  argv[4], initrd, argv[5], append, cmdline, NULL };
    bench_processes("\nWhole process, with kernel and initrd to hash", ours_kernel, peer_kernel);
    return 0;
}
