#include "lib/disk/vhd.h"

#include <string.h>

#include "fuzz.h"

/* Both sums are made right: no mutation would get past them. */
static void mend(uint8_t *bytes, size_t size, size_t at)
{
    uint32_t sum = 0;

    memset(bytes + at, 0, 4);
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    for (size_t i = 0; i < 4; i++)
        bytes[at + i] = (uint8_t)(~sum >> (24 - 8 * i));
}

/* A footer and a header: what parses has its table and its blocks in the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[CLO_VHD_FOOTER_SIZE + CLO_VHD_HEADER_SIZE];
    const uint64_t file_size = (uint64_t)8 << 20;
    struct clo_bytes footer = clo_bytes(bytes, CLO_VHD_FOOTER_SIZE);
    struct clo_bytes header = clo_bytes(bytes + CLO_VHD_FOOTER_SIZE, CLO_VHD_HEADER_SIZE);
    struct clo_vhd vhd;
    struct clo_error err;
    uint64_t at;

    memset(bytes, 0, sizeof bytes);
    if (size > 0)
        memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    mend(bytes, CLO_VHD_FOOTER_SIZE, 64);
    mend(bytes + CLO_VHD_FOOTER_SIZE, CLO_VHD_HEADER_SIZE, 36);
    if (!clo_vhd_parse(footer, file_size, &vhd, &err))
        return 0;
    MUST(vhd.is_dynamic || vhd.size <= file_size - CLO_VHD_FOOTER_SIZE);
    if (!vhd.is_dynamic || !clo_vhd_parse_header(header, &vhd, &err))
        return 0;
    MUST(vhd.table_at <= file_size && file_size - vhd.table_at >= (uint64_t)vhd.table_count * 4);
    MUST((uint64_t)vhd.table_count * vhd.block_size >= vhd.size);
    struct clo_reader r = clo_reader(header);
    while (clo_reader_left(&r) >= 4)
        if (clo_vhd_block(&vhd, clo_read_be32(&r), &at, &err))
            MUST(at <= file_size && file_size - at >= vhd.block_size);
    return 0;
}
