/* An audit of a configuration, and of a UKI, as `cloister audit` makes it: read, unpacked, parsed and held
 * against every rule. The bounds: 20 ms for a configuration, 1 s for a UKI of 100 MB. */
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cloister/uki.h"
#include "device/file.h"
#include "image/subject.h"

#define ROUNDS   5
#define OPTIONS  13000
#define UKI_SIZE ((size_t)100000000)

static double time_audit(const char *path, size_t *findings)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
    struct clo_audit_request request = { .platforms = CLO_AUDIT_FOR_DEFAULT };
    struct clo_audit_facts facts;
    struct clo_error err;
    double start = bench_now();

    if (!clo_audit_rules_new(&rules, &err) || !clo_subject_new(&subject, &err) ||
        !clo_subject_add(&subject, path, &err))
        bench_fail(&err);
    clo_subject_facts(&subject, &facts);
    request.rules = rules;
    if (!clo_audit_run(&request, &facts, &audit, &err))
        bench_fail(&err);
    *findings = audit.count;
    return bench_now() - start;
}

/* The best of some rounds: what else the machine does only adds. */
static void report(const char *what, const char *path, size_t bytes, double bound)
{
    double best = 1e9;
    size_t findings = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double took = time_audit(path, &findings);
        best = took < best ? took : best;
    }
    printf("audit of %-14s %6.1f MB  %7.1f ms (bound %.0f ms), %zu rules asked\n", what,
           (double)bytes / 1e6, best * 1e3, bound * 1e3, findings);
}

static size_t write_file(const char *path, const struct clo_buffer *bytes)
{
    struct clo_error err;

    if (!clo_file_write(path, clo_buffer_bytes(bytes), 0600, &err))
        bench_fail(&err);
    return bytes->size;
}

/* As long as the longest of distributions'. */
static size_t make_config(const char *path)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_buffer_text(&text, "# Linux/x86 6.12.0 Kernel Configuration\nCONFIG_64BIT=y\n");
    for (int i = 0; i < OPTIONS; i++)
        clo_buffer_printf(&text,
                          i % 5 == 0 ? "# CONFIG_SOME_DRIVER_%d is not set\n"
                                     : "CONFIG_SOME_DRIVER_%d=m\n",
                          i);
    return write_file(path, &text);
}

static void put_entry(struct clo_buffer *out, const char *name, size_t size)
{
    clo_buffer_printf(out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s", 0,
                      0100644, 0, 0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0, name);
    clo_buffer_u8(out, 0);
    clo_buffer_align(out, 4);
}

/* A stub, a kernel, and an initrd that makes up the rest. */
static size_t make_uki(const char *stub_path, const char *kernel_path, const char *path)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_error err;

    if (!clo_file_read(stub_path, UKI_SIZE, &stub, &err) ||
        !clo_file_read(kernel_path, UKI_SIZE, &kernel, &err))
        bench_fail(&err);
    size_t rest = UKI_SIZE - stub.size - kernel.size;
    put_entry(&initrd, "lib/modules/dm-crypt.ko", rest);
    clo_buffer_zero(&initrd, rest);
    clo_buffer_align(&initrd, 4);
    put_entry(&initrd, "TRAILER!!!", 0);
    const struct clo_uki_parts parts = { .stub = clo_buffer_bytes(&stub),
                                         .kernel = clo_buffer_bytes(&kernel),
                                         .initrd = clo_buffer_bytes(&initrd),
                                         .cmdline = clo_bytes_text("quiet") };
    if (!clo_uki_build(&parts, &image, &err))
        bench_fail(&err);
    return write_file(path, &image);
}

int main(int argc, char **argv)
{
    char path[4200];

    if (argc != 4) {
        fprintf(stderr, "bench-audit: usage: bench-audit STUB KERNEL FOLDER\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bench-audit", argv[3]);
    report("a configuration", path, make_config(path), 0.020);
    report("a UKI", path, make_uki(argv[1], argv[2], path), 1.0);
    unlink(path);
    return 0;
}
