#include "lib/disk/vmdk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR       512U
#define AT_END       UINT64_MAX
#define GRAIN_MIN    8U /* sectors */
#define GRAIN_MAX    4096U
#define SIZE_MAX_TIB ((uint64_t)64 << 40)

#define LINE_ENDS    (1U << 0) /* the four characters below say if a transfer as text broke the file */
#define ZERO_GRAINS  (1U << 2)
#define COMPRESSED   (1U << 16)
#define MARKERS      (1U << 17)
#define REDUNDANT    (1U << 1)
#define FLAGS_KNOWN  (LINE_ENDS | REDUNDANT | ZERO_GRAINS | COMPRESSED | MARKERS)
#define ALGO_DEFLATE 1

#define WAY_OUT "'qemu-img convert -O qcow2' gives one that is read"

bool clo_vmdk_guess(struct clo_bytes head)
{
    return clo_bytes_equal(clo_bytes_slice(head, 0, 4), clo_bytes("KDMV", 4));
}

bool clo_vmdk_guess_text(struct clo_bytes head)
{
    static const char beginning[] = "# Disk DescriptorFile";

    return clo_bytes_equal(clo_bytes_slice(head, 0, sizeof beginning - 1),
                           clo_bytes(beginning, sizeof beginning - 1));
}

/* --- The header --- */

static bool check_tables(struct clo_vmdk *vmdk, uint64_t capacity, uint64_t grain,
                         struct clo_error *err)
{
    uint64_t sectors = grain * CLO_VMDK_TABLE;
    uint64_t count = (capacity - 1) / sectors + 1;

    if (count > CLO_VMDK_TABLES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: %" PRIu64 " tables, at most %u expected", count,
                        CLO_VMDK_TABLES_MAX);
    vmdk->table_count = (uint32_t)count;
    if (vmdk->is_at_end)
        return true;
    if (vmdk->directory_at == 0 || vmdk->directory_at > vmdk->file_size ||
        (vmdk->file_size - vmdk->directory_at) / 4 < count)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: its directory is not in the file");
    return true;
}

static bool check_flags(uint32_t flags, uint16_t algorithm, struct clo_error *err)
{
    if ((flags & ~FLAGS_KNOWN) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VMDK: flags 0x%" PRIx32 " are not known",
                        flags & ~FLAGS_KNOWN);
    if ((flags & COMPRESSED) != 0 && ((flags & MARKERS) == 0 || algorithm != ALGO_DEFLATE))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VMDK: is compressed in a way that is not known");
    return true;
}

static bool take_place(struct clo_vmdk *vmdk, uint64_t directory, uint64_t descriptor,
                       uint64_t descriptor_sectors, struct clo_error *err)
{
    uint64_t last = vmdk->file_size / SECTOR;

    vmdk->is_at_end = directory == AT_END;
    if (!vmdk->is_at_end && directory > last)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: its directory is not in the file");
    vmdk->directory_at = vmdk->is_at_end ? 0 : directory * SECTOR;
    if (descriptor == 0 || descriptor_sectors == 0)
        return true;
    if (descriptor > last || descriptor_sectors > last - descriptor ||
        descriptor_sectors > CLO_VMDK_DESCRIPTOR_MAX / SECTOR)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: its description is not in the file");
    vmdk->descriptor_at = descriptor * SECTOR;
    vmdk->descriptor_size = descriptor_sectors * SECTOR;
    return true;
}

/* "SparseExtentHeader", Virtual Disk Format 5.0, "Hosted Sparse Extents". */
bool clo_vmdk_parse(struct clo_bytes header, uint64_t file_size, struct clo_vmdk *out,
                    struct clo_error *err)
{
    struct clo_vmdk vmdk = { .file_size = file_size };
    struct clo_reader r = clo_reader(header);

