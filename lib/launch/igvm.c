#include "cloister/igvm.h"

#include <string.h>

#include "lib/launch/igvm_internal.h"

#define FIXED_HEADER_SIZE    24
#define FIXED_HEADER_SIZE_V2 32
#define CHECKSUM_AT          20
#define TLV_SIZE             8
#define ARCHITECTURE_X64     0
#define ANY_SIZE             UINT32_MAX

/* Each type that a loader must know, its section (they come in order), and its size. */
static const struct {
    uint32_t type;
    const char *name;
    uint32_t size;
} header_types[] = {
    { IGVM_SUPPORTED_PLATFORM, "supported platform", 16 },
    { IGVM_GUEST_POLICY, "guest policy", 16 },
    { IGVM_RELOCATABLE_REGION, "relocatable region", 48 },
    { IGVM_PAGE_TABLE_RELOCATION, "page table relocation", 32 },
    { IGVM_PARAMETER_AREA, "parameter area", 16 },
    { IGVM_PAGE_DATA, "page data", 24 },
    { IGVM_PARAMETER_INSERT, "parameter insert", 16 },
    { IGVM_VP_CONTEXT, "VP context", 20 },
    { IGVM_REQUIRED_MEMORY, "required memory", 24 },
    { IGVM_VP_COUNT, "VP count", 8 },
    { IGVM_SRAT, "SRAT", 8 },
    { IGVM_MADT, "MADT", 8 },
    { IGVM_MMIO_RANGES, "MMIO ranges", 8 },
    { IGVM_SNP_ID_BLOCK, "SNP ID block", 696 },
    { IGVM_MEMORY_MAP, "memory map", 8 },
    { IGVM_ERROR_RANGE, "error range", 16 },
    { IGVM_COMMAND_LINE, "command line", 8 },
    { IGVM_SLIT, "SLIT", 8 },
    { IGVM_PPTT, "PPTT", 8 },
    { IGVM_VBS_MEASUREMENT, "VBS measurement", 864 },
    { IGVM_DEVICE_TREE, "device tree", 8 },
    { IGVM_ENVIRONMENT_INFO, "environment info", 8 },
    { IGVM_CORIM_MEASUREMENT, "CoRIM measurement", ANY_SIZE },
};

/* Index in the table above, or its size. */
static size_t find_type(uint32_t type)
{
    size_t i = 0;

    while (i < CLO_COUNT(header_types) && header_types[i].type != type)
        i++;
    return i;
}

/* --- Structures --- */

struct igvm_page igvm_read_page(struct clo_bytes data)
{
    struct clo_reader r = clo_reader(data);
    struct igvm_page page;

    page.gpa = clo_read_le64(&r);
    page.mask = clo_read_le32(&r);
    page.file_offset = clo_read_le32(&r);
    page.flags = clo_read_le32(&r);
    page.data_type = clo_read_le16(&r);
    page.reserved = clo_read_le16(&r);
    return page;
}

struct igvm_area igvm_read_area(struct clo_bytes data)
{
    struct clo_reader r = clo_reader(data);
    struct igvm_area area;

    area.size = clo_read_le64(&r);
    area.index = clo_read_le32(&r);
    area.file_offset = clo_read_le32(&r);
    return area;
}

struct igvm_insert igvm_read_insert(struct clo_bytes data)
{
    struct clo_reader r = clo_reader(data);
    struct igvm_insert insert;

    insert.gpa = clo_read_le64(&r);
    insert.mask = clo_read_le32(&r);
    insert.index = clo_read_le32(&r);
    return insert;
}

struct igvm_vp igvm_read_vp(struct clo_bytes data)
{
    struct clo_reader r = clo_reader(data);
    struct igvm_vp vp;

    vp.gpa = clo_read_le64(&r);
    vp.mask = clo_read_le32(&r);
    vp.file_offset = clo_read_le32(&r);
    vp.index = clo_read_le16(&r);
    vp.reserved = clo_read_le16(&r);
    return vp;
}

/* --- Checks of one header --- */

static bool check_gpa(uint64_t gpa, struct clo_error *err)
{
    return gpa % CLO_LAUNCH_PAGE == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "address 0x%llx is not a page's", (unsigned long long)gpa);
}

/* Data at an offset in the file; 0 stands for none. */
static bool check_file_data(const struct clo_igvm *igvm, uint32_t offset, uint64_t size,
                            struct clo_error *err)
{
    size_t headers_end = (size_t)(igvm->headers.data - igvm->file.data) + igvm->headers.size;

