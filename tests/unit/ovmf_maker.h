/* Small firmware images with a GUIDed table at their end, made by the test. */
#ifndef CLOISTER_TEST_OVMF_MAKER_H
#define CLOISTER_TEST_OVMF_MAKER_H

#include "lib/launch/ovmf.h"
#include "test.h"

struct ovmf_item {
    const struct clo_guid *guid;
    struct clo_bytes data;
    uint16_t size; /* 0: the right one */
};

/* An image of `size` bytes: the table's items in the order of the file, its footer, and 32 bytes
 * that stand for the reset vector. `table_size` 0: the right one. */
static inline void make_ovmf(size_t size, const struct ovmf_item *items, size_t count,
                             uint16_t table_size, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };

    for (size_t i = 0; i < count; i++) {
        clo_buffer_append(&table, items[i].data);
        clo_buffer_le16(&table,
                        items[i].size != 0 ? items[i].size : (uint16_t)(items[i].data.size + 18));
        clo_buffer_guid(&table, items[i].guid);
    }
    clo_buffer_le16(&table, table_size != 0 ? table_size : (uint16_t)(table.size + 18));
    clo_buffer_guid(&table, &clo_guid_ovmf_table);
    clo_buffer_zero(out, size - table.size - 32);
    clo_buffer_append(out, clo_buffer_bytes(&table));
    clo_buffer_zero(out, 32);
    if (!clo_buffer_ok(out) || !clo_buffer_ok(&table))
        fail_msg("out of memory");
}

#endif
