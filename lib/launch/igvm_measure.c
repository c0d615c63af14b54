/* From an IGVM file's directives to the launch digest, as QEMU with KVM and Hyper-V load them. */
#include <string.h>

#include "lib/launch/igvm_internal.h"
#include "lib/launch/launch_internal.h"

#define AREAS_MAX 256

/* One walk through the directives of one platform. */
struct walk {
    const struct clo_igvm *igvm;
    bool is_qemu;
    uint32_t mask;
    struct launch_chain chain;
    uint8_t zero_page[CLO_LAUNCH_DIGEST_SIZE];
    struct igvm_area areas[AREAS_MAX];
    bool is_inserted[AREAS_MAX];
    size_t area_count;
    struct clo_bytes vmsa; /* QEMU: measured last */
    struct clo_igvm_launch result;
};

static void measure_page(struct walk *w, enum page_type type, const uint8_t *contents, uint64_t gpa)
{
    launch_chain_page(&w->chain, type, contents, gpa);
    w->result.measured_pages++;
}

/* QEMU gives a page without data as the hardware's zero page, Hyper-V as any other: the
 * specification wants the latter. */
static void measure_normal(struct walk *w, uint64_t gpa, const uint8_t *data)
{
    uint8_t contents[CLO_LAUNCH_DIGEST_SIZE];

    if (data == NULL) {
        measure_page(w, w->is_qemu ? PAGE_ZERO : PAGE_NORMAL, w->is_qemu ? NULL : w->zero_page,
                     gpa);
        return;
    }
    launch_hash_page(w->chain.hasher, data, contents);
    measure_page(w, PAGE_NORMAL, contents, gpa);
}

static void walk_page(struct walk *w, struct clo_bytes header)
{
    struct igvm_page page = igvm_read_page(header);
    const uint8_t *data = page.file_offset == 0 ? NULL : w->igvm->file.data + page.file_offset;
    size_t size = (page.flags & IGVM_FLAG_2MB) != 0 ? IGVM_2MB : CLO_LAUNCH_PAGE;

    if ((page.mask & w->mask) == 0)
        return;
    /* QEMU does not know shared pages, and measures them. */
    if (!w->is_qemu && (page.flags & IGVM_FLAG_SHARED) != 0)
        return;
    for (size_t at = 0; at < size; at += CLO_LAUNCH_PAGE) {
        uint64_t gpa = page.gpa + at;
        if (page.data_type == IGVM_DATA_SECRETS)
            measure_page(w, PAGE_SECRETS, NULL, gpa);
        else if (page.data_type != IGVM_DATA_NORMAL)
            measure_page(w, PAGE_CPUID, NULL, gpa);
        else if ((page.flags & IGVM_FLAG_UNMEASURED) != 0)
            measure_page(w, PAGE_UNMEASURED, NULL, gpa);
        else
            measure_normal(w, gpa, data == NULL ? NULL : data + at);
    }
}

