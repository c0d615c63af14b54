#include "cloister/tdvf.h"

#include <string.h>

#include "lib/launch/ovmf.h"

#define DESCRIPTOR_SIZE 16
#define SECTION_SIZE    32
#define ADDED_PAGES_MAX ((uint64_t)1 << 20) /* 4 GiB: what MRTD is asked to go through */

const char *clo_tdvf_type_name(uint32_t type)
{
    static const char *const names[] = { "BFV",           "CFV",      "TD_HOB",
                                         "TEMP_MEM",      "PERM_MEM", "PAYLOAD",
                                         "PAYLOAD_PARAM", "TD_INFO",  "TD_PARAMS" };

    return type < CLO_COUNT(names) ? names[type] : NULL;
}

const struct clo_tdvf_section *clo_tdvf_find(const struct clo_tdvf *tdvf, enum clo_tdvf_type type)
{
    for (size_t i = 0; i < tdvf->count; i++)
        if (tdvf->sections[i].type == type)
            return &tdvf->sections[i];
    return NULL;
}

/* --- What a section must be, for every loader to read it alike --- */

static bool check_memory(const struct clo_tdvf_section *section, struct clo_error *err)
{
    uint64_t at = section->address;
    uint64_t size = section->memory_size;
    bool is_nowhere = at == 0 && size == 0 && section->attributes == 0;

    if (section->type >= CLO_TDVF_TD_INFO && is_nowhere)
        return true;
    if (at % CLO_TDVF_PAGE != 0 || size % CLO_TDVF_PAGE != 0 || size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "0x%llx bytes at 0x%llx are not whole pages",
                        (unsigned long long)size, (unsigned long long)at);
    if (size > UINT64_MAX - at)
        return clo_fail(err, CLO_ERR_FORMAT, "0x%llx bytes at 0x%llx leave the address space",
                        (unsigned long long)size, (unsigned long long)at);
    return true;
}

static bool check_content(const struct clo_tdvf_section *section, uint32_t raw_size,
                          struct clo_error *err)
{
    bool extends = (section->attributes & CLO_TDVF_MR_EXTEND) != 0;
    bool must_be_empty = section->type == CLO_TDVF_TD_HOB || section->type == CLO_TDVF_TEMP_MEM;

    if (raw_size > section->memory_size && section->memory_size != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "0x%x bytes of data for 0x%llx of memory", raw_size,
                        (unsigned long long)section->memory_size);
    if (must_be_empty && raw_size != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "has data, where memory of zeros belongs");
    if (extends && (section->attributes & CLO_TDVF_PAGE_AUG) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "is measured, and added only after that");
    /* Loaders differ in what lies beyond the data: zeros, or what follows in the image. */
    if (extends && raw_size != section->memory_size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "0x%llx bytes are measured, and it has 0x%x bytes of data",
                        (unsigned long long)section->memory_size, raw_size);
    return true;
}

static bool check_section(const struct clo_tdvf_section *section, uint32_t raw_size,
                          struct clo_error *err)
{
    static const uint32_t known = CLO_TDVF_MR_EXTEND | CLO_TDVF_PAGE_AUG;

    if (clo_tdvf_type_name(section->type) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "type %u", section->type);
    if ((section->attributes & ~known) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "attributes 0x%x", section->attributes);
    return check_memory(section, err) && check_content(section, raw_size, err);
}

static bool read_section(struct clo_reader *r, struct clo_bytes image, struct clo_tdvf_section *out,
                         struct clo_error *err)
{
    struct clo_tdvf_section section = { 0 };

    uint32_t data_offset = clo_read_le32(r);
    uint32_t raw_size = clo_read_le32(r);
    section.address = clo_read_le64(r);
    section.memory_size = clo_read_le64(r);
    section.type = clo_read_le32(r);
    section.attributes = clo_read_le32(r);
    if (!check_section(&section, raw_size, err))
        return false;
    if (raw_size != 0) {
        if (data_offset > image.size || raw_size > image.size - data_offset)
            return clo_fail(err, CLO_ERR_FORMAT, "data 0x%x to 0x%llx, the image has 0x%zx bytes",
                            data_offset, (unsigned long long)data_offset + raw_size, image.size);
        section.data = clo_bytes_slice(image, data_offset, raw_size);
    }
    *out = section;
    return true;
}

