#include "lib/disk/vhd.h"

#include <inttypes.h>
#include <string.h>

#define TYPE_FIXED        2
#define TYPE_DYNAMIC      3
#define TYPE_DIFFERENCING 4
#define FORMAT_1          0x00010000U
#define CHECKSUM_AT       64 /* in the footer */
#define HEADER_SUM_AT     36
#define EPOCH_2000        946684800 /* what its time stamps count from */
#define BLOCK_MIN         ((uint32_t)4096)
#define BLOCK_MAX         ((uint32_t)256 << 20)

/* The sum of all bytes but the sum's own, inverted. */
static uint32_t checksum(struct clo_bytes in, size_t sum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < in.size; i++)
        if (i < sum_at || i >= sum_at + 4)
            sum += in.data[i];
    return ~sum;
}

static bool check_sum(struct clo_bytes in, size_t at, const char *what, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(in, at, 4));

    return clo_read_be32(&r) == checksum(in, at) ||
           clo_fail(err, CLO_ERR_FORMAT, "VHD: %s: its checksum is wrong", what);
}

bool clo_vhd_guess(struct clo_bytes footer)
{
    return clo_bytes_equal(clo_bytes_slice(footer, 0, 8), clo_bytes("conectix", 8));
}

static bool check_type(uint32_t type, struct clo_error *err)
{
    if (type == TYPE_DIFFERENCING)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "VHD: is the difference to another disk: 'qemu-img convert' joins the two");
    return type == TYPE_FIXED || type == TYPE_DYNAMIC ||
           clo_fail(err, CLO_ERR_FORMAT, "VHD: type %" PRIu32 ": 2 (fixed) or 3 (dynamic) expected",
                    type);
}

bool clo_vhd_parse(struct clo_bytes footer, uint64_t file_size, struct clo_vhd *out,
                   struct clo_error *err)
{
    struct clo_vhd vhd = { .file_size = file_size };
    struct clo_reader r = clo_reader(footer);

    if (footer.size != CLO_VHD_FOOTER_SIZE || !clo_vhd_guess(footer))
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: \"conectix\" is missing");
    if (!check_sum(footer, CHECKSUM_AT, "footer", err))
        return false;
    clo_read_skip(&r, 12);
    uint32_t version = clo_read_be32(&r);
    vhd.header_at = clo_read_be64(&r);
    clo_read_skip(&r, 24);
    vhd.size = clo_read_be64(&r);
    clo_read_skip(&r, 4);
    uint32_t type = clo_read_be32(&r);
    if (version != FORMAT_1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "VHD: format 0x%08" PRIx32 ": 0x%08x is read",
                        version, FORMAT_1);
    if (!check_type(type, err))
        return false;
    if (vhd.size == 0 || vhd.size % 512 != 0 || vhd.size > CLO_VHD_SIZE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: a disk of %" PRIu64 " bytes", vhd.size);
    vhd.is_dynamic = type == TYPE_DYNAMIC;
    if (!vhd.is_dynamic &&
        (file_size < CLO_VHD_FOOTER_SIZE || vhd.size > file_size - CLO_VHD_FOOTER_SIZE))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "VHD: a disk of %" PRIu64 " bytes in a file of %" PRIu64, vhd.size,
                        file_size);
    if (vhd.is_dynamic &&
        (vhd.header_at > file_size || file_size - vhd.header_at < CLO_VHD_HEADER_SIZE))
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: its header is beyond the file's end");
    *out = vhd;
    return true;
}

