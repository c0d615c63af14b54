/* The registers that a CPU starts with, as each VMM sets them up (AMD 24593, APM volume 2, table B-4;
 * section 14.1.3 for the state after reset). */
#include <string.h>
#include <strings.h>

#include "lib/base/put.h"
#include "lib/launch/launch_internal.h"

/* Offsets in the VMSA. */
enum {
    ES = 0x000,
    CS = 0x010,
    SS = 0x020,
    DS = 0x030,
    FS = 0x040,
    GS = 0x050,
    GDTR = 0x060,
    LDTR = 0x070,
    IDTR = 0x080,
    TR = 0x090,
    EFER = 0x0d0,
    CR4 = 0x148,
    CR0 = 0x158,
    DR7 = 0x160,
    DR6 = 0x168,
    RFLAGS = 0x170,
    RIP = 0x178,
    RSP = 0x1d8,
    G_PAT = 0x268,
    RDX = 0x310,
    RBP = 0x328,
    RSI = 0x330,
    SEV_FEATURES = 0x3b0,
    XCR0 = 0x3e8,
    MXCSR = 0x408,
    X87_FCW = 0x410,
};

#define BSP_EIP     0xfffffff0U
#define PAT_RESET   UINT64_C(0x0007040600070406)
#define FCW_RESET   0x37f
#define MXCSR_RESET 0x1f80
#define SNP_ACTIVE  1
#define CS_SELECTOR 0xf000
#define SVSM_CODE   8
#define SVSM_DATA   16
#define KRUN_AP_EIP 0xfffffff3U

static const struct vmm_convention conventions[CLO_VMM_COUNT] = {
    [CLO_VMM_QEMU] = { "qemu", 0x9b, 0x9b, 0x93, 0x8b, .uses_signature = true, .mxcsr = MXCSR_RESET,
                       .fcw = FCW_RESET, .g_pat = PAT_RESET },
    [CLO_VMM_QEMU_2022] = { "qemu-2022", 0x9b, 0x9b, 0x93, 0x8b, .uses_signature = true,
                            .mxcsr = MXCSR_RESET, .fcw = FCW_RESET, .g_pat = PAT_RESET,
                            .hashes_first = true },
    [CLO_VMM_QEMU_FPU] = { "qemu-fpu", 0x9b, 0x9b, 0x93, 0x8b, .uses_signature = true,
                           .mxcsr = MXCSR_RESET, .fcw = FCW_RESET, .g_pat = PAT_RESET,
                           .only_svsm = true },
    [CLO_VMM_EC2] = { "ec2", 0x9a, 0x9b, 0x92, 0x83, .rdx = 0x600, .g_pat = PAT_RESET,
                      .cpuid_last = true },
    [CLO_VMM_EC2_RDX0] = { "ec2-rdx0", 0x9a, 0x9b, 0x92, 0x83, .g_pat = PAT_RESET,
                           .cpuid_last = true },
    [CLO_VMM_GCE] = { "gce", 0x9b, 0x9b, 0x93, 0x8b, .rdx = 0x600, .g_pat = 0x00070106,
                      .sec_mem_unmeasured = true },
    [CLO_VMM_KRUN] = { "krun", 0x9a, 0x9a, 0x92, 0x83, .g_pat = PAT_RESET, .bsp_rsi = 0x7000,
                       .bsp_rsp = 0x8ff0, .ap_eip = KRUN_AP_EIP },
    [CLO_VMM_KRUN_VIRTEE] = { "krun-virtee", 0x9a, 0x9a, 0x92, 0x83, .g_pat = PAT_RESET },
    [CLO_VMM_HYPERV] = { "hyperv", .only_igvm = true },
};

const struct vmm_convention *launch_convention(enum clo_vmm vmm)
{
    return &conventions[vmm];
}

const char *clo_vmm_name(enum clo_vmm vmm)
{
    return (size_t)vmm < CLO_COUNT(conventions) ? conventions[vmm].name : "unknown";
}

bool clo_vmm_from_name(const char *name, enum clo_vmm *out)
{
    for (size_t i = 0; i < CLO_COUNT(conventions); i++)
        if (strcasecmp(conventions[i].name, name) == 0) {
            *out = (enum clo_vmm)i;
            return true;
        }
    return false;
}

bool clo_vmm_fits(enum clo_vmm vmm, enum clo_launch_mode mode)
{
    if (conventions[vmm].only_igvm)
        return false;
    if (mode == CLO_LAUNCH_SNP_SVSM)
        return vmm == CLO_VMM_QEMU || vmm == CLO_VMM_QEMU_FPU;
    return !conventions[vmm].only_svsm;
}

bool clo_vmm_uses_signature(enum clo_vmm vmm)
{
    return conventions[vmm].uses_signature;
}

/* --- The page --- */

static void put_segment(uint8_t *at, uint16_t selector, uint16_t attributes, uint32_t limit,
                        uint64_t base)
{
    clo_put_le16(at, selector);
    clo_put_le16(at + 2, attributes);
    clo_put_le32(at + 4, limit);
    clo_put_le64(at + 8, base);
}

