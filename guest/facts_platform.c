/* SEV-SNP: AMD64 APM volume 2 (24593, revision 3.42), section 15.34.10 (SEV_STATUS); volume 3, appendix
 * E.4.17 (CPUID 8000_001F). TDX: Intel TDX Module ABI specification (348551), CPUID 0x21, ATTRIBUTES.
 * Hyper-V: Linux, include/hyperv/hvgdk.h and arch/x86/kernel/cpu/mshyperv.c. */
#include <cpuid.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/facts_internal.h"

#define LEAF_TDX              0x21U
#define LEAF_HYPERVISOR       0x40000000U
#define LEAF_HYPERV_FEATURES  0x40000003U
#define LEAF_HYPERV_ISOLATION 0x4000000cU
#define LEAF_SEV              0x8000001fU
#define HYPERV_ISOLATION      (1U << 22) /* EBX of the features */
#define MSR_SEV_STATUS        0xc0010131U
#define TDREPORT_SIZE         1024
#define TDREPORT_ATTRIBUTES   512 /* TDINFO_STRUCT begins there */

/* linux/tdx-guest.h, which older systems do not have. */
struct tdx_report_request {
    uint8_t reportdata[64];
    uint8_t tdreport[TDREPORT_SIZE];
};
#define TDX_GET_REPORT _IOWR('T', 1, struct tdx_report_request)

struct leaf {
    unsigned eax, ebx, ecx, edx;
};

struct platform {
    const struct clo_tree
            *tree; /* where the pretend platform's files are; NULL: ask the processor */
};

/* "   0x8000001f 0x00: eax=0x0000001a ebx=… ecx=… edx=…" */
static bool find_leaf(const char *text, unsigned leaf, struct leaf *out)
{
    char line[256];

    while (clo_fact_line(&text, line, sizeof line)) {
        unsigned number, sub;
        if (sscanf(line, " 0x%x 0x%x: eax=0x%x ebx=0x%x ecx=0x%x edx=0x%x", &number, &sub,
                   &out->eax, &out->ebx, &out->ecx, &out->edx) == 6 &&
            number == leaf && sub == 0)
            return true;
    }
    *out = (struct leaf){ 0 };
    return false;
}

/* A leaf beyond what the processor has reads as zeros, as a pretend platform's that is not listed. */
static bool cpuid(const struct platform *platform, unsigned leaf, struct leaf *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };

    *out = (struct leaf){ 0 };
    if (platform->tree != NULL) {
        const char *text = clo_tree_text(platform->tree, "cpuid", &buffer);
        if (text != NULL)
            find_leaf(text, leaf, out);
        return text != NULL;
    }
    if (leaf < LEAF_HYPERVISOR || leaf >= 0x80000000U) {
        __get_cpuid_count(leaf, 0, &out->eax, &out->ebx, &out->ecx, &out->edx);
        return true;
    }
    struct leaf features;
    __cpuid(1, features.eax, features.ebx, features.ecx, features.edx);
    if ((features.ecx & 1U << 31) != 0) /* a hypervisor is there */
        __cpuid_count(leaf, 0, out->eax, out->ebx, out->ecx, out->edx);
    return true;
}