    if (offset == 0)
        return true;
    if (offset < headers_end || offset > igvm->file.size || size > igvm->file.size - offset)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "0x%llx bytes of data at 0x%x are not in the file's data",
                        (unsigned long long)size, offset);
    return true;
}

static bool check_page(const struct clo_igvm *igvm, struct clo_bytes data, struct clo_error *err)
{
    struct igvm_page page = igvm_read_page(data);
    bool is_2mb = (page.flags & IGVM_FLAG_2MB) != 0;

    if ((page.flags & ~(IGVM_FLAG_2MB | IGVM_FLAG_UNMEASURED | IGVM_FLAG_SHARED)) != 0 ||
        page.reserved != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "reserved bits are not zero");
    if (page.data_type > IGVM_DATA_CPUID_XF || (is_2mb && page.data_type != IGVM_DATA_NORMAL))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "data type %u", page.data_type);
    if (is_2mb && page.gpa % IGVM_2MB != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "address 0x%llx is none of 2 MiB",
                        (unsigned long long)page.gpa);
    return check_gpa(page.gpa, err) &&
           check_file_data(igvm, page.file_offset, is_2mb ? IGVM_2MB : CLO_LAUNCH_PAGE, err);
}

static bool check_area(const struct clo_igvm *igvm, struct clo_bytes data, struct clo_error *err)
{
    struct igvm_area area = igvm_read_area(data);

    if (area.size % CLO_LAUNCH_PAGE != 0 || area.size > IGVM_AREA_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "0x%llx bytes: no whole pages, or too many",
                        (unsigned long long)area.size);
    return check_file_data(igvm, area.file_offset, area.size, err);
}

static bool check_vp(const struct clo_igvm *igvm, struct clo_bytes data, struct clo_error *err)
{
    struct igvm_vp vp = igvm_read_vp(data);

    if (vp.reserved != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "reserved bits are not zero");
    if (vp.file_offset == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no data");
    /* How long it is depends on the platform; a page is what SEV-SNP needs, see measuring. */
    return check_gpa(vp.gpa, err) && check_file_data(igvm, vp.file_offset, 1, err);
}

static bool add_platform(struct clo_igvm *igvm, struct clo_bytes data, struct clo_error *err)
{
    struct clo_reader r = clo_reader(data);
    struct clo_igvm_platform platform;

    platform.compatibility_mask = clo_read_le32(&r);
    platform.highest_vtl = clo_read_u8(&r);
    platform.platform_type = clo_read_u8(&r);
    platform.platform_version = clo_read_le16(&r);
    platform.shared_gpa_boundary = clo_read_le64(&r);
    if (__builtin_popcount(platform.compatibility_mask) != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "compatibility mask 0x%x has not one bit",
                        platform.compatibility_mask);
    for (size_t i = 0; i < igvm->platform_count; i++)
        if (igvm->platforms[i].compatibility_mask == platform.compatibility_mask)
            return clo_fail(err, CLO_ERR_FORMAT, "compatibility mask 0x%x is another one's",
                            platform.compatibility_mask);
    igvm->platforms[igvm->platform_count++] = platform; /* no two alike: at most 32 */
    return true;
}

static bool check_header(struct clo_igvm *igvm, const struct igvm_header *header,
                         struct clo_error *err)
{
    switch (header->type) {
    case IGVM_SUPPORTED_PLATFORM:
        return add_platform(igvm, header->data, err);
    case IGVM_PAGE_DATA:
        return check_page(igvm, header->data, err);
    case IGVM_PARAMETER_AREA:
        return check_area(igvm, header->data, err);
    case IGVM_PARAMETER_INSERT:
        return check_gpa(igvm_read_insert(header->data).gpa, err);
    case IGVM_VP_CONTEXT:
        return check_vp(igvm, header->data, err);
    default:
        return true;
    }
}

/* --- Variable headers --- */

static size_t padding(size_t size)
{
    return (8 - size % 8) % 8;
}

/* Reads type, size, data, and the padding after it. */
static bool read_tlv(struct clo_reader *r, struct igvm_header *out, struct clo_error *err)
{
    out->type = clo_read_le32(r);
    uint32_t size = clo_read_le32(r);
    out->data = clo_read_bytes(r, size);
    bool has_data = clo_reader_ok(r);
    /* The last one's padding may be missing. */
    size_t pad = padding(size) < clo_reader_left(r) ? padding(size) : clo_reader_left(r);
    if (!has_data)
        return clo_fail(err, CLO_ERR_FORMAT, "type 0x%x, size %u: the headers end before",
                        out->type, size);
    return clo_bytes_all(clo_read_bytes(r, pad), 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "the padding after it is not zero");
}

static bool check_type(const struct igvm_header *header, uint32_t *section, struct clo_error *err)
{
    size_t i = find_type(header->type);

    if (i == CLO_COUNT(header_types))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "type 0x%x is unknown, and must not be ignored",
                        header->type);
    if (header_types[i].size != ANY_SIZE && header->data.size != header_types[i].size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes, expected %u", header_types[i].name,
                        header->data.size, header_types[i].size);
    if (header->type >> 8 < *section)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: comes after a later section",
                        header_types[i].name);
    *section = header->type >> 8;
    return true;
}

