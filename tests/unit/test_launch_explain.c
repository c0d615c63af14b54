#include "cloister/launch_explain.h"

#include "launch_cases.h"

#define KNOWN_ALL                                                              \
    (CLO_INPUT_VMM | CLO_INPUT_KERNEL | CLO_INPUT_INITRD | CLO_INPUT_CMDLINE | \
     CLO_INPUT_FEATURES | CLO_INPUT_SIGNATURE | CLO_INPUT_VCPUS | CLO_INPUT_VARS_SIZE)
#define MILAN 0x00a00f11
#define GENOA 0x00a10f10

static const char cmdline[] = "console=ttyS0 ";

/* A firmware, a kernel, and what is said of a launch. */
struct scene {
    struct clo_buffer ovmf, svsm;
    struct clo_launch_firmware firmware, svsm_firmware;
    struct clo_launch_kernel kernel;
    struct clo_launch launch;
    struct clo_launch_known known;
};

static void scene_free(struct scene *s)
{
    clo_buffer_free(&s->ovmf);
    clo_buffer_free(&s->svsm);
}

static void open_scene(const char *ovmf, struct scene *s)
{
    *s = (struct scene){ 0 };
    read_launch_file(ovmf, &s->ovmf);
    parse_firmware(&s->ovmf, &s->firmware);
    clo_launch_kernel_hash(clo_bytes("kernel", 6), clo_bytes("initrd", 6), cmdline, &s->kernel);
    s->launch = (struct clo_launch){ .vcpus = 2,
                                     .vcpu_signature = MILAN,
                                     .sev_features = 1,
                                     .firmware = &s->firmware,
                                     .kernel = &s->kernel };
    s->known = (struct clo_launch_known){ .launch = &s->launch,
                                          .known = KNOWN_ALL,
                                          .cmdline = cmdline,
                                          .has_initrd = true,
                                          .vcpus_max = 64 };
}

static void hash(struct clo_bytes in, uint8_t out[32])
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, in, &digest);
    memcpy(out, digest.bytes, 32);
}

/* What the launch really was, for each case. */
static void real_as_said(struct scene *s)
{
    (void)s;
}

static void real_four_cpus(struct scene *s)
{
    s->launch.vcpus = 4;
}

static void real_genoa(struct scene *s)
{
    s->launch.vcpu_signature = GENOA;
}

static void real_debug_swap(struct scene *s)
{
    s->launch.sev_features = 0x21;
}

static void real_secure_tsc(struct scene *s)
{
    s->launch.sev_features = 0x201;
}

static void real_no_kernel(struct scene *s)
{
    s->launch.kernel = NULL;
}

static void real_no_initrd(struct scene *s)
{
    hash(clo_bytes(NULL, 0), s->kernel.initrd);
}

static void real_no_nul(struct scene *s)
{
    hash(clo_bytes(cmdline, strlen(cmdline)), s->kernel.cmdline);
}

static void real_newline(struct scene *s)
{
    hash(clo_bytes("console=ttyS0 \n", 16), s->kernel.cmdline);
}

static void real_trimmed(struct scene *s)
{
    hash(clo_bytes("console=ttyS0", 14), s->kernel.cmdline);
}

static void real_blank(struct scene *s)
{
    hash(clo_bytes("console=ttyS0  ", 16), s->kernel.cmdline);
}

static void real_gce(struct scene *s)
{
    s->launch.vmm = CLO_VMM_GCE;
}

static void real_three_things(struct scene *s)
{
    s->launch.vcpus = 7;
    s->launch.sev_features = 0x21;
    hash(clo_bytes("console=ttyS0", 14), s->kernel.cmdline);
}

static void real_other_kernel(struct scene *s)
{
    s->kernel.kernel[0] ^= 1;
}

static void real_odd_machine(struct scene *s)
{
    s->launch.vcpu_signature = 0x00a00f7a;
}