static bool read_msr(const struct platform *platform, unsigned msr, uint64_t *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char line[256];

    if (platform->tree == NULL) {
        CLO_CLEANUP(clo_fd_close) int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && pread(fd, out, sizeof *out, msr) == (ssize_t)sizeof *out;
    }
    const char *text = clo_tree_text(platform->tree, "msr", &buffer);
    while (text != NULL && clo_fact_line(&text, line, sizeof line)) {
        unsigned number;
        unsigned long long value;
        if (sscanf(line, "0x%x 0x%llx", &number, &value) == 2 && number == msr) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool read_tdreport(const struct platform *platform, uint8_t out[TDREPORT_SIZE])
{
    struct tdx_report_request request = { 0 };

    CLO_CLEANUP(clo_fd_close)
    int fd = platform->tree != NULL ? clo_tree_open(platform->tree, "tdreport", O_RDONLY)
                                    : open("/dev/tdx_guest", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (platform->tree != NULL)
        return pread(fd, out, TDREPORT_SIZE, 0) == TDREPORT_SIZE;
    if (ioctl(fd, TDX_GET_REPORT, &request) != 0)
        return false;
    memcpy(out, request.tdreport, TDREPORT_SIZE);
    return true;
}

static void set_flag(const struct clo_tree *tree, const char *name, bool is_on)
{
    clo_fact_set(tree, name, is_on ? "on" : "off");
}

static void set_snp(const struct clo_tree *tree, uint64_t status)
{
    set_flag(tree, "guest.snp_debug_swap", (status & 1U << 7) != 0);
    set_flag(tree, "guest.snp_secure_tsc", (status & 1U << 11) != 0);
    set_flag(tree, "guest.snp_smt_protection", (status & 1U << 17) != 0);
    clo_fact_set(tree, "guest.snp_injection",
                 (status & 1U << 5) != 0   ? "restricted"
                 : (status & 1U << 6) != 0 ? "alternate"
                                           : "anything");
}

static void set_tdx(const struct clo_tree *tree, const struct platform *platform)
{
    uint8_t report[TDREPORT_SIZE];

    if (!read_tdreport(platform, report))
        return;
    struct clo_reader r = clo_reader(clo_bytes(report + TDREPORT_ATTRIBUTES, 8));
    uint64_t attributes = clo_read_le64(&r);
    set_flag(tree, "guest.tdx_debug", (attributes & 1) != 0);
    set_flag(tree, "guest.tdx_sept_ve_disable", (attributes & 1U << 28) != 0);
    set_flag(tree, "guest.tdx_migratable", (attributes & 1U << 29) != 0);
    set_flag(tree, "guest.tdx_perfmon", (attributes & 1ULL << 63) != 0);
}

/* What isolates the guest, in the words of the two facts. */
struct isolation {
    const char *tee, *memory_encryption;
};
static const struct isolation unknown = { "unknown", "unknown" }, none = { "none", "off" },
                              sev = { "sev", "on" }, snp = { "snp", "on" }, tdx = { "tdx", "on" },
                              snp_paravisor = { "snp-paravisor", "on" },
                              tdx_paravisor = { "tdx-paravisor", "on" };

/* What isolates a Hyper-V guest that has a paravisor; NULL: nothing does. */
static const struct isolation *hyperv_tee(const struct platform *platform)
{
    struct leaf leaf;

    cpuid(platform, LEAF_HYPERVISOR, &leaf);
    if (leaf.ebx != 0x7263694d || leaf.ecx != 0x666f736f ||
        leaf.edx != 0x76482074) /* "Microsoft Hv" */
        return NULL;
    cpuid(platform, LEAF_HYPERV_FEATURES, &leaf);
    if ((leaf.ebx & HYPERV_ISOLATION) == 0)
        return NULL;
    cpuid(platform, LEAF_HYPERV_ISOLATION, &leaf);
    if ((leaf.eax & 1) == 0)
        return NULL;
    return (leaf.ebx & 15) == 2 ? &snp_paravisor : (leaf.ebx & 15) == 3 ? &tdx_paravisor : NULL;
}

static bool is_tdx(const struct platform *platform)
{
    struct leaf leaf;

    cpuid(platform, LEAF_TDX, &leaf); /* "IntelTDX    " */
    return leaf.ebx == 0x65746e49 && leaf.edx == 0x5844546c && leaf.ecx == 0x20202020;
}

/* SEV in CPUID is what the hypervisor says; SEV_STATUS is what the processor does. */
static const struct isolation *snp_tee(const struct clo_tree *tree, const struct platform *platform)
{
    struct leaf leaf;
    uint64_t status;

    cpuid(platform, LEAF_SEV, &leaf);
    if ((leaf.eax & 2) == 0)
        return &none;
    if (!read_msr(platform, MSR_SEV_STATUS, &status))
        return platform->tree == NULL && clo_tree_exists(tree, "dev/sev-guest") ? &snp : &unknown;
    if ((status & 4) == 0)
        return (status & 1) != 0 ? &sev : &none;
    set_snp(tree, status);
    return &snp;
}

static const struct isolation *find_tee(const struct clo_tree *tree,
                                        const struct platform *platform)
{
    struct leaf leaf;

    if (!cpuid(platform, 0, &leaf))
        return &unknown;
    const struct isolation *paravisor = hyperv_tee(platform);
    if (paravisor != NULL)
        return paravisor;
    if (!is_tdx(platform))
        return snp_tee(tree, platform);
    set_tdx(tree, platform);
    return &tdx;
}

static void set_tee(const struct clo_tree *tree, const struct platform *platform)
{
    const struct isolation *isolation = find_tee(tree, platform);

    clo_fact_set(tree, "guest.tee", isolation->tee);
    clo_fact_set(tree, "guest.memory_encryption", isolation->memory_encryption);
}

void clo_facts_platform(const struct clo_tree *tree, const char *platform)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = platform == NULL ? -1 : open(platform, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct clo_tree files = { .fd = fd };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    set_tee(tree, &(struct platform){ platform == NULL ? NULL : &files });
    const char *vmpl = clo_tree_text(tree, "sys/devices/system/cpu/sev/vmpl", &text);
    if (vmpl != NULL)
        clo_fact_set(tree, "guest.snp_vmpl", vmpl);
}
