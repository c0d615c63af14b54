#include "lib/disk/crc32c.h"

#define POLYNOMIAL 0x82f63b78U

/* Four bits at a time: a small table that is plain to see. */
static uint32_t next(uint32_t sum)
{
    for (int i = 0; i < 4; i++)
        sum = (sum >> 1) ^ ((sum & 1) != 0 ? POLYNOMIAL : 0);
    return sum;
}

uint32_t clo_crc32c(uint32_t sum, struct clo_bytes in)
{
    uint32_t table[16];

    for (uint32_t i = 0; i < CLO_COUNT(table); i++)
        table[i] = next(i);
    sum = ~sum;
    for (size_t i = 0; i < in.size; i++) {
        sum ^= in.data[i];
        sum = (sum >> 4) ^ table[sum & 15];
        sum = (sum >> 4) ^ table[sum & 15];
    }
    return ~sum;
}