bool clo_vhd_parse_header(struct clo_bytes header, struct clo_vhd *vhd, struct clo_error *err)
{
    struct clo_reader r = clo_reader(header);

    if (header.size != CLO_VHD_HEADER_SIZE ||
        !clo_bytes_equal(clo_bytes_slice(header, 0, 8), clo_bytes("cxsparse", 8)))
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: \"cxsparse\" is missing");
    if (!check_sum(header, HEADER_SUM_AT, "header", err))
        return false;
    clo_read_skip(&r, 16);
    uint64_t table_at = clo_read_be64(&r);
    clo_read_skip(&r, 4);
    uint32_t count = clo_read_be32(&r);
    uint32_t block = clo_read_be32(&r);
    if (block < BLOCK_MIN || block > BLOCK_MAX || (block & (block - 1)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: blocks of %" PRIu32 " bytes", block);
    uint64_t needed = (vhd->size - 1) / block + 1;
    if (count < needed)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "VHD: a table of %" PRIu32 " entries, the disk needs %" PRIu64, count,
                        needed);
    if (table_at > vhd->file_size || (vhd->file_size - table_at) / 4 < needed)
        return clo_fail(err, CLO_ERR_FORMAT, "VHD: its table is beyond the file's end");
    vhd->table_at = table_at;
    vhd->table_count = (uint32_t)needed;
    vhd->block_size = block;
    vhd->bitmap_size = (block / 512 / 8 + 511) / 512 * 512;
    return true;
}

bool clo_vhd_block(const struct clo_vhd *vhd, uint32_t entry, uint64_t *at, struct clo_error *err)
{
    uint64_t place = (uint64_t)entry * 512 + vhd->bitmap_size;

    if (place > vhd->file_size || vhd->file_size - place < vhd->block_size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "VHD: a block at byte %" PRIu64 ": beyond the file's end", place);
    *at = place;
    return true;
}

/* --- The footer --- */

/* The specification's appendix, "CHS Calculation". */
static uint32_t geometry(uint64_t size)
{
    uint64_t sectors = size / 512;
    uint64_t tracks, heads, per_track;

    if (sectors > (uint64_t)65535 * 16 * 255)
        sectors = (uint64_t)65535 * 16 * 255;
    if (sectors >= (uint64_t)65535 * 16 * 63) {
        per_track = 255;
        heads = 16;
        tracks = sectors / per_track;
    } else {
        per_track = 17;
        tracks = sectors / per_track;
        heads = (tracks + 1023) / 1024;
        if (heads < 4)
            heads = 4;
        if (tracks >= heads * 1024 || heads > 16) {
            per_track = 31;
            heads = 16;
            tracks = sectors / per_track;
        }
        if (tracks >= heads * 1024) {
            per_track = 63;
            tracks = sectors / per_track;
        }
    }
    return (uint32_t)(tracks / heads << 16 | heads << 8 | per_track);
}

bool clo_vhd_write_footer(uint64_t size, const struct clo_guid *id, int64_t created,
                          struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer footer = { 0 };

    if (size == 0 || size % CLO_VHD_ALIGNMENT != 0 || size > CLO_VHD_SIZE_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "VHD: %" PRIu64 " bytes: whole MiB, at most %u GiB",
                        size, (unsigned)(CLO_VHD_SIZE_MAX >> 30));
    clo_buffer_text(&footer, "conectix");
    clo_buffer_be32(&footer, 2); /* reserved, always set */
    clo_buffer_be32(&footer, FORMAT_1);
    clo_buffer_be64(&footer, UINT64_MAX);
    clo_buffer_be32(&footer, created < EPOCH_2000 ? 0 : (uint32_t)(created - EPOCH_2000));
    /* Hyper-V's name: of other makers, readers take the size from the geometry, which rounds it. */
    clo_buffer_text(&footer, "win ");
    clo_buffer_be32(&footer, 0x000a0000);
    clo_buffer_text(&footer, "Wi2k");
    clo_buffer_be64(&footer, size);
    clo_buffer_be64(&footer, size);
    clo_buffer_be32(&footer, geometry(size));
    clo_buffer_be32(&footer, TYPE_FIXED);
    clo_buffer_be32(&footer, 0); /* the sum */
    clo_buffer_append(&footer, clo_bytes(id->bytes, sizeof id->bytes));
    clo_buffer_zero(&footer, CLO_VHD_FOOTER_SIZE - footer.size);
    if (!clo_buffer_ok(&footer))
        return clo_out_of_memory(err);
    uint32_t sum = checksum(clo_buffer_bytes(&footer), CHECKSUM_AT);
    for (int i = 0; i < 4; i++)
        footer.data[CHECKSUM_AT + i] = (uint8_t)(sum >> (24 - 8 * i));
    clo_buffer_append(out, clo_buffer_bytes(&footer));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
