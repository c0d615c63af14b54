/* The CheckSum of a PE file (Microsoft PE Format; the algorithm is ImageHlp's): a sum of its 16-bit
 * words with end-around carry, and its size. */
#include "cloister/pe.h"

/* Which half of its word a byte is in follows from its offset. Four bytes count as their value: 2^16
 * is 1 to a sum with end-around carry. */
void clo_pe_checksum_add(uint64_t *sum, uint64_t at, struct clo_bytes bytes)
{
    const uint8_t *data = bytes.data;
    uint64_t low = 0;
    size_t i = 0;

    if (at % 2 != 0 && bytes.size > 0)
        low += (uint64_t)data[i++] << 8;
    for (; bytes.size - i >= 8; i += 8) {
        const uint8_t *p = data + i;
        low += ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        low += ((uint32_t)p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24);
    }
    for (; i < bytes.size; i++)
        low += (uint64_t)data[i] << (8 * ((at + i) % 2));
    while (low >> 32 != 0)
        low = (low & 0xffffffff) + (low >> 32);
    *sum += low;
}

uint32_t clo_pe_checksum_get(uint64_t sum, uint64_t file_size)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)(sum + file_size);
}

uint32_t clo_pe_checksum(struct clo_bytes file, size_t at)
{
    size_t field = at < file.size ? at : file.size;
    size_t behind = file.size - field < 4 ? file.size : field + 4;
    uint64_t sum = 0;

    clo_pe_checksum_add(&sum, 0, clo_bytes_slice(file, 0, field));
    clo_pe_checksum_add(&sum, behind, clo_bytes_slice(file, behind, file.size - behind));
    return clo_pe_checksum_get(sum, file.size);
}
