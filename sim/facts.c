/* CPUID leaves and SEV_STATUS as in the AMD64 APM (24593, section 15.34.10; 24594, appendix E.4.17), TDX as in
 * the Intel TDX Module ABI specification (348551), Hyper-V's isolation leaf as Linux reads it. */
#include "sim/facts.h"

#include <stdio.h>
#include <string.h>

#include "device/file.h"

#define TDREPORT_SIZE       1024
#define TDREPORT_ATTRIBUTES 512

#define LEAF(number, eax, ebx, ecx, edx) \
    "   " number " 0x00: eax=" eax " ebx=" ebx " ecx=" ecx " edx=" edx "\n"
#define FIRST LEAF("0x00000000", "0x00000010", "0x68747541", "0x444d4163", "0x69746e65")
#define SEV   LEAF("0x8000001f", "0x0000001a", "0x00000033", "0x00000000", "0x00000000")
#define TDX   LEAF("0x00000021", "0x00000000", "0x65746e49", "0x20202020", "0x5844546c")
#define HYPERV                                                                 \
    LEAF("0x40000000", "0x4000000c", "0x7263694d", "0x666f736f", "0x76482074") \
    LEAF("0x40000003", "0x00000e7f", "0x00400000", "0x00000000", "0x00000000") \
    LEAF("0x4000000c", "0x00000001", "0x00000bb2", "0x00000000", "0x00000000")

static const struct {
    const char *kind;
    const char *cpuid;
    const char *msr; /* NULL: none */
    bool is_tdx;
    uint64_t attributes;
} kinds[] = {
    /* SEV, SEV-ES and SNP active; restricted injection, DebugSwap, SecureTsc */
    { "snp", FIRST SEV, "0xc0010131 0x00000000000008a7\n", false, 0 },
    { "snp-bare", FIRST SEV, "0xc0010131 0x0000000000000007\n", false, 0 },
    { "sev", FIRST SEV, "0xc0010131 0x0000000000000001\n", false, 0 },
    { "snp-paravisor", FIRST HYPERV, NULL, false, 0 },
    { "tdx", FIRST TDX, NULL, true, 1U << 28 },
    { "tdx-debug", FIRST TDX, NULL, true, 1U | 1U << 29 },
    { "none", FIRST, NULL, false, 0 },
};

static bool put(const char *folder, const char *name, struct clo_bytes bytes, struct clo_error *err)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return clo_file_write(path, bytes, 0644, err);
}

static bool put_tdreport(const char *folder, uint64_t attributes, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };

    clo_buffer_u8(&report, 0x81); /* REPORTTYPE: a TD */
    clo_buffer_zero(&report, TDREPORT_ATTRIBUTES - 1);
    clo_buffer_le64(&report, attributes);
    clo_buffer_le64(&report, 0x61ae7); /* XFAM */
    clo_buffer_zero(&report, TDREPORT_SIZE - report.size);
    return put(folder, "tdreport", clo_buffer_bytes(&report), err);
}

bool sim_facts_make(const char *kind, const char *folder, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        return put(folder, "cpuid", clo_bytes_text(kinds[i].cpuid), err) &&
               (kinds[i].msr == NULL || put(folder, "msr", clo_bytes_text(kinds[i].msr), err)) &&
               (!kinds[i].is_tdx || put_tdreport(folder, kinds[i].attributes, err));
    }
    return clo_fail(err, CLO_ERR_USAGE,
                    "'%.40s': snp, snp-bare, sev, snp-paravisor, tdx, tdx-debug or none", kind);
}
