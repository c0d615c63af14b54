/* What becomes of a partition table when its disk is grown. UEFI 2.10 section 5.3 leaves it to the tool;
 * what each does was read off their work: util-linux 2.38 (libfdisk), cloud-utils 0.33, GPT fdisk 1.0.9,
 * systemd 252 (systemd-repart, by libfdisk). cloister-init does what is predicted here. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/put.h"
#include "lib/disk/gpt.h"

#define MBR_SECTORS    (446 + 12) /* of the protective partition */
#define HEADER         CLO_GPT_SECTOR
#define HEADER_SIZE    92
#define HEADER_CRC     (HEADER + 16)
#define MY_LBA         24
#define ALTERNATE_LBA  (HEADER + 32)
#define FIRST_USABLE   (HEADER + 40)
#define LAST_USABLE    (HEADER + 48)
#define ENTRIES_LBA    72
#define ENTRIES_CRC    (HEADER + 88)
#define ENTRIES        (2 * CLO_GPT_SECTOR)
#define ENTRY_SIZE     128
#define ENTRY_LAST_LBA 40
#define BACKUP_SECTORS (CLO_GPT_TAIL_SIZE / CLO_GPT_SECTOR)

#define GROWPART_FUDGE 2048U /* sectors: for less it writes nothing */
#define REPART_GRAIN   8U    /* sectors */
#define CLOISTER_LEAST 2048U /* sectors: 1 MiB is what image build leaves after the root */

bool clo_gpt_tool_from_name(const char *name, enum clo_gpt_tool *out)
{
    static const char *const names[] = {
        [CLO_GPT_SFDISK] = "sfdisk", [CLO_GPT_GROWPART] = "growpart", [CLO_GPT_SGDISK] = "sgdisk",
        [CLO_GPT_REPART] = "repart", [CLO_GPT_CLOISTER] = "cloister",
    };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum clo_gpt_tool)i;
            return true;
        }
    return false;
}

static uint64_t read_le64(struct clo_bytes bytes, size_t at)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(bytes, at, 8));

    return clo_read_le64(&r);
}

/* The last usable sector: sfdisk and repart look at it only when the backup has to move. GPT fdisk
 * leaves as much after it as lies before the first usable one. */
static uint64_t last_usable(struct clo_bytes head, const struct clo_gpt *gpt,
                            const struct clo_gpt_growth *growth)
{
    bool moves = growth->disk_sectors != gpt->disk_sectors;

    if (growth->tool == CLO_GPT_SGDISK)
        return growth->disk_sectors - read_le64(head, FIRST_USABLE);
    if (moves || growth->tool == CLO_GPT_GROWPART)
        return growth->disk_sectors - BACKUP_SECTORS - 1;
    return read_le64(head, LAST_USABLE);
}

static const struct clo_gpt_partition *find_number(const struct clo_gpt *gpt, uint32_t number)
{
    for (size_t i = 0; i < gpt->count; i++)
        if (gpt->partitions[i].number == number)
            return &gpt->partitions[i];
    return NULL;
}

/* Where it ends when it was grown: before the next one, or with the disk's usable part. */
static uint64_t grown_end(const struct clo_gpt *gpt, const struct clo_gpt_partition *partition,
                          uint64_t usable, enum clo_gpt_tool tool)
{
    uint64_t last = usable;

    for (size_t i = 0; i < gpt->count; i++)
        if (gpt->partitions[i].first_lba > partition->last_lba &&
            gpt->partitions[i].first_lba <= last)
            last = gpt->partitions[i].first_lba - 1;
    if (tool == CLO_GPT_REPART || tool == CLO_GPT_CLOISTER)
        last = (last + 1) / REPART_GRAIN * REPART_GRAIN - 1;
    return last > partition->last_lba ? last : partition->last_lba;
}

/* These write the table for a partition that grows, and for nothing else. */
static bool is_written(const struct clo_gpt_growth *growth, uint64_t sectors, uint64_t gain)
{
    switch (growth->tool) {
    case CLO_GPT_GROWPART:
        return gain >= GROWPART_FUDGE;
    case CLO_GPT_REPART:
        return gain > 0;
    case CLO_GPT_CLOISTER:
        return gain > 0 && growth->disk_sectors - sectors >= CLOISTER_LEAST;
    case CLO_GPT_SFDISK:
    case CLO_GPT_SGDISK:
        break;
    }
    return true;
}

