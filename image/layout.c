#include "image/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/disk/in_place.h"

#define SECTOR 512U

static const char xbootldr_type[] = "bc13c2ff-59e6-4262-a352-b275fd6f7172";

static bool probe_part(const struct clo_container *disk, struct clo_layout_part *part,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *head = malloc(CLO_PROBE_SIZE);

    if (head == NULL)
        return clo_out_of_memory(err);
    if (part->volume[0] == '\0' &&
        (part->first > disk->size || part->size > disk->size - part->first))
        return clo_fail(err, CLO_ERR_FORMAT, "partition %u: ends beyond the disk's end",
                        part->number);
    size_t size = part->size < CLO_PROBE_SIZE ? (size_t)part->size : CLO_PROBE_SIZE;
    if (!clo_container_read(disk, part->first, head, size, err))
        return clo_wrap(err, "partition %u", part->number);
    clo_probe(clo_bytes(head, size), &part->probe);
    return true;
}

bool layout_add(const struct clo_container *disk, struct clo_layout *layout,
                const struct clo_layout_part *part, struct clo_error *err)
{
    if (layout->count == CLO_LAYOUT_PARTS)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d partitions", CLO_LAYOUT_PARTS);
    layout->parts[layout->count] = *part;
    return probe_part(disk, &layout->parts[layout->count++], err);
}

static bool read_gpt(const struct clo_container *disk, struct clo_bytes head,
                     struct clo_layout *layout, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(head, gpt, err))
        return false;
    layout->table = "GPT";
    clo_guid_text(&gpt->disk, layout->guid);
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *from = &gpt->partitions[i];
        struct clo_layout_part part = {
            .number = from->number,
            .first = from->first_lba * SECTOR,
            .size = (from->last_lba - from->first_lba + 1) * SECTOR,
            .is_esp = clo_guid_equal(&from->type, &clo_gpt_type_esp),
            .is_root = clo_guid_equal(&from->type, &clo_gpt_type_root_x86_64),
        };
        clo_guid_text(&from->guid, part.guid);
        clo_guid_text(&from->type, part.type);
        part.is_boot = strcmp(part.type, xbootldr_type) == 0;
        snprintf(part.name, sizeof part.name, "%s", from->name);
        if (!layout_add(disk, layout, &part, err))
            return false;
    }
    return true;
}

/* Each record of the chain has one partition, relative to itself, and the next record, relative to the first. */
static bool read_logical(const struct clo_container *disk, uint64_t base, struct clo_layout *layout,
                         struct clo_error *err)
{
    uint8_t sector[SECTOR];
    struct clo_mbr_partition entries[CLO_MBR_PARTITIONS];
    uint64_t at = base;

    for (unsigned number = 5; number < CLO_LAYOUT_PARTS; number++) {
        if (!clo_container_read(disk, at * SECTOR, sector, sizeof sector, err))
            return false;
        if (!clo_mbr_parse(clo_bytes(sector, sizeof sector), entries) || entries[0].type == 0)
            return true;
        struct clo_layout_part part = { .number = number,
                                        .first = (at + entries[0].first_lba) * SECTOR,
                                        .size = entries[0].sectors * SECTOR };
        if (!layout_add(disk, layout, &part, err))
            return false;
        if (!clo_mbr_is_extended(entries[1].type))
            return true;
        at = base + entries[1].first_lba;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "MBR: a chain of logical partitions without an end");
}

static bool read_mbr(const struct clo_container *disk, const struct clo_mbr_partition *entries,
                     struct clo_layout *layout, struct clo_error *err)
{
    layout->table = "MBR";
    for (unsigned i = 0; i < CLO_MBR_PARTITIONS; i++) {
        struct clo_layout_part part = { .number = i + 1,
                                        .first = entries[i].first_lba * SECTOR,
                                        .size = entries[i].sectors * SECTOR,
                                        .is_esp = entries[i].type == 0xef };
        if (clo_mbr_is_extended(entries[i].type)) {
            if (!read_logical(disk, entries[i].first_lba, layout, err))
                return false;
        } else if (entries[i].type != 0 && !layout_add(disk, layout, &part, err)) {
            return false;
        }
    }
    return true;
}

static bool read_table(const struct clo_container *disk, struct clo_layout *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    struct clo_mbr_partition entries[CLO_MBR_PARTITIONS];
    struct clo_layout_part whole = { .size = disk->size };

    *out = (struct clo_layout){ .table = "no" };
    if (disk->size < CLO_GPT_HEAD_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%" PRIu64 " bytes are not a disk", disk->size);
    clo_buffer_zero(&head, CLO_GPT_HEAD_SIZE);
    if (!clo_buffer_ok(&head))
        return clo_out_of_memory(err);
    if (!clo_container_read(disk, 0, head.data, head.size, err))
        return false;
    if (clo_in_place_is_marked(clo_buffer_bytes(&head)))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "is half encrypted in place: 'cloister image convert IMAGE --in-place "
                        "--resume' finishes it, with the folder IMAGE.converting");
    if (memcmp(head.data + SECTOR, "EFI PART", 8) == 0)
        return read_gpt(disk, clo_buffer_bytes(&head), out, err);
    if (!probe_part(disk, &whole, err))
        return false;
    if (whole.probe.content == CLO_CONTENT_BOOT_SECTOR &&
        clo_mbr_parse(clo_bytes(head.data, SECTOR), entries))
        return read_mbr(disk, entries, out, err);
    if (whole.probe.content == CLO_CONTENT_UNKNOWN ||
        whole.probe.content == CLO_CONTENT_BOOT_SECTOR)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "neither a partition table nor a file system is in it");
    return layout_add(disk, out, &whole, err);
}