static bool walk_area(struct walk *w, struct clo_bytes header, struct clo_error *err)
{
    struct igvm_area area = igvm_read_area(header);

    for (size_t i = 0; i < w->area_count; i++)
        if (w->areas[i].index == area.index)
            return clo_fail(err, CLO_ERR_FORMAT, "parameter area %u: is there twice", area.index);
    if (w->area_count == AREAS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d parameter areas", AREAS_MAX);
    w->areas[w->area_count++] = area;
    return true;
}

/* An area's contents are the host's to write: its pages count, what is in them does not. */
static bool walk_insert(struct walk *w, struct clo_bytes header, struct clo_error *err)
{
    struct igvm_insert insert = igvm_read_insert(header);

    if ((insert.mask & w->mask) == 0)
        return true;
    for (size_t i = 0; i < w->area_count; i++) {
        if (w->areas[i].index != insert.index)
            continue;
        if (w->is_inserted[i])
            return clo_fail(err, CLO_ERR_FORMAT, "parameter area %u: inserted twice", insert.index);
        w->is_inserted[i] = true;
        for (uint64_t at = 0; at < w->areas[i].size; at += CLO_LAUNCH_PAGE)
            measure_page(w, PAGE_UNMEASURED, NULL, insert.gpa + at);
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "parameter area %u: inserted, but not declared",
                    insert.index);
}

static bool walk_vp(struct walk *w, struct clo_bytes header, struct clo_error *err)
{
    struct igvm_vp vp = igvm_read_vp(header);

    if ((vp.mask & w->mask) == 0)
        return true;
    struct clo_bytes vmsa = clo_bytes_slice(w->igvm->file, vp.file_offset, CLO_LAUNCH_PAGE);
    if (vmsa.size != CLO_LAUNCH_PAGE)
        return clo_fail(err, CLO_ERR_FORMAT, "VP context: the file ends within its VMSA");
    w->result.vmsa_count++;
    if (!w->is_qemu) {
        launch_chain_data(&w->chain, PAGE_VMSA, vmsa.data, vp.gpa);
        return true;
    }
    if (w->result.vmsa_count > 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "more than one VP context: QEMU with KVM can set the first CPU's alone");
    if (vp.gpa != VMSA_GPA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VP context at 0x%llx: QEMU with KVM has it at 0x%llx",
                        (unsigned long long)vp.gpa, (unsigned long long)VMSA_GPA);
    w->vmsa = vmsa;
    return true;
}

static bool walk_id_block(struct walk *w, struct clo_bytes header, struct clo_error *err)
{
    struct clo_reader r = clo_reader(header);
    uint32_t mask = clo_read_le32(&r);

    if ((mask & w->mask) == 0)
        return true;
    if (w->result.has_id_block)
        return clo_fail(err, CLO_ERR_FORMAT, "more than one SNP ID block");
    clo_read_skip(&r, 4);
    w->result.has_id_block = true;
    memcpy(w->result.id_block_digest, clo_read_bytes(&r, CLO_LAUNCH_DIGEST_SIZE).data,
           CLO_LAUNCH_DIGEST_SIZE);
    return true;
}

static void walk_policy(struct walk *w, struct clo_bytes header)
{
    struct clo_reader r = clo_reader(header);
    uint64_t policy = clo_read_le64(&r);

    if ((clo_read_le32(&r) & w->mask) == 0)
        return;
    w->result.has_policy = true;
    w->result.policy = policy;
}

static bool walk_header(struct walk *w, const struct igvm_header *header, struct clo_error *err)
{
    switch (header->type) {
    case IGVM_GUEST_POLICY:
        walk_policy(w, header->data);
        return true;
    case IGVM_RELOCATABLE_REGION:
    case IGVM_PAGE_TABLE_RELOCATION:
        w->result.is_relocatable = true;
        return true;
    case IGVM_PAGE_DATA:
        walk_page(w, header->data);
        return true;
    case IGVM_PARAMETER_AREA:
        return walk_area(w, header->data, err);
    case IGVM_PARAMETER_INSERT:
        return walk_insert(w, header->data, err);
    case IGVM_VP_CONTEXT:
        return walk_vp(w, header->data, err);
    case IGVM_SNP_ID_BLOCK:
        return walk_id_block(w, header->data, err);
    default: /* measures nothing */
        return true;
    }
}

static void walk_close(struct walk *w)
{
    launch_chain_close(&w->chain);
}

static bool find_platform(struct walk *w, struct clo_error *err)
{
    for (size_t i = 0; i < w->igvm->platform_count; i++)
        if (w->igvm->platforms[i].platform_type == CLO_IGVM_SEV_SNP)
            w->mask |= w->igvm->platforms[i].compatibility_mask;
    if (w->mask == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "it is for no SEV-SNP platform");
    if (__builtin_popcount(w->mask) != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "it is for more than one SEV-SNP platform");
    return true;
}

static bool measure(struct walk *w, struct clo_error *err)
{
    static const uint8_t zeros[CLO_LAUNCH_PAGE];
    struct igvm_header header;
    size_t at = 0;

    if (!find_platform(w, err))
        return false;
    launch_chain_open(&w->chain, NULL);
    launch_hash_page(w->chain.hasher, zeros, w->zero_page);
    while (igvm_next(w->igvm, &at, &header))
        if (!walk_header(w, &header, err))
            return clo_wrap(err, "header at 0x%zx", header.at);
    if (w->vmsa.size != 0)
        launch_chain_data(&w->chain, PAGE_VMSA, w->vmsa.data, VMSA_GPA);
    w->result.digest.hash = CLO_HASH_SHA384;
    memcpy(w->result.digest.bytes, w->chain.digest, sizeof w->chain.digest);
    w->result.id_block_agrees =
            w->result.has_id_block &&
            memcmp(w->result.id_block_digest, w->chain.digest, sizeof w->chain.digest) == 0;
    return true;
}

bool clo_igvm_measure(const struct clo_igvm *igvm, enum clo_vmm vmm, struct clo_igvm_launch *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(walk_close) struct walk w = { .igvm = igvm, .is_qemu = vmm == CLO_VMM_QEMU };

    if (vmm != CLO_VMM_QEMU && vmm != CLO_VMM_HYPERV)
        return clo_fail(err, CLO_ERR_USAGE, "IGVM: VMM %s loads no such files", clo_vmm_name(vmm));
    if (!measure(&w, err))
        return clo_wrap(err, "IGVM");
    *out = w.result;
    return true;
}
