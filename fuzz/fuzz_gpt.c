#include "lib/base/put.h"
#include "lib/disk/gpt.h"

#include <string.h>

#include "fuzz.h"

#define ENTRIES ((size_t)128 * 128)

/* What a tool leaves of it parses, covers the larger disk, and differs in the last sectors alone: of the
 * disk, and of the partition that was grown. */
static void grow(struct clo_bytes head, const struct clo_gpt *gpt, uint32_t number,
                 enum clo_gpt_tool tool)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *grown = malloc(sizeof *grown);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    const struct clo_gpt_growth growth = {
        .disk_sectors = gpt->disk_sectors < UINT64_MAX / 2 ? gpt->disk_sectors * 2 : UINT64_MAX,
        .partition = number,
        .tool = tool,
    };
    struct clo_error err;

    MUST(grown != NULL);
    if (!clo_gpt_grow(head, &growth, &out, &err)) {
        MUST(out.size == 0);
        return;
    }
    MUST(out.size == CLO_GPT_HEAD_SIZE && clo_gpt_parse(clo_buffer_bytes(&out), grown, &err));
    MUST(clo_gpt_backup(clo_buffer_bytes(&out), &tail, &err) && tail.size == CLO_GPT_TAIL_SIZE);
    MUST(grown->count == gpt->count);
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *was = &gpt->partitions[i], *is = &grown->partitions[i];
        MUST(is->first_lba == was->first_lba && is->last_lba >= was->last_lba);
        MUST(is->last_lba == was->last_lba || was->number == number);
    }
    /* It cannot be grown twice. */
    MUST(clo_gpt_grow(clo_buffer_bytes(&out),
                      &(struct clo_gpt_growth){ grown->disk_sectors, number, tool }, &again, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&out), clo_buffer_bytes(&again)));
}

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
    enum clo_gpt_tool tool = (enum clo_gpt_tool)(gpt->disk.bytes[0] % (CLO_GPT_CLOISTER + 1));
    grow(head, gpt, 0, tool);
    if (gpt->count > 0)
        grow(head, gpt, gpt->partitions[gpt->count - 1].number, tool);
}

/* The input is the header's sector and then entries; both checksums are made right, since no
 * mutation would get past them. And it is tried as it is. */
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
