#include "lib/disk/vhdx.h"

#include <inttypes.h>
#include <string.h>

#include "lib/disk/crc32c.h"

#define KIB           ((uint64_t)1 << 10)
#define MIB           ((uint64_t)1 << 20)
#define HEADER_SIZE   4096U
#define REGIONS_SIZE  (64 * KIB)
#define REGIONS_MAX   2047
#define ITEMS_MAX     2047
#define SUM_AT        4
#define HAS_PARENT    2U
#define IS_REQUIRED   1U /* of a region */
#define ITEM_REQUIRED 4U
#define GUID_SIZE     16

/* As they lie in the file: the first three parts are little endian. */
static const uint8_t table_region[] = { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                        0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08 };
static const uint8_t metadata_region[] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                           0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };
/* Those that we read, and then what is known and not needed: physical sector size, page 83 data, parent locator. */
static const uint8_t item_guids[][GUID_SIZE] = {
    [CLO_VHDX_PARAMETERS] = { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33,
                              0xf0, 0xaa, 0x44, 0xe7, 0x6b },
    [CLO_VHDX_DISK_SIZE] = { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe,
                             0xd8, 0x3b, 0xf4, 0xb8 },
    [CLO_VHDX_SECTOR_SIZE] = { 0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2,
                               0x33, 0xa8, 0xfa, 0xab, 0x5f },
    { 0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5,
      0x56 },
    { 0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7,
      0x46 },
    { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab,
      0x0c },
};

bool clo_vhdx_guess(struct clo_bytes head)
{
    return clo_bytes_equal(clo_bytes_slice(head, 0, 8), clo_bytes("vhdxfile", 8));
}

static bool sum_holds(struct clo_bytes in)
{
    static const uint8_t zeros[4];
    struct clo_reader r = clo_reader(clo_bytes_slice(in, SUM_AT, 4));
    uint32_t sum = clo_crc32c(0, clo_bytes_slice(in, 0, SUM_AT));

    sum = clo_crc32c(sum, clo_bytes(zeros, sizeof zeros));
    return clo_read_le32(&r) == clo_crc32c(sum, clo_bytes_slice(in, SUM_AT + 4, SIZE_MAX));
}

/* --- Headers --- */

struct header {
    uint64_t sequence;
    uint16_t version, log_version;
    bool has_log;
};

/* MS-VHDX section 2.2.2. */
static bool read_header(struct clo_bytes in, struct header *out)
{
    struct clo_reader r = clo_reader(in);

    if (!clo_bytes_equal(clo_bytes_slice(in, 0, 4), clo_bytes("head", 4)) || !sum_holds(in))
        return false;
    clo_read_skip(&r, 8);
    out->sequence = clo_read_le64(&r);
    clo_read_skip(&r, 32);
    out->has_log = !clo_bytes_all(clo_read_bytes(&r, GUID_SIZE), 0);
    out->log_version = clo_read_le16(&r);
    out->version = clo_read_le16(&r);
    return clo_reader_ok(&r);
}

/* The one with the higher sequence number counts. */
static bool check_header(struct clo_bytes head, struct clo_error *err)
{
    struct header one = { 0 }, two = { 0 };
    bool has_one = read_header(clo_bytes_slice(head, 64 * KIB, HEADER_SIZE), &one);
    bool has_two = read_header(clo_bytes_slice(head, 128 * KIB, HEADER_SIZE), &two);

    if (!has_one && !has_two)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: neither header's checksum holds");
    if (has_one && has_two && one.sequence == two.sequence)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: two headers of one age");
    const struct header *header =
            !has_two || (has_one && one.sequence > two.sequence) ? &one : &two;
    if (header->version != 1 || header->log_version != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VHDX: version %u: 1 is read", header->version);
    if (header->has_log)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VHDX: was not closed, its log has to be written back: "
                        "'qemu-img check -r all' does so");
    return true;
}

/* --- Regions --- */