static void seal_header(uint8_t *header)
{
    clo_put_le32(header + HEADER_CRC - HEADER, 0);
    clo_put_le32(header + HEADER_CRC - HEADER, clo_crc32(0, clo_bytes(header, HEADER_SIZE)));
}

static void write_head(uint8_t *head, const struct clo_gpt_growth *growth, uint64_t usable,
                       uint64_t end)
{
    struct clo_bytes entries = clo_bytes(head + ENTRIES, CLO_GPT_HEAD_SIZE - ENTRIES);
    uint64_t covered = growth->disk_sectors - 1;

    if (growth->partition != 0)
        clo_put_le64(head + ENTRIES + (size_t)(growth->partition - 1) * ENTRY_SIZE + ENTRY_LAST_LBA,
                     end);
    if (growth->tool == CLO_GPT_CLOISTER)
        clo_put_le32(head + MBR_SECTORS, covered > UINT32_MAX ? UINT32_MAX : (uint32_t)covered);
    clo_put_le64(head + ALTERNATE_LBA, covered);
    clo_put_le64(head + LAST_USABLE, usable);
    clo_put_le32(head + ENTRIES_CRC, clo_crc32(0, entries));
    seal_header(head + HEADER);
}

bool clo_gpt_grow(struct clo_bytes head, const struct clo_gpt_growth *growth,
                  struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_freep) uint8_t *grown = malloc(CLO_GPT_HEAD_SIZE);
    const struct clo_gpt_partition *partition = NULL;
    uint64_t end = 0;

    if (gpt == NULL || grown == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(head, gpt, err))
        return false;
    if (growth->disk_sectors < gpt->disk_sectors)
        return clo_fail(err, CLO_ERR_USAGE, "GPT: a disk of %llu sectors grown to %llu",
                        (unsigned long long)gpt->disk_sectors,
                        (unsigned long long)growth->disk_sectors);
    uint64_t usable = last_usable(head, gpt, growth);
    if (growth->partition != 0) {
        partition = find_number(gpt, growth->partition);
        if (partition == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "GPT: no partition %u", growth->partition);
        end = grown_end(gpt, partition, usable, growth->tool);
    }
    memcpy(grown, head.data, CLO_GPT_HEAD_SIZE);
    if (is_written(growth, gpt->disk_sectors, partition == NULL ? 0 : end - partition->last_lba))
        write_head(grown, growth, usable, end);
    /* GPT fdisk may leave less than partitions have already: it would not write that table either. */
    if (!clo_gpt_parse(clo_bytes(grown, CLO_GPT_HEAD_SIZE), gpt, err))
        return clo_wrap(err, "grown");
    clo_buffer_append(out, clo_bytes(grown, CLO_GPT_HEAD_SIZE));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_gpt_grow_root(struct clo_bytes head, uint64_t disk_bytes, struct clo_buffer *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
    const struct clo_gpt_partition *root;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(head, gpt, err) || !clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, err))
        return false;
    struct clo_gpt_growth growth = { disk_bytes / CLO_GPT_SECTOR, root->number, CLO_GPT_CLOISTER };
    if (growth.disk_sectors < gpt->disk_sectors)
        return true;
    if (!clo_gpt_grow(head, &growth, &grown, err))
        return false;
    if (clo_bytes_equal(clo_buffer_bytes(&grown), head))
        return true;
    clo_buffer_append(out, clo_buffer_bytes(&grown));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_gpt_backup(struct clo_bytes head, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    uint8_t header[CLO_GPT_SECTOR];

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(head, gpt, err))
        return false;
    memcpy(header, head.data + HEADER, sizeof header);
    clo_put_le64(header + MY_LBA, gpt->disk_sectors - 1);
    clo_put_le64(header + (ALTERNATE_LBA - HEADER), 1);
    clo_put_le64(header + ENTRIES_LBA, gpt->disk_sectors - BACKUP_SECTORS);
    seal_header(header);
    clo_buffer_append(out, gpt->entries);
    clo_buffer_append(out, clo_bytes(header, sizeof header));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
