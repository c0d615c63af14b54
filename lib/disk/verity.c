#include "lib/disk/verity.h"

#include <string.h>

#include "cloister/crypto.h"

bool clo_verity_plan(uint64_t data_blocks, const uint8_t salt[CLO_VERITY_SALT],
                     struct clo_verity *out, struct clo_error *err)
{
    struct clo_verity verity = { .data_blocks = data_blocks, .tree_blocks = 1 };

    if (data_blocks < 2 || data_blocks > CLO_VERITY_DATA_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "dm-verity: %llu blocks",
                        (unsigned long long)data_blocks);
    memcpy(verity.salt, salt, CLO_VERITY_SALT);
    for (uint64_t below = data_blocks; below > 1; verity.level_count++) {
        below = (below + CLO_VERITY_PER_BLOCK - 1) / CLO_VERITY_PER_BLOCK;
        verity.blocks[verity.level_count] = below;
    }
    /* The top comes first. */
    for (unsigned level = verity.level_count; level-- > 0;) {
        verity.first[level] = verity.tree_blocks;
        verity.tree_blocks += verity.blocks[level];
    }
    *out = verity;
    return true;
}

void clo_verity_digest(const struct clo_verity *verity, struct clo_bytes block,
                       uint8_t out[CLO_VERITY_DIGEST])
{
    struct clo_bytes parts[] = { clo_bytes(verity->salt, sizeof verity->salt), block };
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    memcpy(out, digest.bytes, CLO_VERITY_DIGEST);
}

/* The text form's order: the first three fields of a GUID are swapped in memory. */
static void append_uuid(const struct clo_guid *uuid, struct clo_buffer *out)
{
    static const uint8_t order[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

    for (size_t i = 0; i < sizeof order; i++)
        clo_buffer_u8(out, uuid->bytes[order[i]]);
}

void clo_verity_superblock(const struct clo_verity *verity, const struct clo_guid *uuid,
                           struct clo_buffer *out)
{
    size_t begin = out->size;

    clo_buffer_append(out, clo_bytes("verity\0\0", 8));
    clo_buffer_le32(out, 1); /* version */
    clo_buffer_le32(out, 1); /* the salt comes before the block */
    append_uuid(uuid, out);
    clo_buffer_append(out, clo_bytes("sha256", 6));
    clo_buffer_zero(out, 26);
    clo_buffer_le32(out, CLO_VERITY_BLOCK);
    clo_buffer_le32(out, CLO_VERITY_BLOCK);
    clo_buffer_le64(out, verity->data_blocks);
    clo_buffer_le16(out, CLO_VERITY_SALT);
    clo_buffer_zero(out, 6);
    clo_buffer_append(out, clo_bytes(verity->salt, sizeof verity->salt));
    clo_buffer_zero(out, CLO_VERITY_BLOCK - (out->size - begin));
}
