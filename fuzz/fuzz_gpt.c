#include "cloister/gpt.h"

#include <string.h>

#include "fuzz.h"

#define ENTRIES ((size_t)128 * 128)

/* What parses has partitions inside the disk, apart from each other, and can be measured. */
static void parse(struct clo_bytes head)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer event = { 0 };
    const struct clo_gpt_partition *found;
    struct clo_error err;

    MUST(gpt != NULL);
    if (!clo_gpt_parse(head, gpt, &err))
        return;
    MUST(gpt->count <= CLO_GPT_PARTITIONS_MAX);
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *a = &gpt->partitions[i];
        MUST(a->first_lba <= a->last_lba && a->last_lba < gpt->disk_sectors);
        for (size_t k = 0; k < i; k++)
            MUST(a->last_lba < gpt->partitions[k].first_lba ||
                 gpt->partitions[k].last_lba < a->first_lba);
    }
    MUST(clo_gpt_event(gpt, &event, &err) && event.size == 92 + 8 + 128 * gpt->count);
    if (clo_gpt_find(gpt, &clo_gpt_type_esp, &found, &err))
        MUST(clo_guid_equal(&found->type, &clo_gpt_type_esp));
}

/* The input is the header's sector and then entries; both checksums are made right, since no
 * mutation would get behind them. And it is tried as it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t head[CLO_GPT_HEAD_SIZE];
    size_t used = size < sizeof head - CLO_GPT_SECTOR ? size : sizeof head - CLO_GPT_SECTOR;

    parse(clo_bytes(data, size));
    memset(head, 0, sizeof head);
    if (used > 0)
        memcpy(head + CLO_GPT_SECTOR, data, used);
    uint8_t *header = head + CLO_GPT_SECTOR;
    clo_put_le32(header + 88, clo_crc32(0, clo_bytes(head + 2 * CLO_GPT_SECTOR, ENTRIES)));
    clo_put_le32(header + 16, 0);
    clo_put_le32(header + 16, clo_crc32(0, clo_bytes(header, 92)));
    parse(clo_bytes(head, sizeof head));
    return 0;
}