static bool take_region(struct clo_vhdx *vhdx, struct clo_reader *r, struct clo_error *err)
{
    struct clo_bytes guid = clo_read_bytes(r, GUID_SIZE);
    uint64_t at = clo_read_le64(r), size = clo_read_le32(r);
    bool is_required = (clo_read_le32(r) & IS_REQUIRED) != 0;
    bool is_table = clo_bytes_equal(guid, clo_bytes(table_region, GUID_SIZE));

    if (!is_table && !clo_bytes_equal(guid, clo_bytes(metadata_region, GUID_SIZE)))
        return !is_required ||
               clo_fail(err, CLO_ERR_UNSUPPORTED, "VHDX: has a region that is not known");
    uint64_t *place = is_table ? &vhdx->table_at : &vhdx->metadata_at;
    if (*place != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: a region twice");
    if (at < MIB || at % MIB != 0 || at > vhdx->file_size || size > vhdx->file_size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: a region at byte %" PRIu64 ": %s", at,
                        at < MIB || at % MIB != 0 ? "not at a MiB" : "beyond the file's end");
    *place = at;
    *(is_table ? &vhdx->table_size : &vhdx->metadata_size) = size;
    return true;
}

/* Section 2.2.3. */
static bool read_regions(struct clo_vhdx *vhdx, struct clo_bytes table, struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);

    clo_read_skip(&r, 8);
    uint32_t count = clo_read_le32(&r);
    clo_read_skip(&r, 4);
    if (count > REGIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: %" PRIu32 " regions", count);
    for (uint32_t i = 0; i < count; i++)
        if (!take_region(vhdx, &r, err))
            return false;
    if (vhdx->table_at == 0 || vhdx->metadata_at == 0 ||
        vhdx->metadata_size < CLO_VHDX_METADATA_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: has no %s",
                        vhdx->table_at == 0 ? "block allocation table" : "metadata");
    return true;
}

bool clo_vhdx_parse(struct clo_bytes head, uint64_t file_size, struct clo_vhdx *out,
                    struct clo_error *err)
{
    struct clo_vhdx vhdx = { .file_size = file_size };
    struct clo_bytes table = { 0 };

    if (head.size < CLO_VHDX_HEAD_SIZE || !clo_vhdx_guess(head))
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: its headers are cut short");
    if (!check_header(head, err))
        return false;
    for (uint64_t at = 192 * KIB; at <= 256 * KIB && table.size == 0; at += 64 * KIB) {
        struct clo_bytes candidate = clo_bytes_slice(head, at, REGIONS_SIZE);
        if (clo_bytes_equal(clo_bytes_slice(candidate, 0, 4), clo_bytes("regi", 4)) &&
            sum_holds(candidate))
            table = candidate;
    }
    if (table.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: neither region table's checksum holds");
    if (!read_regions(&vhdx, table, err))
        return false;
    *out = vhdx;
    return true;
}

/* --- Metadata --- */

static bool take_item(struct clo_vhdx *vhdx, struct clo_reader *r, struct clo_error *err)
{
    struct clo_bytes guid = clo_read_bytes(r, GUID_SIZE);
    uint64_t at = clo_read_le32(r), size = clo_read_le32(r);
    bool is_required = (clo_read_le32(r) & ITEM_REQUIRED) != 0;
    size_t i = 0;

    clo_read_skip(r, 4);
    while (i < CLO_COUNT(item_guids) && !clo_bytes_equal(guid, clo_bytes(item_guids[i], GUID_SIZE)))
        i++;
    if (i == CLO_COUNT(item_guids))
        return !is_required ||
               clo_fail(err, CLO_ERR_UNSUPPORTED, "VHDX: has metadata that are not known");
    if (i >= CLO_VHDX_ITEM_COUNT)
        return true;
    if (vhdx->items[i] != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: an item of its metadata twice");
    if (at < CLO_VHDX_METADATA_SIZE || at > vhdx->metadata_size ||
        size > vhdx->metadata_size - at || size < (i == CLO_VHDX_SECTOR_SIZE ? 4 : 8))
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: an item of its metadata is outside of them");
    vhdx->items[i] = vhdx->metadata_at + at;
    return true;
}

/* Section 2.6.1. */
bool clo_vhdx_parse_metadata(struct clo_bytes table, struct clo_vhdx *vhdx, struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);

    if (table.size < CLO_VHDX_METADATA_SIZE ||
        !clo_bytes_equal(clo_read_bytes(&r, 8), clo_bytes("metadata", 8)))
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: \"metadata\" is missing");
    clo_read_skip(&r, 2);
    uint16_t count = clo_read_le16(&r);
    clo_read_skip(&r, 20);
    if (count > ITEMS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: %u items of metadata", count);
    for (unsigned i = 0; i < count; i++)
        if (!take_item(vhdx, &r, err))
            return false;
    for (size_t i = 0; i < CLO_VHDX_ITEM_COUNT; i++)
        if (vhdx->items[i] == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "VHDX: its metadata do not say how large it is");
    return true;
}

static bool count_blocks(struct clo_vhdx *vhdx, uint32_t sector, struct clo_error *err)
{
    uint64_t blocks = (vhdx->size - 1) / vhdx->block_size + 1;

    vhdx->chunk = (uint32_t)(((uint64_t)sector << 23) / vhdx->block_size);
    vhdx->table_count = blocks + (blocks - 1) / vhdx->chunk;
    if (blocks > CLO_VHDX_BLOCKS_MAX || vhdx->table_size / 8 < vhdx->table_count)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: its table is too short for the disk");
    return true;
}

/* Section 2.6.2. */
bool clo_vhdx_parse_items(const uint8_t items[][CLO_VHDX_ITEM_SIZE], struct clo_vhdx *vhdx,
                          struct clo_error *err)
{
    struct clo_reader parameters =
            clo_reader(clo_bytes(items[CLO_VHDX_PARAMETERS], CLO_VHDX_ITEM_SIZE));
    struct clo_reader size = clo_reader(clo_bytes(items[CLO_VHDX_DISK_SIZE], CLO_VHDX_ITEM_SIZE));
    struct clo_reader sectors =
            clo_reader(clo_bytes(items[CLO_VHDX_SECTOR_SIZE], CLO_VHDX_ITEM_SIZE));
    uint32_t sector = clo_read_le32(&sectors);

    vhdx->block_size = clo_read_le32(&parameters);
    vhdx->size = clo_read_le64(&size);
    if ((clo_read_le32(&parameters) & HAS_PARENT) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VHDX: is the difference to another disk: 'qemu-img convert' joins the "
                        "two");
    if (sector != 512)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VHDX: sectors of %" PRIu32 " bytes: 512 are read", sector);
    if (vhdx->block_size < MIB || vhdx->block_size > 256 * MIB ||
        (vhdx->block_size & (vhdx->block_size - 1)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: blocks of %" PRIu32 " bytes", vhdx->block_size);
    if (vhdx->size == 0 || vhdx->size % sector != 0 || vhdx->size > (uint64_t)64 << 40)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: a disk of %" PRIu64 " bytes", vhdx->size);
    return count_blocks(vhdx, sector, err);
}

/* --- Blocks --- */

uint64_t clo_vhdx_index(const struct clo_vhdx *vhdx, uint64_t block)
{
    return block + block / vhdx->chunk;
}

/* Section 2.5.1: not present, undefined, zero, unmapped; fully and partially present. */
bool clo_vhdx_block(const struct clo_vhdx *vhdx, uint64_t entry, uint64_t *at,
                    struct clo_error *err)
{
    unsigned state = entry & 7;
    uint64_t place = (entry >> 20) * MIB;

    if ((entry >> 3 & 0x1ffff) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: reserved bits in its table");
    if (state <= 3) {
        *at = 0;
        return true;
    }
    if (state != 6)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: a block of state %u", state);
    if (place < MIB || place > vhdx->file_size || vhdx->file_size - place < vhdx->block_size)
        return clo_fail(err, CLO_ERR_FORMAT, "VHDX: a block at byte %" PRIu64 ": %s", place,
                        place < MIB ? "among its headers" : "beyond the file's end");
    *at = place;
    return true;
}
