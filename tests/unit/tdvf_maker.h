/* Small TDX firmware images made by the test: data, TDX metadata, and the table that points to it. */
#ifndef CLOISTER_TEST_TDVF_MAKER_H
#define CLOISTER_TEST_TDVF_MAKER_H

#include "cloister/tdvf.h"
#include "ovmf_maker.h"

struct tdvf_item {
    uint32_t data_offset, raw_size;
    uint64_t address, memory_size;
    uint32_t type, attributes;
};

struct tdvf_head {
    const char *signature;
    uint32_t length; /* 0: the right one */
    uint32_t version;
    uint32_t count;
};

#define TDVF_DATA_SIZE 0x4000U

/* Parts of an image as OVMF's: variables, code, and memory for the TD HOB and for the first steps. */
static const struct tdvf_item tdvf_parts[] = {
    { 0x1000, 0x2000, 0xffffd000, 0x2000, CLO_TDVF_BFV, CLO_TDVF_MR_EXTEND },
    { 0, 0x1000, 0xffffc000, 0x1000, CLO_TDVF_CFV, 0 },
    { 0, 0, 0x810000, 0x10000, CLO_TDVF_TEMP_MEM, 0 },
    { 0, 0, 0x80b000, 0x2000, CLO_TDVF_TEMP_MEM, 0 },
    { 0, 0, 0x809000, 0x2000, CLO_TDVF_TD_HOB, 0 },
    { 0, 0, 0x800000, 0x6000, CLO_TDVF_TEMP_MEM, 0 },
};

/* After data that are in `out` already. The metadata is the last thing before the table. */
static inline void tdvf_finish(const struct tdvf_head *head, const struct tdvf_item *items,
                               size_t count, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer offset = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    size_t data_size = out->size;

    clo_buffer_text(out, head->signature);
    clo_buffer_le32(out, head->length != 0 ? head->length : (uint32_t)(16 + 32 * count));
    clo_buffer_le32(out, head->version);
    clo_buffer_le32(out, head->count);
    for (size_t i = 0; i < count; i++) {
        clo_buffer_le32(out, items[i].data_offset);
        clo_buffer_le32(out, items[i].raw_size);
        clo_buffer_le64(out, items[i].address);
        clo_buffer_le64(out, items[i].memory_size);
        clo_buffer_le32(out, items[i].type);
        clo_buffer_le32(out, items[i].attributes);
    }
    size_t metadata = out->size - data_size;
    clo_buffer_le32(&offset, (uint32_t)(metadata + 22 + 18 + 32));
    const struct ovmf_item item = { &clo_guid_ovmf_tdx_metadata, clo_buffer_bytes(&offset), 0 };
    make_ovmf(22 + 18 + 32, &item, 1, 0, &tail);
    clo_buffer_append(out, clo_buffer_bytes(&tail));
    if (!clo_buffer_ok(out))
        fail_msg("out of memory");
}

/* Byte i of the data is i * 7 + i / 256. */
static inline void tdvf_make_as(const struct tdvf_head *head, const struct tdvf_item *items,
                                size_t count, struct clo_buffer *out)
{
    for (uint32_t i = 0; i < TDVF_DATA_SIZE; i++)
        clo_buffer_u8(out, (uint8_t)(i * 7 + i / 256));
    tdvf_finish(head, items, count, out);
}

static inline void tdvf_make(const struct tdvf_item *items, size_t count, struct clo_buffer *out)
{
    const struct tdvf_head head = { "TDVF", 0, 1, (uint32_t)count };

    tdvf_make_as(&head, items, count, out);
}

#endif