    if (header.size < CLO_VMDK_HEADER_SIZE || !clo_vmdk_guess(header))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: \"KDMV\" is missing");
    clo_read_skip(&r, 4);
    uint32_t version = clo_read_le32(&r);
    uint32_t flags = clo_read_le32(&r);
    uint64_t capacity = clo_read_le64(&r);
    uint64_t grain = clo_read_le64(&r);
    uint64_t descriptor = clo_read_le64(&r);
    uint64_t descriptor_sectors = clo_read_le64(&r);
    uint32_t per_table = clo_read_le32(&r);
    clo_read_skip(&r, 8);
    uint64_t directory = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    bool is_open = clo_read_u8(&r) != 0;
    struct clo_bytes ends = clo_read_bytes(&r, 4);
    if (version < 1 || version > 3)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VMDK: version %" PRIu32 ": 1 to 3 are read",
                        version);
    if ((flags & LINE_ENDS) != 0 && !clo_bytes_equal(ends, clo_bytes("\n \r\n", 4)))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: was changed by a transfer as text");
    if (is_open)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VMDK: was not closed: shut its machine down first");
    if (capacity == 0 || capacity > SIZE_MAX_TIB / SECTOR)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: a disk of %" PRIu64 " sectors", capacity);
    if (grain < GRAIN_MIN || grain > GRAIN_MAX || (grain & (grain - 1)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: grains of %" PRIu64 " sectors", grain);
    if (per_table != CLO_VMDK_TABLE)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: tables of %" PRIu32 " entries: %u expected",
                        per_table, CLO_VMDK_TABLE);
    vmdk.size = capacity * SECTOR;
    vmdk.grain = (uint32_t)grain * SECTOR;
    vmdk.is_compressed = (flags & COMPRESSED) != 0;
    vmdk.has_zero_grains = (flags & ZERO_GRAINS) != 0;
    if (!check_flags(flags, clo_read_le16(&r), err) ||
        !take_place(&vmdk, directory, descriptor, descriptor_sectors, err) ||
        !check_tables(&vmdk, capacity, grain, err))
        return false;
    *out = vmdk;
    return true;
}

/* --- The text --- */

struct text {
    struct clo_vmdk_text found;
    char type[64];
    char parent[32];
    size_t extents;
};

/* What follows `key`, without quotes. */
static bool value(const char *line, const char *key, char *out, size_t size)
{
    size_t length = strlen(key);

    if (strncasecmp(line, key, length) != 0)
        return false;
    line += length + (line[length] == '"');
    snprintf(out, size, "%.*s", (int)strcspn(line, "\""), line);
    return true;
}

/* A file next to this one; nothing of it leads elsewhere. */
static bool is_neighbour(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, "..") != 0 &&
           strcmp(name, ".") != 0;
}

/* RW 81920 FLAT "disk-flat.vmdk" 0 */
static bool take_extent(struct text *text, const char *line, struct clo_error *err)
{
    unsigned long long sectors, at = 0;
    char type[16];

    int got = sscanf(line, "%*[A-Z] %llu %15[A-Z] \"%255[^\"]\" %llu", &sectors, type,
                     text->found.name, &at);
    if (got < 3 || sectors == 0 || sectors > SIZE_MAX_TIB / SECTOR || at > SIZE_MAX_TIB / SECTOR)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: \"%.60s\" does not describe a part of a disk",
                        line);
    text->extents++;
    text->found.is_flat = strcmp(type, "FLAT") == 0;
    text->found.size = (uint64_t)sectors * SECTOR;
    text->found.at = (uint64_t)at * SECTOR;
    return true;
}

static bool take_line(struct text *text, const char *line, struct clo_error *err)
{
    line += strspn(line, " \t");
    if (value(line, "createType=", text->type, sizeof text->type) ||
        value(line, "parentCID=", text->parent, sizeof text->parent))
        return true;
    if (strncmp(line, "RW ", 3) == 0 || strncmp(line, "RDONLY ", 7) == 0 ||
        strncmp(line, "NOACCESS ", 9) == 0)
        return take_extent(text, line, err);
    return true;
}

