/* A header whose metadata is changed: the same in both copies. */
#include <stdlib.h>
#include <string.h>

#include "lib/disk/luks2_internal.h"

void clo_luks2_sum(uint8_t *copy, size_t size)
{
    struct clo_digest digest;

    memset(copy + CLO_LUKS2_CHECKSUM_OFFSET, 0, CLO_LUKS2_CHECKSUM_SIZE);
    clo_hash(CLO_HASH_SHA256, clo_bytes(copy, size), &digest);
    memcpy(copy + CLO_LUKS2_CHECKSUM_OFFSET, digest.bytes, clo_hash_size(CLO_HASH_SHA256));
}

bool clo_luks2_write(struct clo_buffer *header, const json_t *metadata, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *before = NULL;
    CLO_CLEANUP(clo_freep) char *text = json_dumps(metadata, JSON_COMPACT);
    struct clo_luks2_info info;

    if (text == NULL)
        return clo_out_of_memory(err);
    if (!clo_luks2_parse(clo_buffer_bytes(header), &info, &before, err))
        return false;
    size_t size = (size_t)info.header_size;
    size_t room = size - CLO_LUKS2_BINARY_HEADER;
    size_t length = strlen(text);
    if (length >= room)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "LUKS2: %zu bytes of metadata, room for %zu",
                        length, room);
    for (size_t at = 0; at <= size; at += size) {
        uint8_t *json = header->data + at + CLO_LUKS2_BINARY_HEADER;
        memset(json, 0, room);
        memcpy(json, text, length);
        clo_luks2_sum(header->data + at, size);
    }
    return true;
}