static bool read_headers(struct clo_igvm *igvm, struct clo_error *err)
{
    struct clo_reader r = clo_reader(igvm->headers);
    size_t start = (size_t)(igvm->headers.data - igvm->file.data);
    struct igvm_header header;
    uint32_t section = 0;

    while (clo_reader_left(&r) > 0) {
        header.at = start + r.at;
        if (!read_tlv(&r, &header, err))
            return clo_wrap(err, "header at 0x%zx", header.at);
        if ((header.type & IGVM_MAY_BE_IGNORED) != 0)
            continue;
        if (!check_type(&header, &section, err))
            return clo_wrap(err, "header at 0x%zx", header.at);
        if (!check_header(igvm, &header, err))
            return clo_wrap(err, "header at 0x%zx: %s", header.at,
                            header_types[find_type(header.type)].name);
    }
    return true;
}

bool igvm_next(const struct clo_igvm *igvm, size_t *at, struct igvm_header *out)
{
    struct clo_reader r = clo_reader(igvm->headers);
    struct clo_error ignored;

    r.at = *at;
    if (clo_reader_left(&r) == 0 || !read_tlv(&r, out, &ignored))
        return false;
    out->at = (size_t)(igvm->headers.data - igvm->file.data) + *at;
    *at = r.at;
    return true;
}

/* --- The file --- */

/* CRC-32 of both headers, its own field taken as zero. */
static bool check_checksum(const struct clo_igvm *igvm, size_t fixed_size, uint32_t checksum,
                           struct clo_error *err)
{
    uint8_t fixed[FIXED_HEADER_SIZE_V2];

    memcpy(fixed, igvm->file.data, fixed_size);
    memset(fixed + CHECKSUM_AT, 0, 4);
    uint32_t crc = clo_crc32(clo_crc32(0, clo_bytes(fixed, fixed_size)), igvm->headers);
    return crc == checksum || clo_fail(err, CLO_ERR_FORMAT,
                                       "checksum 0x%08x, its headers have "
                                       "0x%08x",
                                       checksum, crc);
}

static bool read_fixed(struct clo_igvm *igvm, struct clo_error *err)
{
    struct clo_reader r = clo_reader(igvm->file);
    struct clo_bytes magic = clo_read_bytes(&r, 4);
    size_t fixed_size = FIXED_HEADER_SIZE;
    uint32_t architecture = ARCHITECTURE_X64, page_size = CLO_LAUNCH_PAGE;

    igvm->format_version = clo_read_le32(&r);
    uint32_t offset = clo_read_le32(&r);
    uint32_t size = clo_read_le32(&r);
    uint32_t total = clo_read_le32(&r);
    uint32_t checksum = clo_read_le32(&r);
    if (igvm->format_version == 2) {
        architecture = clo_read_le32(&r);
        page_size = clo_read_le32(&r);
        fixed_size = FIXED_HEADER_SIZE_V2;
    }
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r.at);
    if (memcmp(magic.data, "IGVM", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no signature IGVM");
    if (igvm->format_version != 1 && igvm->format_version != 2)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %u, expected 1 or 2",
                        igvm->format_version);
    if (architecture != ARCHITECTURE_X64 || page_size != CLO_LAUNCH_PAGE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "architecture %u with pages of %u bytes",
                        architecture, page_size);
    if (total != igvm->file.size)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, its header says %u", igvm->file.size,
                        total);
    if (offset < fixed_size || offset % 8 != 0 || offset > total || size > total - offset)
        return clo_fail(err, CLO_ERR_FORMAT, "variable headers at 0x%x, size 0x%x: not in the file",
                        offset, size);
    igvm->headers = clo_bytes_slice(igvm->file, offset, size);
    return check_checksum(igvm, fixed_size, checksum, err);
}

bool clo_igvm_parse(struct clo_bytes in, struct clo_igvm *out, struct clo_error *err)
{
    struct clo_igvm igvm = { .file = in };

    if (!read_fixed(&igvm, err) || !read_headers(&igvm, err))
        return clo_wrap(err, "IGVM");
    *out = igvm;
    return true;
}
