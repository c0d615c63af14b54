#include "cloister/launch.h"

#include <string.h>
#include <strings.h>

#include "cloister/encoding.h"
#include "lib/base/put.h"
#include "lib/launch/launch_internal.h"

#define FOUR_GIB UINT64_C(0x100000000)

static const struct {
    const char *name;
    enum clo_launch_mode mode;
} modes[] = {
    { "snp", CLO_LAUNCH_SNP },
    { "snp:svsm", CLO_LAUNCH_SNP_SVSM },
    { "seves", CLO_LAUNCH_SEV_ES },
    { "sev", CLO_LAUNCH_SEV },
    { "sev-snp", CLO_LAUNCH_SNP },
    { "sev-es", CLO_LAUNCH_SEV_ES },
    { "sev-snp:svsm", CLO_LAUNCH_SNP_SVSM },
};

const char *clo_launch_mode_name(enum clo_launch_mode mode)
{
    for (size_t i = 0; i < CLO_COUNT(modes); i++)
        if (modes[i].mode == mode)
            return modes[i].name;
    return "unknown";
}

bool clo_launch_mode_from_name(const char *name, enum clo_launch_mode *out)
{
    for (size_t i = 0; i < CLO_COUNT(modes); i++)
        if (strcasecmp(modes[i].name, name) == 0) {
            *out = modes[i].mode;
            return true;
        }
    return false;
}

/* --- Direct boot (QEMU, target/i386/sev.c: SevHashTable) --- */

static const struct clo_guid guid_hashes = { { 0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c, 0xb4,
                                               0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 } };
static const struct clo_guid guid_kernel = { { 0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8,
                                               0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b } };
static const struct clo_guid guid_initrd = { { 0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a,
                                               0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d } };
static const struct clo_guid guid_cmdline = { { 0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                                0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a } };

void clo_launch_kernel_hash(struct clo_bytes kernel, struct clo_bytes initrd, const char *cmdline,
                            struct clo_launch_kernel *out)
{
    const struct clo_bytes parts[] = { kernel, initrd, clo_bytes(cmdline, strlen(cmdline) + 1) };
    uint8_t *const digests[] = { out->kernel, out->initrd, out->cmdline };

    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        struct clo_digest digest;
        clo_hash(CLO_HASH_SHA256, parts[i], &digest);
        memcpy(digests[i], digest.bytes, sizeof out->kernel);
    }
}

static uint8_t *put_hash(uint8_t *at, const struct clo_guid *guid, const uint8_t hash[32])
{
    memcpy(at, guid->bytes, 16);
    clo_put_le16(at + 16, 16 + 2 + 32);
    memcpy(at + 18, hash, 32);
    return at + 16 + 2 + 32;
}

void clo_launch_hashes_table(const struct clo_launch_kernel *kernel,
                             uint8_t out[CLO_LAUNCH_HASHES_SIZE])
{
    uint8_t *at = out + 16 + 2;

    memset(out, 0, CLO_LAUNCH_HASHES_SIZE);
    memcpy(out, guid_hashes.bytes, 16);
    at = put_hash(at, &guid_cmdline, kernel->cmdline);
    at = put_hash(at, &guid_initrd, kernel->initrd);
    at = put_hash(at, &guid_kernel, kernel->kernel);
    clo_put_le16(out + 16, (uint16_t)(at - out));
}

/* Where the firmware looks for the table; OVMF's other builds say nowhere by an address of zero. */
static bool find_hashes(const struct clo_launch_firmware *firmware, uint32_t *gpa,
                        struct clo_error *err)
{
    struct clo_reader r = clo_reader(firmware->hashes);

    *gpa = clo_read_le32(&r);
    uint32_t size = clo_read_le32(&r);
    if (firmware->hashes.data != NULL && !clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "hashes table entry: %zu bytes, expected 8",
                        firmware->hashes.size);
    if (*gpa == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "a kernel is given, but this firmware has no hashes table: it would start "
                        "a kernel unmeasured; OVMF's AmdSev build has one");
    if (size < CLO_LAUNCH_HASHES_SIZE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "a kernel is given, but the firmware has %u bytes for the hashes table, "
                        "expected %d",
                        size, CLO_LAUNCH_HASHES_SIZE);
    return true;
}

/* The page with the table, `gpa` where the table is. */
static bool make_hashes_page(const struct clo_launch *launch, uint32_t *gpa,
                             uint8_t page[CLO_LAUNCH_PAGE], struct clo_error *err)
{
    if (!find_hashes(launch->firmware, gpa, err))
        return false;
    uint32_t offset = *gpa % CLO_LAUNCH_PAGE;
    if (offset > CLO_LAUNCH_PAGE - CLO_LAUNCH_HASHES_SIZE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "the hashes table at 0x%x does not fit its page",
                        *gpa);
    memset(page, 0, CLO_LAUNCH_PAGE);
    clo_launch_hashes_table(launch->kernel, page + offset);
    return true;
}

