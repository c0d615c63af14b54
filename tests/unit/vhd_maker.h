/* Footers of VHDs, and the header of a dynamic one. */
#ifndef VHD_MAKER_H
#define VHD_MAKER_H

#include "qcow2_maker.h"

#define VHD_MAKER_BLOCK ((uint64_t)2 << 20)
#define VHD_MAKER_FILE  (2048 + 512 + VHD_MAKER_BLOCK + 512)

static inline void vhd_maker_sum(uint8_t *bytes, size_t size, size_t at)
{
    uint32_t sum = 0;

    memset(bytes + at, 0, 4);
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    qcow2_maker_put(bytes + at, 4, ~sum);
}

static inline void vhd_maker_footer(uint8_t footer[512], uint64_t size, uint32_t type)
{
    memset(footer, 0, 512);
    memcpy(footer, "conectix", 8);
    qcow2_maker_put(footer + 12, 4, 0x10000);
    qcow2_maker_put(footer + 16, 8, type == 2 ? UINT64_MAX : 512);
    qcow2_maker_put(footer + 48, 8, size);
    qcow2_maker_put(footer + 60, 4, type);
    vhd_maker_sum(footer, 512, 64);
}

/* Its table follows at 1536. */
static inline void vhd_maker_header(uint8_t header[1024], uint32_t count)
{
    memset(header, 0, 1024);
    memcpy(header, "cxsparse", 8);
    qcow2_maker_put(header + 16, 8, 1536);
    qcow2_maker_put(header + 24, 4, 0x10000);
    qcow2_maker_put(header + 28, 4, count);
    qcow2_maker_put(header + 32, 4, VHD_MAKER_BLOCK);
    vhd_maker_sum(header, 1024, 36);
}

#endif