static bool check_text(const struct text *text, struct clo_error *err)
{
    static const char *const types[] = { "monolithicSparse", "streamOptimized", "monolithicFlat",
                                         "vmfs" };
    bool is_known = false;

    for (size_t i = 0; i < CLO_COUNT(types); i++)
        is_known = is_known || strcmp(text->type, types[i]) == 0;
    if (text->parent[0] != '\0' && strcasecmp(text->parent, "ffffffff") != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VMDK: is the difference to another disk: 'qemu-img convert' joins the "
                        "two");
    if (!is_known || text->extents != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VMDK: is a %.40s of %zu files: " WAY_OUT,
                        text->type[0] == '\0' ? "disk" : text->type, text->extents);
    if (text->found.is_flat && !is_neighbour(text->found.name))
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: \"%.60s\": not a file next to it",
                        text->found.name);
    return true;
}

bool clo_vmdk_parse_text(struct clo_bytes in, struct clo_vmdk_text *out, struct clo_error *err)
{
    struct text text = { .extents = 0 };
    struct clo_error why;

    if (in.size > CLO_VMDK_DESCRIPTOR_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "VMDK: a description of %zu bytes", in.size);
    while (in.size > 0 && in.data[0] != '\0') {
        size_t size = 0;
        char line[512];
        while (size < in.size && in.data[size] != '\n' && in.data[size] != '\0')
            size++;
        snprintf(line, sizeof line, "%.*s", (int)size, (const char *)in.data);
        clo_sanitize(line);
        if (!take_line(&text, line, &why))
            return clo_fail(err, why.status, "%s", why.text);
        in = clo_bytes_slice(in, size + (size < in.size && in.data[size] == '\n'), SIZE_MAX);
    }
    if (!check_text(&text, err))
        return false;
    *out = text.found;
    return true;
}

/* --- Tables and grains --- */

static bool check_place(const struct clo_vmdk *vmdk, uint32_t entry, uint64_t size,
                        const char *what, struct clo_error *err)
{
    uint64_t at = (uint64_t)entry * SECTOR;

    return (at <= vmdk->file_size && size <= vmdk->file_size - at) ||
           clo_fail(err, CLO_ERR_FORMAT, "VMDK: %s at byte %" PRIu64 ": beyond the file's end",
                    what, at);
}

bool clo_vmdk_table(const struct clo_vmdk *vmdk, uint32_t entry, uint64_t *at,
                    struct clo_error *err)
{
    if (entry != 0 && !check_place(vmdk, entry, CLO_VMDK_TABLE * 4, "a table", err))
        return false;
    *at = (uint64_t)entry * SECTOR;
    return true;
}

bool clo_vmdk_grain(const struct clo_vmdk *vmdk, uint32_t entry, uint64_t *at,
                    struct clo_error *err)
{
    if (entry == 0 || (entry == 1 && vmdk->has_zero_grains)) {
        *at = 0;
        return true;
    }
    if (!check_place(vmdk, entry, vmdk->is_compressed ? CLO_VMDK_MARKER_SIZE : vmdk->grain,
                     "a grain", err))
        return false;
    *at = (uint64_t)entry * SECTOR;
    return true;
}

bool clo_vmdk_marker(const struct clo_vmdk *vmdk, struct clo_bytes marker, uint64_t grain,
                     uint64_t at, size_t *size, struct clo_error *err)
{
    struct clo_reader r = clo_reader(marker);
    uint64_t sector = clo_read_le64(&r);
    uint32_t packed = clo_read_le32(&r);

    if (!clo_reader_ok(&r) || sector != grain * (vmdk->grain / SECTOR))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "VMDK: a grain at byte %" PRIu64 ": is of another place", at);
    /* Deflate makes nothing longer by more than this. */
    if (packed == 0 || packed > vmdk->grain + vmdk->grain / 8 + 64 || at > vmdk->file_size ||
        CLO_VMDK_MARKER_SIZE > vmdk->file_size - at ||
        packed > vmdk->file_size - at - CLO_VMDK_MARKER_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "VMDK: a grain at byte %" PRIu64 ": of %" PRIu32 " bytes", at, packed);
    *size = packed;
    return true;
}
