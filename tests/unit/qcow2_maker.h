/* A small qcow2: a header of version 3, clusters of 64 KiB, a first table in the second cluster; four clusters follow
 * the header's. */
#ifndef QCOW2_MAKER_H
#define QCOW2_MAKER_H

#include <stdint.h>
#include <string.h>

#define QCOW2_MAKER_CLUSTER 65536ULL
#define QCOW2_MAKER_FILE    (5 * QCOW2_MAKER_CLUSTER)
#define QCOW2_MAKER_DISK    ((uint64_t)3 << 20)

static inline void qcow2_maker_put(uint8_t *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static inline void qcow2_maker_head(uint8_t head[512])
{
    memset(head, 0, 512);
    memcpy(head, "QFI\xfb", 4);
    qcow2_maker_put(head + 4, 4, 3);
    qcow2_maker_put(head + 20, 4, 16);
    qcow2_maker_put(head + 24, 8, QCOW2_MAKER_DISK);
    qcow2_maker_put(head + 36, 4, 1);
    qcow2_maker_put(head + 40, 8, QCOW2_MAKER_CLUSTER);
    qcow2_maker_put(head + 100, 4, 112);
}

#endif