/* --- SNP --- */

static bool measure_section(const struct clo_launch *launch,
                            const struct clo_launch_section *section, struct launch_chain *chain,
                            struct clo_error *err)
{
    const struct vmm_convention *vmm = launch_convention(launch->vmm);
    uint8_t page[CLO_LAUNCH_PAGE];
    uint32_t gpa;

    switch (section->type) {
    case CLO_SECTION_SEC_MEM:
        launch_chain_pages(chain, vmm->sec_mem_unmeasured ? PAGE_UNMEASURED : PAGE_ZERO,
                           section->gpa, section->size);
        return true;
    case CLO_SECTION_SECRETS:
        launch_chain_page(chain, PAGE_SECRETS, NULL, section->gpa);
        return true;
    case CLO_SECTION_CPUID:
        if (!vmm->cpuid_last)
            launch_chain_page(chain, PAGE_CPUID, NULL, section->gpa);
        return true;
    case CLO_SECTION_KERNEL_HASHES:
        if (launch->kernel != NULL) {
            if (section->size != CLO_LAUNCH_PAGE)
                return clo_fail(err, CLO_ERR_UNSUPPORTED,
                                "SNP_KERNEL_HASHES: size 0x%x, expected one page", section->size);
            if (!make_hashes_page(launch, &gpa, page, err))
                return false;
            launch_chain_data(chain, PAGE_NORMAL, page, section->gpa);
            return true;
        }
        break;
    default: /* SVSM_CAA */
        break;
    }
    launch_chain_pages(chain, PAGE_ZERO, section->gpa, section->size);
    return true;
}

static bool measure_sections(const struct clo_launch *launch,
                             const struct clo_launch_firmware *firmware, struct launch_chain *chain,
                             struct clo_error *err)
{
    bool has_place = clo_launch_firmware_has(firmware, CLO_SECTION_KERNEL_HASHES);

    if (launch_convention(launch->vmm)->hashes_first && has_place)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "QEMU before March 2023 does not know SNP_KERNEL_HASHES sections");
    if (launch->kernel != NULL && !has_place && !launch_convention(launch->vmm)->hashes_first)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "a kernel is given, but the firmware's SEV metadata has no "
                        "SNP_KERNEL_HASHES section: it would start a kernel unmeasured; OVMF's "
                        "AmdSev build has one");
    for (size_t i = 0; i < firmware->section_count; i++)
        if (!measure_section(launch, &firmware->sections[i], chain, err))
            return false;
    for (size_t i = 0; launch_convention(launch->vmm)->cpuid_last && i < firmware->section_count;
         i++)
        if (firmware->sections[i].type == CLO_SECTION_CPUID)
            launch_chain_page(chain, PAGE_CPUID, NULL, firmware->sections[i].gpa);
    return true;
}

/* An image's pages; `digests` NULL: they are hashed now. */
static bool measure_image(const struct clo_launch_firmware *firmware, const uint8_t *digests,
                          uint64_t gpa, struct launch_chain *chain, struct clo_error *err)
{
    struct clo_bytes image = firmware->image;
    uint8_t contents[CLO_LAUNCH_DIGEST_SIZE];

    if (image.size % CLO_LAUNCH_PAGE != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "an image of %zu bytes: no whole pages", image.size);
    for (size_t i = 0; i < image.size / CLO_LAUNCH_PAGE; i++) {
        const uint8_t *page = image.data + i * CLO_LAUNCH_PAGE;
        const uint8_t *known = digests == NULL ? NULL : digests + i * CLO_LAUNCH_DIGEST_SIZE;
        bool is_repeated = i > 0 && known == NULL &&
                           memcmp(page, page - CLO_LAUNCH_PAGE, CLO_LAUNCH_PAGE) == 0;
        if (known == NULL && !is_repeated)
            launch_hash_page(chain->hasher, page, contents);
        launch_chain_page(chain, PAGE_NORMAL, known == NULL ? contents : known,
                          gpa + i * CLO_LAUNCH_PAGE);
    }
    return true;
}

static uint64_t firmware_gpa(const struct clo_launch *launch)
{
    return FOUR_GIB - launch->firmware->image.size;
}

static bool measure_svsm(const struct clo_launch *launch, struct launch_chain *chain,
                         struct clo_error *err)
{
    uint64_t below = firmware_gpa(launch);
    size_t size = launch->svsm->image.size;

    if (launch->kernel != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "an SVSM launch measures no kernel");
    if (launch->vars_size % CLO_LAUNCH_PAGE != 0 || launch->vars_size > below ||
        size > below - launch->vars_size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "variables of %zu bytes and an SVSM of %zu: no whole pages below OVMF",
                        launch->vars_size, size);
    return measure_image(launch->svsm, launch->svsm_page_digests, below - launch->vars_size - size,
                         chain, err) &&
           measure_sections(launch, launch->svsm, chain, err);
}

