#include "lib/disk/vhdx.h"

#include "fuzz.h"
#include "vhdx_maker.h"

#define HEADER_BYTES   96U
#define REGION_BYTES   208U
#define METADATA_BYTES 256U

/* Moves up to `size` bytes of the input over what is there. */
static void take(struct clo_bytes *in, uint8_t *to, size_t size)
{
    struct clo_bytes piece = clo_bytes_slice(*in, 0, size);

    if (piece.size > 0)
        memcpy(to, piece.data, piece.size);
    *in = clo_bytes_slice(*in, size, SIZE_MAX);
}

/* Header, regions, metadata, items and entries; sums are made right: no mutation would get past them. What parses has
 * its regions, items and blocks in the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t head[CLO_VHDX_HEAD_SIZE], table[CLO_VHDX_METADATA_SIZE];
    uint8_t items[CLO_VHDX_ITEM_COUNT][CLO_VHDX_ITEM_SIZE];
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_vhdx vhdx;
    struct clo_error err;
    uint64_t at;

    vhdx_maker_head(head);
    vhdx_maker_metadata(table);
    vhdx_maker_items(items);
    take(&in, head + 64 * VHDX_MAKER_KIB, HEADER_BYTES);
    take(&in, head + 192 * VHDX_MAKER_KIB, REGION_BYTES);
    take(&in, table, METADATA_BYTES);
    take(&in, items[0], sizeof items);
    vhdx_maker_sums(head);
    if (!clo_vhdx_parse(clo_bytes(head, sizeof head), VHDX_MAKER_FILE, &vhdx, &err))
        return 0;
    MUST(vhdx.table_at <= VHDX_MAKER_FILE && VHDX_MAKER_FILE - vhdx.table_at >= vhdx.table_size);
    MUST(VHDX_MAKER_FILE - vhdx.metadata_at >= vhdx.metadata_size);
    if (!clo_vhdx_parse_metadata(clo_bytes(table, sizeof table), &vhdx, &err))
        return 0;
    for (size_t i = 0; i < CLO_VHDX_ITEM_COUNT; i++)
        MUST(vhdx.items[i] < VHDX_MAKER_FILE && VHDX_MAKER_FILE - vhdx.items[i] >= 4);
    if (!clo_vhdx_parse_items(items, &vhdx, &err))
        return 0;
    MUST(clo_vhdx_index(&vhdx, (vhdx.size - 1) / vhdx.block_size) < vhdx.table_size / 8);
    for (struct clo_reader r = clo_reader(in); clo_reader_left(&r) >= 8;)
        if (clo_vhdx_block(&vhdx, clo_read_le64(&r), &at, &err) && at != 0)
            MUST(at <= VHDX_MAKER_FILE && VHDX_MAKER_FILE - at >= vhdx.block_size);
    return 0;
}