/* What all of them share. */
static void put_common(uint8_t *page)
{
    put_segment(page + GDTR, 0, 0, 0xffff, 0);
    put_segment(page + LDTR, 0, 0x82, 0xffff, 0);
    put_segment(page + IDTR, 0, 0, 0xffff, 0);
    clo_put_le64(page + EFER, 0x1000); /* SVME: KVM sets it */
    clo_put_le64(page + CR4, 0x40);    /* MCE: KVM sets it */
    clo_put_le64(page + DR7, 0x400);
    clo_put_le64(page + DR6, 0xffff0ff0);
    clo_put_le64(page + RFLAGS, 0x2);
    clo_put_le64(page + XCR0, 0x1);
}

/* Real mode, at the reset vector or where the firmware wants other CPUs. */
static void put_reset_state(const struct clo_launch *launch, bool is_bsp, uint32_t eip,
                            uint8_t *page)
{
    const struct vmm_convention *vmm = launch_convention(launch->vmm);

    put_common(page);
    put_segment(page + ES, 0, 0x93, 0xffff, 0);
    put_segment(page + CS, CS_SELECTOR, is_bsp ? vmm->bsp_cs : vmm->ap_cs, 0xffff,
                eip & 0xffff0000);
    put_segment(page + SS, 0, vmm->ss, 0xffff, 0);
    put_segment(page + DS, 0, 0x93, 0xffff, 0);
    put_segment(page + FS, 0, 0x93, 0xffff, 0);
    put_segment(page + GS, 0, 0x93, 0xffff, 0);
    put_segment(page + TR, 0, vmm->tr, 0xffff, 0);
    clo_put_le64(page + CR0, 0x10);
    clo_put_le64(page + RIP, eip & 0xffff);
    clo_put_le64(page + RSP, is_bsp ? vmm->bsp_rsp : 0);
    clo_put_le64(page + RBP, is_bsp ? vmm->bsp_rsp : 0);
    clo_put_le64(page + RSI, is_bsp ? vmm->bsp_rsi : 0);
    clo_put_le64(page + G_PAT, vmm->g_pat);
    clo_put_le64(page + RDX, vmm->uses_signature ? launch->vcpu_signature : vmm->rdx);
    clo_put_le64(page + SEV_FEATURES, launch->mode == CLO_LAUNCH_SNP ? launch->sev_features : 0);
    clo_put_le32(page + MXCSR, vmm->mxcsr);
    clo_put_le16(page + X87_FCW, vmm->fcw);
}

/* Flat protected mode, at the SVSM's entry point; every CPU alike. */
static void put_svsm_state(const struct clo_launch *launch, uint64_t eip, uint8_t *page)
{
    static const uint16_t data_segments[] = { ES, SS, DS, FS };

    put_common(page);
    for (size_t i = 0; i < CLO_COUNT(data_segments); i++)
        put_segment(page + data_segments[i], SVSM_DATA, 0xc93, 0xffffffff, 0);
    put_segment(page + CS, SVSM_CODE, 0xc9b, 0xffffffff, 0);
    put_segment(page + GS, 0, 0x93, 0xffff, 0);
    put_segment(page + TR, 0, 0x8b, 0xffff, 0);
    clo_put_le64(page + CR0, 0x11);
    clo_put_le64(page + RIP, eip);
    clo_put_le64(page + G_PAT, PAT_RESET);
    clo_put_le64(page + RDX, launch->vcpu_signature);
    clo_put_le64(page + SEV_FEATURES, SNP_ACTIVE);
    clo_put_le32(page + MXCSR, MXCSR_RESET);
    clo_put_le16(page + X87_FCW, launch->vmm == CLO_VMM_QEMU_FPU ? FCW_RESET : 0);
}

/* The u32 of a table entry that must be there. */
static bool read_entry(struct clo_bytes entry, const char *what, uint32_t *out,
                       struct clo_error *err)
{
    if (entry.data == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "the firmware has no %s", what);
    struct clo_reader r = clo_reader(entry);
    *out = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes, expected 4", what, entry.size);
    return true;
}

static bool find_ap_eip(const struct clo_launch *launch, uint32_t *out, struct clo_error *err)
{
    static const char what[] = "SEV-ES reset block";

    *out = launch_convention(launch->vmm)->ap_eip;
    if (*out != 0)
        return true;
    if (!read_entry(launch->firmware->es_reset, what, out, err))
        return false;
    return *out != 0 || clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: the address is zero", what);
}

bool clo_launch_vmsa(const struct clo_launch *launch, uint32_t index, uint8_t out[CLO_LAUNCH_PAGE],
                     struct clo_error *err)
{
    uint8_t page[CLO_LAUNCH_PAGE] = { 0 };
    uint32_t eip;

    if (launch->mode == CLO_LAUNCH_SEV)
        return clo_fail(err, CLO_ERR_USAGE, "SEV guests have no VMSA");
    if (launch->mode == CLO_LAUNCH_SNP_SVSM) {
        if (!read_entry(launch->svsm->svsm_info, "SVSM info block", &eip, err))
            return clo_wrap(err, "SVSM");
        uint64_t end = UINT64_C(0x100000000) - launch->firmware->image.size;
        put_svsm_state(launch, end - launch->vars_size - launch->svsm->image.size + eip, page);
    } else {
        if (!find_ap_eip(launch, &eip, err))
            return false;
        put_reset_state(launch, index == 0, index == 0 ? BSP_EIP : eip, page);
    }
    memcpy(out, page, sizeof page);
    return true;
}
