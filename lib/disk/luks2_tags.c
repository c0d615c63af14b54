/* Where a header says that sectors have tags, they must be laid out so. */
#include <string.h>

#include "lib/disk/integrity.h"
#include "lib/disk/luks2.h"

unsigned clo_luks2_tag_size(const struct clo_luks2_info *info)
{
    if (info->integrity[0] == '\0')
        return 0;
    return strcmp(info->integrity, CLO_LUKS2_AEAD) == 0 ? CLO_LUKS2_GCM_TAG_SIZE
                                                        : CLO_LUKS2_HMAC_TAG_SIZE;
}

bool clo_luks2_check_tags(const struct clo_luks2_info *info, struct clo_bytes superblock,
                          uint64_t size, struct clo_error *err)
{
    unsigned tag_size = clo_luks2_tag_size(info);
    struct clo_integrity integrity;

    if (tag_size == 0)
        return true;
    if (size < info->payload_offset)
        return clo_fail(err, CLO_ERR_FORMAT, "integrity: the partition ends before its superblock");
    if (!clo_integrity_parse(superblock, size - info->payload_offset, &integrity, err))
        return false;
    if (integrity.block_size != info->sector_size || integrity.tag_size != tag_size)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "integrity: tags of %u bytes for sectors of %u, the LUKS2 header wants %u "
                        "for %u",
                        integrity.tag_size, integrity.block_size, tag_size, info->sector_size);
    return true;
}