/* The table's page right after the firmware, whether or not a section asks for it. */
static bool measure_hashes_first(const struct clo_launch *launch, struct launch_chain *chain,
                                 struct clo_error *err)
{
    uint8_t page[CLO_LAUNCH_PAGE];
    uint32_t gpa;

    if (launch->kernel == NULL || !launch_convention(launch->vmm)->hashes_first)
        return true;
    if (!make_hashes_page(launch, &gpa, page, err))
        return false;
    launch_chain_data(chain, PAGE_NORMAL, page, gpa - gpa % CLO_LAUNCH_PAGE);
    return true;
}

bool launch_before_vmsa(const struct clo_launch *launch, struct launch_chain *chain,
                        struct clo_error *err)
{
    bool is_svsm = launch->mode == CLO_LAUNCH_SNP_SVSM;

    launch_chain_open(chain, launch->ovmf_hash);
    if (launch->ovmf_hash == NULL &&
        !measure_image(launch->firmware, launch->page_digests, firmware_gpa(launch), chain, err))
        return clo_wrap(err, "firmware");
    if (is_svsm)
        return measure_svsm(launch, chain, err) || clo_wrap(err, "SVSM");
    return measure_hashes_first(launch, chain, err) &&
           measure_sections(launch, launch->firmware, chain, err);
}

static void chain_digest(const struct launch_chain *chain, struct clo_digest *out)
{
    *out = (struct clo_digest){ .hash = CLO_HASH_SHA384 };
    memcpy(out->bytes, chain->digest, sizeof chain->digest);
}

static bool snp_digest(const struct clo_launch *launch, struct clo_digest *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(launch_chain_close) struct launch_chain chain = { 0 };
    uint8_t contents[CLO_LAUNCH_DIGEST_SIZE];
    uint8_t page[CLO_LAUNCH_PAGE];

    if (!launch_before_vmsa(launch, &chain, err))
        return false;
    for (uint32_t i = 0; i < launch->vcpus; i++) {
        if (i < 2) { /* all others are like the second */
            if (!clo_launch_vmsa(launch, i, page, err))
                return false;
            launch_hash_page(chain.hasher, page, contents);
        }
        launch_chain_page(&chain, PAGE_VMSA, contents, VMSA_GPA);
    }
    chain_digest(&chain, out);
    return true;
}

bool clo_launch_ovmf_hash(const struct clo_launch *launch, struct clo_digest *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(launch_chain_close) struct launch_chain chain = { 0 };

    launch_chain_open(&chain, NULL);
    if (!measure_image(launch->firmware, launch->page_digests, firmware_gpa(launch), &chain, err))
        return clo_wrap(err, "firmware");
    chain_digest(&chain, out);
    return true;
}

/* --- SEV and SEV-ES: one SHA-256 over all of it --- */

static bool flat_digest(const struct clo_launch *launch, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    uint8_t page[CLO_LAUNCH_PAGE];
    uint32_t gpa;

    clo_hasher_add(hasher, launch->firmware->image);
    if (launch->kernel != NULL) {
        if (!find_hashes(launch->firmware, &gpa, err))
            return false;
        clo_launch_hashes_table(launch->kernel, page);
        clo_hasher_add(hasher, clo_bytes(page, CLO_LAUNCH_HASHES_SIZE));
    }
    for (uint32_t i = 0; launch->mode == CLO_LAUNCH_SEV_ES && i < launch->vcpus; i++) {
        if (i < 2 && !clo_launch_vmsa(launch, i, page, err))
            return false;
        clo_hasher_add(hasher, clo_bytes(page, sizeof page));
    }
    clo_hasher_get(hasher, out);
    return true;
}

bool clo_launch_digest(const struct clo_launch *launch, struct clo_digest *out,
                       struct clo_error *err)
{
    bool is_snp = launch->mode == CLO_LAUNCH_SNP || launch->mode == CLO_LAUNCH_SNP_SVSM;

    if (launch->mode != CLO_LAUNCH_SEV &&
        (launch->vcpus == 0 || launch->vcpus > CLO_LAUNCH_VCPUS_MAX))
        return clo_fail(err, CLO_ERR_USAGE, "%u vCPUs: 1 to %d can be had", launch->vcpus,
                        CLO_LAUNCH_VCPUS_MAX);
    if (!clo_vmm_fits(launch->vmm, launch->mode))
        return clo_fail(err, CLO_ERR_USAGE, "VMM %s has no mode %s", clo_vmm_name(launch->vmm),
                        clo_launch_mode_name(launch->mode));
    if (launch->ovmf_hash != NULL && launch->mode != CLO_LAUNCH_SNP)
        return clo_fail(err, CLO_ERR_USAGE, "an OVMF hash is a start for mode snp alone");
    return is_snp ? snp_digest(launch, out, err) : flat_digest(launch, out, err);
}