/* --- What they must be together --- */

static bool overlap(const struct clo_tdvf_section *a, const struct clo_tdvf_section *b)
{
    return a->address < b->address + b->memory_size && b->address < a->address + a->memory_size;
}

static bool check_together(const struct clo_tdvf *tdvf, struct clo_error *err)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < tdvf->count; i++) {
        const struct clo_tdvf_section *section = &tdvf->sections[i];
        for (size_t k = 0; k < i; k++) {
            if (overlap(&tdvf->sections[k], section))
                return clo_fail(err, CLO_ERR_FORMAT, "section %zu: overlaps section %zu", i, k);
            if (section->type == CLO_TDVF_TD_HOB && tdvf->sections[k].type == CLO_TDVF_TD_HOB)
                return clo_fail(err, CLO_ERR_FORMAT, "section %zu: a second TD_HOB", i);
        }
        if ((section->attributes & CLO_TDVF_PAGE_AUG) != 0)
            continue;
        if (section->memory_size / CLO_TDVF_PAGE > ADDED_PAGES_MAX - pages)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than 4 GiB of memory is added");
        pages += section->memory_size / CLO_TDVF_PAGE;
    }
    const struct clo_tdvf_section *code = clo_tdvf_find(tdvf, CLO_TDVF_BFV);
    if (code == NULL || (code->attributes & CLO_TDVF_MR_EXTEND) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no boot firmware volume (BFV) that is measured");
    return true;
}

static bool read_descriptor(struct clo_reader *r, uint32_t *count, struct clo_error *err)
{
    size_t available = clo_reader_left(r);
    struct clo_bytes signature = clo_read_bytes(r, 4);
    uint32_t length = clo_read_le32(r);
    uint32_t version = clo_read_le32(r);

    *count = clo_read_le32(r);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %d at least", available,
                        DESCRIPTOR_SIZE);
    if (memcmp(signature.data, "TDVF", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "does not begin with TDVF");
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %u", version);
    if (*count == 0 || *count > CLO_TDVF_SECTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%u sections, expected 1 to %d", *count,
                        CLO_TDVF_SECTIONS_MAX);
    if (length > available || length < DESCRIPTOR_SIZE + *count * SECTION_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "length %u for %u sections, the image has %zu bytes",
                        length, *count, available);
    return true;
}

static bool read_metadata(struct clo_bytes image, struct clo_bytes metadata, struct clo_tdvf *tdvf,
                          struct clo_error *err)
{
    struct clo_reader r = clo_reader(metadata);
    uint32_t count;

    if (!read_descriptor(&r, &count, err))
        return false;
    for (; tdvf->count < count; tdvf->count++)
        if (!read_section(&r, image, &tdvf->sections[tdvf->count], err))
            return clo_wrap(err, "section %zu", tdvf->count);
    return check_together(tdvf, err);
}

bool clo_tdvf_parse(struct clo_bytes image, struct clo_tdvf *out, struct clo_error *err)
{
    struct clo_ovmf ovmf;
    struct clo_bytes metadata;
    struct clo_tdvf tdvf = { .count = 0 };

    if (!clo_ovmf_parse(image, &ovmf, err))
        return false;
    if (clo_ovmf_find(&ovmf, &clo_guid_ovmf_tdx_metadata) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "no TDX metadata in it: a firmware that was not built for TDX");
    if (!clo_ovmf_metadata(&ovmf, &clo_guid_ovmf_tdx_metadata, &metadata, err))
        return false;
    if (!read_metadata(image, metadata, &tdvf, err))
        return clo_wrap(err, "TDX metadata");
    *out = tdvf;
    return true;
}
