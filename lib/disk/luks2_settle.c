/* A header whose two copies differ, because the power went between them. */
#include <string.h>

#include "lib/disk/luks2_generation.h"
#include "lib/disk/luks2_internal.h"

#define MAGIC_SIZE    6
#define OFFSET_OFFSET 0x100 /* hdr_offset, section 2.1 */

/* The copy at `from` again at `to`, as the first or the second of the two. */
static void copy_header(uint8_t *header, size_t size, size_t from, size_t to, const char *magic)
{
    uint8_t *copy = header + to;

    memmove(copy, header + from, size);
    memcpy(copy, magic, MAGIC_SIZE);
    for (unsigned i = 0; i < 8; i++)
        copy[OFFSET_OFFSET + i] = (uint8_t)((uint64_t)to >> (56 - 8 * i));
    clo_luks2_sum(copy, size);
}

bool clo_luks2_settle(struct clo_buffer *header, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info agreed;
    struct clo_luks2_info first = { 0 };
    struct clo_luks2_info second = { 0 };
    struct clo_bytes in = clo_buffer_bytes(header);
    struct clo_bytes ignored_json;
    struct clo_error ignored;

    if (clo_luks2_parse(in, &agreed, &metadata, err))
        return true; /* `err` keeps what is wrong with them otherwise */
    bool has_first = clo_luks2_read_copy(in, 0, CLO_LUKS2_FIRST, &first, &ignored_json, &ignored);
    bool has_second = clo_luks2_read_second(in, &second, &ignored_json, &ignored);
    if (has_first && (!has_second || first.sequence > second.sequence)) {
        if (2 * first.header_size > in.size)
            return false;
        copy_header(header->data, (size_t)first.header_size, 0, (size_t)first.header_size,
                    CLO_LUKS2_SECOND);
    } else if (has_second && (!has_first || second.sequence > first.sequence)) {
        copy_header(header->data, (size_t)second.header_size, (size_t)second.header_size, 0,
                    CLO_LUKS2_FIRST);
    } else {
        return false;
    }
    clo_json_freep(&metadata);
    return clo_luks2_parse(clo_buffer_bytes(header), &agreed, &metadata, err);
}
