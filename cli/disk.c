#include "cli/disk.h"

#include <stdlib.h>

#include "cli/inputs.h"
#include "cloister/fat.h"
#include "cloister/gpt.h"

bool cli_disk_uki(struct clo_bytes disk, struct clo_buffer *out, struct cli_companions *companions,
                  struct clo_error *err)
{
    static const char *const paths[] = { "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI" };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *esp;
    struct clo_error other;

    if (gpt == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_gpt_parse(clo_bytes_slice(disk, 0, CLO_GPT_HEAD_SIZE), gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_esp, &esp, err))
        return false;
    size_t sectors = disk.size / CLO_GPT_SECTOR;
    if (esp->last_lba >= sectors)
        return clo_fail(err, CLO_ERR_FORMAT, "ESP: ends behind the disk's end");
    struct clo_bytes volume =
            clo_bytes_slice(disk, (size_t)esp->first_lba * CLO_GPT_SECTOR,
                            (size_t)(esp->last_lba - esp->first_lba + 1) * CLO_GPT_SECTOR);
    bool is_first = clo_fat_read(volume, paths[0], CLI_IMAGE_LIMIT, out, err);
    if (!is_first && !clo_fat_read(volume, paths[1], CLI_IMAGE_LIMIT, out, &other))
        return clo_wrap(err, "ESP");
    return (cli_companions_find(volume, paths[is_first ? 0 : 1], companions, err) &&
            cli_companions_pass_over(clo_buffer_bytes(out), companions, err)) ||
           clo_wrap(err, "ESP");
}
