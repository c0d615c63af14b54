/* A small VHDX's head: header, regions and metadata of a disk of 4 MiB with blocks of 1 MiB, their sums made right. */
#ifndef VHDX_MAKER_H
#define VHDX_MAKER_H

#include <string.h>

#include "lib/disk/crc32c.h"
#include "lib/disk/vhdx.h"

#define VHDX_MAKER_KIB  ((size_t)1024)
#define VHDX_MAKER_MIB  (1024 * VHDX_MAKER_KIB)
#define VHDX_MAKER_DISK (4 * (uint64_t)VHDX_MAKER_MIB)
#define VHDX_MAKER_FILE (8 * (uint64_t)VHDX_MAKER_MIB)

static inline void vhdx_maker_put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static inline void vhdx_maker_sum(uint8_t *at, size_t size)
{
    memset(at + 4, 0, 4);
    vhdx_maker_put(at + 4, 4, clo_crc32c(0, clo_bytes(at, size)));
}

static inline void vhdx_maker_sums(uint8_t *head)
{
    vhdx_maker_sum(head + 64 * VHDX_MAKER_KIB, 4096);
    vhdx_maker_sum(head + 192 * VHDX_MAKER_KIB, 64 * VHDX_MAKER_KIB);
}

static inline void vhdx_maker_region(uint8_t *at, const char guid[16], uint64_t place)
{
    memcpy(at, guid, 16);
    vhdx_maker_put(at + 16, 8, place);
    vhdx_maker_put(at + 24, 4, VHDX_MAKER_MIB);
    vhdx_maker_put(at + 28, 4, 1);
}

/* CLO_VHDX_HEAD_SIZE bytes; the sums are made afterwards. */
static inline void vhdx_maker_head(uint8_t *head)
{
    uint8_t *header = head + 64 * VHDX_MAKER_KIB, *regions = head + 192 * VHDX_MAKER_KIB;

    memset(head, 0, CLO_VHDX_HEAD_SIZE);
    memcpy(head, "vhdxfile", 8);
    memcpy(header, "head", 4);
    vhdx_maker_put(header + 8, 8, 7);
    vhdx_maker_put(header + 66, 2, 1);
    memcpy(regions, "regi", 4);
    vhdx_maker_put(regions + 8, 4, 2);
    vhdx_maker_region(regions + 16,
                      "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08",
                      2 * VHDX_MAKER_MIB);
    vhdx_maker_region(regions + 48,
                      "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e",
                      1 * VHDX_MAKER_MIB);
}

static inline void vhdx_maker_item(uint8_t *at, const char guid[16], uint64_t place, uint64_t size)
{
    memcpy(at, guid, 16);
    vhdx_maker_put(at + 16, 4, place);
    vhdx_maker_put(at + 20, 4, size);
    vhdx_maker_put(at + 24, 4, 6);
}

static inline void vhdx_maker_metadata(uint8_t *table)
{
    memset(table, 0, CLO_VHDX_METADATA_SIZE);
    memcpy(table, "metadata", 8);
    vhdx_maker_put(table + 10, 2, 3);
    vhdx_maker_item(table + 32, "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b",
                    65536, 8);
    vhdx_maker_item(table + 64, "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8",
                    65544, 8);
    vhdx_maker_item(table + 96, "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f",
                    65552, 4);
}

static inline void vhdx_maker_items(uint8_t items[CLO_VHDX_ITEM_COUNT][CLO_VHDX_ITEM_SIZE])
{
    memset(items, 0, (size_t)CLO_VHDX_ITEM_COUNT * CLO_VHDX_ITEM_SIZE);
    vhdx_maker_put(items[CLO_VHDX_PARAMETERS], 4, VHDX_MAKER_MIB);
    vhdx_maker_put(items[CLO_VHDX_DISK_SIZE], 8, VHDX_MAKER_DISK);
    vhdx_maker_put(items[CLO_VHDX_SECTOR_SIZE], 4, 512);
}

#endif
