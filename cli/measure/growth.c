#include "cli/measure/growth.h"

#include <stdlib.h>

#include "cli/inputs.h"
#include "lib/disk/gpt.h"

static bool read_growth(const struct cli_growth *growth, const struct clo_gpt *gpt,
                        struct clo_gpt_growth *out, struct clo_error *err)
{
    const struct clo_gpt_partition *partition;
    uint64_t bytes = 0;

    out->disk_sectors = gpt->disk_sectors;
    out->partition = 0;
    out->tool = CLO_GPT_SFDISK;
    if (growth->disk_size != NULL) {
        if (!cli_size("--disk-size", growth->disk_size, &bytes, err))
            return false;
        if (bytes / CLO_GPT_SECTOR < gpt->disk_sectors)
            return clo_fail(
                    err, CLO_ERR_USAGE, "--disk-size %s: the image's disk is larger, %llu bytes",
                    growth->disk_size, (unsigned long long)gpt->disk_sectors * CLO_GPT_SECTOR);
        out->disk_sectors = bytes / CLO_GPT_SECTOR;
    }
    if (growth->tool != NULL && !clo_gpt_tool_from_name(growth->tool, &out->tool))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--grown-by %s: expected sfdisk, growpart, sgdisk, repart or cloister",
                        growth->tool);
    if (growth->partition != NULL) {
        if (!clo_gpt_pick(gpt, growth->partition, &partition, err))
            return clo_wrap(err, "--grow-partition");
        out->partition = partition->number;
    } else if (out->tool == CLO_GPT_GROWPART || out->tool == CLO_GPT_REPART ||
               out->tool == CLO_GPT_CLOISTER) {
        return clo_fail(err, CLO_ERR_USAGE, "--grown-by %s: it grows a partition: --grow-partition",
                        growth->tool);
    }
    return true;
}

static uint64_t end_of(const struct clo_gpt *gpt, uint32_t number)
{
    for (size_t i = 0; i < gpt->count; i++)
        if (gpt->partitions[i].number == number)
            return gpt->partitions[i].last_lba;
    return 0;
}

/* The tool leaves it as it is, and so does the prediction, which says so. */
static bool note_unchanged(const struct cli_growth *growth, uint32_t number, struct clo_gpt *gpt,
                           struct clo_bytes head, struct clo_error *err)
{
    uint64_t end = end_of(gpt, number);

    if (number == 0)
        return true;
    if (!clo_gpt_parse(head, gpt, err))
        return false;
    if (end_of(gpt, number) == end)
        fprintf(stderr,
                "cloister: note: --grow-partition %s: there is no room after it, it stays as it "
                "is\n",
                growth->partition);
    return true;
}

bool cli_grow(const struct cli_growth *growth, struct clo_bytes *head, struct clo_buffer *buffer,
              struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_gpt_growth grown;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (growth->disk_size == NULL && growth->partition == NULL && growth->tool == NULL)
        return true;
    if (!clo_gpt_parse(*head, gpt, err) || !read_growth(growth, gpt, &grown, err) ||
        !clo_gpt_grow(*head, &grown, buffer, err) ||
        !note_unchanged(growth, grown.partition, gpt, clo_buffer_bytes(buffer), err))
        return false;
    *head = clo_buffer_bytes(buffer);
    return true;
}
