/* Where a header says that sectors have tags, they must be laid out so. */
#include "lib/disk/integrity.h"
#include "lib/disk/luks2.h"

bool clo_luks2_check_tags(const struct clo_luks2_info *info, struct clo_bytes superblock,
                          uint64_t size, struct clo_error *err)
{
    struct clo_integrity integrity;

    if (info->integrity[0] == '\0')
        return true;
    if (size < info->payload_offset)
        return clo_fail(err, CLO_ERR_FORMAT, "integrity: the partition ends before its superblock");
    if (!clo_integrity_parse(superblock, size - info->payload_offset, &integrity, err))
        return false;
    if (integrity.block_size != info->sector_size || integrity.tag_size != CLO_LUKS2_HMAC_TAG_SIZE)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "integrity: tags of %u bytes for sectors of %u, the LUKS2 header wants %d "
                        "for %u",
                        integrity.tag_size, integrity.block_size, CLO_LUKS2_HMAC_TAG_SIZE,
                        info->sector_size);
    return true;
}