bool clo_layout_read(struct clo_container *disk, struct clo_layout *out, struct clo_error *err)
{
    return read_table(disk, out, err) && layout_add_volumes(disk, out, err);
}

/* --- Names --- */

/* After the "=", without quotes; or what udev calls it below /dev/disk. */
static bool names(const char *device, const char *key, const char *folder, const char *value)
{
    char text[300];
    size_t size = strlen(folder);

    if (*value == '\0')
        return false;
    snprintf(text, sizeof text, "%s=%s", key, value);
    if (strcasecmp(device, text) == 0)
        return true;
    snprintf(text, sizeof text, "%s=\"%s\"", key, value);
    if (strcasecmp(device, text) == 0)
        return true;
    return strncmp(device, folder, size) == 0 && strcasecmp(device + size, value) == 0;
}

/* /dev/sda3, /dev/vda3, /dev/xvda3, /dev/nvme0n1p3, /dev/mmcblk0p3. */
static bool names_number(const char *device, unsigned number)
{
    static const char *const disks[] = { "/dev/sd", "/dev/vd",   "/dev/xvd",
                                         "/dev/hd", "/dev/nvme", "/dev/mmcblk" };
    char ending[16];
    bool is_disk = false;

    for (size_t i = 0; i < CLO_COUNT(disks); i++)
        is_disk = is_disk || strncmp(device, disks[i], strlen(disks[i])) == 0;
    size_t size = strlen(device), digits = 0;
    while (digits < size && device[size - 1 - digits] >= '0' && device[size - 1 - digits] <= '9')
        digits++;
    snprintf(ending, sizeof ending, "%u", number);
    return is_disk && digits > 0 && strcmp(device + size - digits, ending) == 0;
}

/* /dev/rhel/root, /dev/mapper/rhel-root. */
static bool names_volume(const char *device, const struct clo_layout_part *part)
{
    char group[CLO_LVM_NAME], path[2 * CLO_LVM_NAME * 2 + 16];
    const char *slash = strchr(part->volume, '/');

    if (slash == NULL)
        return false;
    snprintf(path, sizeof path, "/dev/%s", part->volume);
    if (strcmp(device, path) == 0)
        return true;
    snprintf(group, sizeof group, "%.*s", (int)(slash - part->volume), part->volume);
    memcpy(path, "/dev/mapper/", 12);
    clo_lvm_mapped_name(group, slash + 1, path + 12);
    return strcmp(device, path) == 0;
}

const struct clo_layout_part *clo_layout_find(const struct clo_layout *layout, const char *device)
{
    for (size_t i = 0; i < layout->count; i++) {
        const struct clo_layout_part *part = &layout->parts[i];
        if (names(device, "UUID", "/dev/disk/by-uuid/", part->probe.uuid) ||
            names(device, "LABEL", "/dev/disk/by-label/", part->probe.label) ||
            names(device, "PARTUUID", "/dev/disk/by-partuuid/", part->guid) ||
            names(device, "PARTLABEL", "/dev/disk/by-partlabel/", part->name) ||
            names_number(device, part->number) || names_volume(device, part))
            return part;
    }
    return NULL;
}

void clo_layout_part_text(const struct clo_layout_part *part, char *out, size_t size)
{
    const char *content = clo_content_name(part->probe.content);
    int used = part->volume[0] != '\0' ? snprintf(out, size, "volume %s (%s", part->volume, content)
               : part->number == 0     ? snprintf(out, size, "the disk (%s", content)
                                   : snprintf(out, size, "partition %u (%s", part->number, content);

    if (used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, "%s%s)", part->probe.uuid[0] == '\0' ? "" : ", ",
                 part->probe.uuid);
}

/* --- What may be a root --- */

bool clo_layout_may_be_root(const struct clo_layout_part *part)
{
    return part->probe.content == CLO_CONTENT_EXT || part->probe.content == CLO_CONTENT_XFS ||
           part->probe.content == CLO_CONTENT_BTRFS;
}

bool clo_layout_without_root(const struct clo_layout *layout, struct clo_error *err)
{
    static const struct {
        enum clo_content content;
        const char *why;
    } reasons[] = {
        { CLO_CONTENT_LVM, "none of its logical volumes has one" },
        { CLO_CONTENT_LUKS1, "is encrypted already: open it, and 'cloister image build' takes its "
                             "root" },
        { CLO_CONTENT_LUKS2, "is encrypted already: open it, and 'cloister image build' takes its "
                             "root" },
        { CLO_CONTENT_SQUASHFS, "is read-only: unpack it, and 'cloister image build' takes the "
                                "folder" },
        { CLO_CONTENT_EROFS, "is read-only: unpack it, and 'cloister image build' takes the "
                             "folder" },
    };
    char text[200];

    for (size_t k = 0; k < CLO_COUNT(reasons); k++)
        for (size_t i = 0; i < layout->count; i++)
            if (layout->parts[i].probe.content == reasons[k].content) {
                clo_layout_part_text(&layout->parts[i], text, sizeof text);
                return clo_fail(err, CLO_ERR_UNSUPPORTED,
                                "no ext4, XFS or btrfs file system with an init; %s %s", text,
                                reasons[k].content == CLO_CONTENT_LVM && layout->lvm[0] != '\0'
                                        ? layout->lvm
                                        : reasons[k].why);
            }
    return clo_fail(err, CLO_ERR_FORMAT,
                    "%s partition table, %zu partitions: none is an ext4, XFS or btrfs file system "
                    "with an init",
                    layout->table, layout->count);
}
