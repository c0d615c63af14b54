/* SEV metadata of a firmware image: which pages it wants, and what for (edk2,
 * OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm; QEMU, target/i386/sev.c). */
#include <string.h>

#include "cloister/launch.h"
#include "lib/launch/ovmf.h"

#define HEADER_SIZE      16
#define SECTION_SIZE     12
#define METADATA_VERSION 1

static const struct {
    enum clo_launch_section_type type;
    const char *name;
    bool is_one_page;
} section_types[] = {
    { CLO_SECTION_SEC_MEM, "SNP_SEC_MEM", false },
    { CLO_SECTION_SECRETS, "SNP_SECRETS", true },
    { CLO_SECTION_CPUID, "CPUID", true },
    { CLO_SECTION_SVSM_CAA, "SVSM_CAA", false },
    { CLO_SECTION_KERNEL_HASHES, "SNP_KERNEL_HASHES", false },
};

const char *clo_launch_section_name(uint32_t type)
{
    for (size_t i = 0; i < CLO_COUNT(section_types); i++)
        if (section_types[i].type == type)
            return section_types[i].name;
    return "unknown";
}

static bool is_one_page(uint32_t type)
{
    for (size_t i = 0; i < CLO_COUNT(section_types); i++)
        if (section_types[i].type == type)
            return section_types[i].is_one_page;
    return false;
}

static bool overlap(const struct clo_launch_section *a, const struct clo_launch_section *b)
{
    return a->gpa < (uint64_t)b->gpa + b->size && b->gpa < (uint64_t)a->gpa + a->size;
}

static bool check_section(const struct clo_launch_firmware *firmware,
                          const struct clo_launch_section *section, struct clo_error *err)
{
    const char *name = clo_launch_section_name(section->type);

    if (strcmp(name, "unknown") == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "type 0x%x is unknown", section->type);
    if (section->gpa % CLO_LAUNCH_PAGE != 0 || section->size % CLO_LAUNCH_PAGE != 0 ||
        section->size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s at 0x%x, size 0x%x: no whole pages", name,
                        section->gpa, section->size);
    if (is_one_page(section->type) && section->size != CLO_LAUNCH_PAGE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: size 0x%x, expected one page", name,
                        section->size);
    for (size_t i = 0; i < firmware->section_count; i++)
        if (overlap(section, &firmware->sections[i]))
            return clo_fail(err, CLO_ERR_FORMAT, "%s at 0x%x overlaps another", name, section->gpa);
    return true;
}

static bool read_sections(struct clo_bytes metadata, struct clo_launch_firmware *firmware,
                          struct clo_error *err)
{
    struct clo_reader r = clo_reader(metadata);
    struct clo_bytes signature = clo_read_bytes(&r, 4);
    uint32_t size = clo_read_le32(&r);
    uint32_t version = clo_read_le32(&r);
    uint32_t count = clo_read_le32(&r);

    if (!clo_reader_ok(&r) || memcmp(signature.data, "ASEV", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no signature ASEV");
    if (version != METADATA_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %u, expected %d", version,
                        METADATA_VERSION);
    if (count > CLO_LAUNCH_SECTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%u sections, at most %d expected", count,
                        CLO_LAUNCH_SECTIONS_MAX);
    if (size < HEADER_SIZE + count * SECTION_SIZE || size > metadata.size)
        return clo_fail(err, CLO_ERR_FORMAT, "size %u for %u sections, %zu bytes are there", size,
                        count, metadata.size);
    for (uint32_t i = 0; i < count; i++) {
        struct clo_launch_section section;
        section.gpa = clo_read_le32(&r);
        section.size = clo_read_le32(&r);
        section.type = clo_read_le32(&r);
        if (!check_section(firmware, &section, err))
            return clo_wrap(err, "section %u", i);
        firmware->sections[firmware->section_count++] = section;
    }
    firmware->has_sections = true;
    return true;
}

static struct clo_bytes entry_of(const struct clo_ovmf *ovmf, const struct clo_guid *guid)
{
    const struct clo_ovmf_entry *entry = clo_ovmf_find(ovmf, guid);

    return entry == NULL ? clo_bytes(NULL, 0) : entry->data;
}

bool clo_launch_firmware_parse(struct clo_bytes image, struct clo_launch_firmware *out,
                               struct clo_error *err)
{
    struct clo_launch_firmware firmware = { .image = image };
    struct clo_bytes metadata;
    struct clo_ovmf ovmf;

    if (image.size == 0 || image.size > UINT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "a firmware image of %zu bytes", image.size);
    if (!clo_ovmf_parse(image, &ovmf, err))
        return false;
    if (clo_ovmf_find(&ovmf, &clo_guid_ovmf_sev_metadata) != NULL &&
        (!clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_sev_metadata, &metadata, err) ||
         !read_sections(metadata, &firmware, err)))
        return clo_wrap(err, "SEV metadata");
    firmware.hashes = entry_of(&ovmf, &clo_guid_ovmf_sev_hashes);
    firmware.es_reset = entry_of(&ovmf, &clo_guid_ovmf_sev_es_reset);
    firmware.svsm_info = entry_of(&ovmf, &clo_guid_ovmf_svsm_info);
    *out = firmware;
    return true;
}

bool clo_launch_firmware_has(const struct clo_launch_firmware *firmware,
                             enum clo_launch_section_type type)
{
    for (size_t i = 0; i < firmware->section_count; i++)
        if (firmware->sections[i].type == (uint32_t)type)
            return true;
    return false;
}