static void test_causes(void **state)
{
    static const struct {
        const char *name;
        void (*make_real)(struct scene *s);
        bool is_explained;
        unsigned changed;
        struct clo_launch_match match;
    } cases[] = {
        { "as said", real_as_said, true, 0, { .vcpus = 2, .vcpu_signature = MILAN } },
        { "four CPUs",
          real_four_cpus,
          true,
          CLO_INPUT_VCPUS,
          { .vcpus = 4, .vcpu_signature = MILAN } },
        { "another model",
          real_genoa,
          true,
          CLO_INPUT_SIGNATURE,
          { .vcpus = 2, .vcpu_signature = GENOA } },
        { "DebugSwap",
          real_debug_swap,
          true,
          CLO_INPUT_FEATURES,
          { .vcpus = 2, .vcpu_signature = MILAN, .sev_features = 0x21 } },
        { "SecureTSC",
          real_secure_tsc,
          true,
          CLO_INPUT_FEATURES,
          { .vcpus = 2, .vcpu_signature = MILAN, .sev_features = 0x201 } },
        { "no kernel",
          real_no_kernel,
          true,
          CLO_INPUT_KERNEL,
          { .vcpus = 2, .vcpu_signature = MILAN } },
        { "no initrd",
          real_no_initrd,
          true,
          CLO_INPUT_INITRD,
          { .vcpus = 2, .vcpu_signature = MILAN, .has_kernel = true } },
        { "no NUL",
          real_no_nul,
          true,
          CLO_INPUT_CMDLINE,
          { .vcpus = 2, .vcpu_signature = MILAN, .cmdline = CLO_CMDLINE_WITHOUT_NUL } },
        { "a line end",
          real_newline,
          true,
          CLO_INPUT_CMDLINE,
          { .vcpus = 2, .vcpu_signature = MILAN, .cmdline = CLO_CMDLINE_NEWLINE } },
        { "trimmed",
          real_trimmed,
          true,
          CLO_INPUT_CMDLINE,
          { .vcpus = 2, .vcpu_signature = MILAN, .cmdline = CLO_CMDLINE_TRIMMED } },
        { "a blank at its end",
          real_blank,
          true,
          CLO_INPUT_CMDLINE,
          { .vcpus = 2, .vcpu_signature = MILAN, .cmdline = CLO_CMDLINE_BLANK } },
        { "another VMM",
          real_gce,
          true,
          CLO_INPUT_VMM,
          { .vcpus = 2, .vmm = CLO_VMM_GCE, .vcpu_signature = MILAN } },
        { "three things",
          real_three_things,
          true,
          CLO_INPUT_VCPUS | CLO_INPUT_FEATURES | CLO_INPUT_CMDLINE,
          { .vcpus = 7,
            .vcpu_signature = MILAN,
            .sev_features = 0x21,
            .cmdline = CLO_CMDLINE_TRIMMED } },
        { "another kernel", real_other_kernel, false, 0, { 0 } },
        { "a CPU nobody knows", real_odd_machine, false, 0, { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene real;
        CLO_CLEANUP(scene_free) struct scene said;
        struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
        const struct clo_launch_match *wanted = &cases[i].match;
        struct clo_digest digest;
        struct clo_error err;
        size_t count;
        open_scene("amdsev.fd", &real);
        open_scene("amdsev.fd", &said);
        cases[i].make_real(&real);
        CHECK(clo_launch_digest(&real.launch, &digest, &err), err.text);
        CHECK(clo_launch_explain(&said.known, digest.bytes, matches, &count, &err), err.text);
        CHECK(count == (cases[i].is_explained ? 1 : 0), cases[i].name);
        if (count == 0)
            continue;
        CHECK(matches[0].changed == cases[i].changed, cases[i].name);
        CHECK(matches[0].vcpus == wanted->vcpus && matches[0].vmm == wanted->vmm, cases[i].name);
        CHECK(matches[0].vcpu_signature == wanted->vcpu_signature, cases[i].name);
        CHECK(wanted->sev_features == 0 || matches[0].sev_features == wanted->sev_features,
              cases[i].name);
        CHECK(matches[0].cmdline == wanted->cmdline, cases[i].name);
        CHECK(matches[0].has_initrd == (cases[i].changed != CLO_INPUT_INITRD &&
                                        cases[i].changed != CLO_INPUT_KERNEL),
              cases[i].name);
    }
}

/* What is not known costs nothing; what cannot be told apart is listed. */
static void test_unknown(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
    struct clo_digest digest;
    struct clo_error err;
    size_t count;

    (void)state;
    open_scene("amdsev.fd", &s);
    s.launch.vcpus = 33;
    s.launch.vcpu_signature = GENOA;
    CHECK(clo_launch_digest(&s.launch, &digest, &err), err.text);
    s.launch.vcpus = 0;
    s.launch.vcpu_signature = 0;
    s.known.known &= ~(unsigned)(CLO_INPUT_VCPUS | CLO_INPUT_SIGNATURE);
    CHECK(clo_launch_explain(&s.known, digest.bytes, matches, &count, &err), err.text);
    CHECK(count == 1 && matches[0].changed == 0 && matches[0].vcpus == 33, "33 CPUs of Genoa");
    CHECK(matches[0].vcpu_signature == GENOA, "33 CPUs of Genoa");
    s.known.vcpus_max = 32;
    CHECK(clo_launch_explain(&s.known, digest.bytes, matches, &count, &err), err.text);
    CHECK(count == 0, "more than are tried");

    /* EC2 without RDX and krun as the crate computes it agree on every CPU but the first: with a
     * machine's signature that nobody knows the two must still be told apart. */
    s.launch.vcpus = 1;
    s.launch.vmm = CLO_VMM_EC2_RDX0;
    CHECK(clo_launch_digest(&s.launch, &digest, &err), err.text);
    s.launch.vmm = CLO_VMM_QEMU;
    CHECK(clo_launch_explain(&s.known, digest.bytes, matches, &count, &err), err.text);
    CHECK(count == 1 && matches[0].vmm == CLO_VMM_EC2_RDX0 && matches[0].changed == CLO_INPUT_VMM,
          "EC2");
}

/* The report says what the machine is. */
static void test_host(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
    struct clo_digest digest;
    struct clo_error err;
    size_t count;

    (void)state;
    open_scene("no-hashes.fd", &s);
    s.launch.kernel = NULL;
    s.launch.vcpu_signature = 0x00a00f7a;
    CHECK(clo_launch_digest(&s.launch, &digest, &err), err.text);
    s.launch.vcpu_signature = MILAN;
    s.known.host_signature = 0x00a00f7a;
    CHECK(clo_launch_explain(&s.known, digest.bytes, matches, &count, &err), err.text);
    CHECK(count == 1 && matches[0].changed == CLO_INPUT_SIGNATURE, "the host's own");
    CHECK(matches[0].vcpu_signature == 0x00a00f7a && !matches[0].has_kernel, "the host's own");
}

static void test_svsm(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
    struct clo_digest digest;
    struct clo_error err;
    size_t count;

    (void)state;
    open_scene("no-hashes.fd", &s);
    read_launch_file("svsm.fd", &s.svsm);
    parse_firmware(&s.svsm, &s.svsm_firmware);
    s.launch.kernel = NULL;
    s.launch.mode = CLO_LAUNCH_SNP_SVSM;
    s.launch.svsm = &s.svsm_firmware;
    s.launch.vars_size = 0x84000;
    s.launch.vmm = CLO_VMM_QEMU_FPU;
    CHECK(clo_launch_digest(&s.launch, &digest, &err), err.text);
    s.launch.vars_size = 0x1000;
    s.launch.vmm = CLO_VMM_QEMU;
    CHECK(clo_launch_explain(&s.known, digest.bytes, matches, &count, &err), err.text);
    CHECK(count == 1 && matches[0].changed == (CLO_INPUT_VMM | CLO_INPUT_VARS_SIZE), "two");
    CHECK(matches[0].vars_size == 0x84000 && matches[0].vmm == CLO_VMM_QEMU_FPU, "two");
}

static void test_refused(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
    static const uint8_t digest[CLO_LAUNCH_DIGEST_SIZE];
    struct clo_error err;
    size_t count;

    (void)state;
    open_scene("amdsev.fd", &s);
    s.known.vcpus_max = 4097;
    CHECK(!clo_launch_explain(&s.known, digest, matches, &count, &err), "too many");
    CHECK(strcmp(err.text, "4097 vCPUs: 1 to 4096 can be tried") == 0, err.text);
    s.launch.mode = CLO_LAUNCH_SEV_ES;
    CHECK(!clo_launch_explain(&s.known, digest, matches, &count, &err), "SEV-ES");
    CHECK(strcmp(err.text, "mode seves: only digests of SEV-SNP can be explained") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_causes), cmocka_unit_test(test_unknown), cmocka_unit_test(test_host),
        cmocka_unit_test(test_svsm),   cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
