#include "lib/disk/gpt.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE     92
#define ENTRY_SIZE      128
#define ENTRY_COUNT     128
#define ENTRIES_LBA     2
#define ENTRIES_SECTORS ((uint64_t)ENTRY_SIZE * ENTRY_COUNT / CLO_GPT_SECTOR)
#define REVISION_1_0    0x00010000U
#define NAME_SIZE       72

/* UAPI.2, section "Partition type UUIDs"; UEFI 2.10 table 5.7. */
const struct clo_guid clo_gpt_type_esp = { { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba,
                                             0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b } };
const struct clo_guid clo_gpt_type_root_x86_64 = { { 0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d,
                                                     0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7,
                                                     0x09 } };
const struct clo_guid clo_gpt_type_root_arm64 = { { 0x45, 0xb0, 0x21, 0xb9, 0xf0, 0x1d, 0xc3, 0x41,
                                                    0xaf, 0x44, 0x4c, 0x6f, 0x28, 0x0d, 0x3f,
                                                    0xae } };

/* --- Reading --- */

struct header {
    uint64_t my_lba;
    uint64_t alternate_lba;
    uint64_t first_usable;
    uint64_t last_usable;
    uint64_t entries_lba;
    uint32_t entries_crc;
};

static bool read_header(struct clo_bytes head, struct clo_gpt *gpt, struct header *out,
                        struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(head, CLO_GPT_SECTOR, CLO_GPT_SECTOR));

    struct clo_bytes signature = clo_read_bytes(&r, 8);
    bool is_table = clo_reader_ok(&r) && memcmp(signature.data, "EFI PART", 8) == 0;
    struct clo_bytes fourth = clo_bytes_slice(head, 4096, 8);
    if (!is_table && fourth.size == 8 && memcmp(fourth.data, "EFI PART", 8) == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "GPT: of a disk with sectors of 4096 bytes, only 512 are read");
    if (!is_table)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: no \"EFI PART\" at sector 1");
    uint32_t revision = clo_read_le32(&r);
    uint32_t size = clo_read_le32(&r);
    uint32_t crc = clo_read_le32(&r);
    if (revision != REVISION_1_0 || size != HEADER_SIZE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "GPT: revision 0x%x with a header of %u bytes",
                        revision, size);
    uint8_t header[HEADER_SIZE];
    gpt->header = clo_bytes_slice(head, CLO_GPT_SECTOR, HEADER_SIZE);
    memcpy(header, gpt->header.data, sizeof header);
    memset(header + 16, 0, 4);
    if (clo_crc32(0, clo_bytes(header, sizeof header)) != crc)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: the header's checksum does not hold");
    clo_read_skip(&r, 4);
    out->my_lba = clo_read_le64(&r);
    out->alternate_lba = clo_read_le64(&r);
    out->first_usable = clo_read_le64(&r);
    out->last_usable = clo_read_le64(&r);
    gpt->disk = clo_read_guid(&r);
    out->entries_lba = clo_read_le64(&r);
    gpt->entry_count = clo_read_le32(&r);
    gpt->entry_size = clo_read_le32(&r);
    out->entries_crc = clo_read_le32(&r);
    if (out->my_lba != 1 || out->entries_lba != ENTRIES_LBA || gpt->entry_size != ENTRY_SIZE ||
        gpt->entry_count != ENTRY_COUNT)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "GPT: %u entries of %u bytes at sector %llu, expected 128 of 128 at 2",
                        gpt->entry_count, gpt->entry_size, (unsigned long long)out->entries_lba);
    if (out->first_usable < ENTRIES_LBA + ENTRIES_SECTORS || out->last_usable < out->first_usable ||
        out->alternate_lba <= out->last_usable || out->alternate_lba == UINT64_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: usable sectors %llu to %llu, backup at %llu",
                        (unsigned long long)out->first_usable, (unsigned long long)out->last_usable,
                        (unsigned long long)out->alternate_lba);
    return true;
}

static bool read_entry(struct clo_bytes bytes, const struct header *header,
                       struct clo_gpt_partition *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(bytes);
    struct clo_gpt_partition partition = { 0 };

    partition.type = clo_read_guid(&r);
    partition.guid = clo_read_guid(&r);
    partition.first_lba = clo_read_le64(&r);
    partition.last_lba = clo_read_le64(&r);
    partition.attributes = clo_read_le64(&r);
    struct clo_bytes name = clo_read_bytes(&r, NAME_SIZE);
    if (partition.first_lba < header->first_usable || partition.last_lba > header->last_usable ||
        partition.last_lba < partition.first_lba)
        return clo_fail(err, CLO_ERR_FORMAT, "sectors %llu to %llu are outside the usable ones",
                        (unsigned long long)partition.first_lba,
                        (unsigned long long)partition.last_lba);
    size_t used = 0;
    while (used + 2 <= name.size && (name.data[used] != 0 || name.data[used + 1] != 0))
        used += 2;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    clo_utf16_text(clo_bytes_slice(name, 0, used), &text);
    if (text.size >= sizeof partition.name || clo_buffer_string(&text) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "its name is too long");
    memcpy(partition.name, clo_buffer_string(&text), text.size);
    clo_sanitize(partition.name);
    *out = partition;
    return true;
}

bool clo_gpt_parse(struct clo_bytes head, struct clo_gpt *out, struct clo_error *err)
{
    struct header header = { 0 };

    memset(out, 0, sizeof *out);
    if (head.size < CLO_GPT_HEAD_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: %zu bytes, at least %zu needed", head.size,
                        CLO_GPT_HEAD_SIZE);
    if (!read_header(head, out, &header, err))
        return false;
    out->disk_sectors = header.alternate_lba + 1;
    out->entries = clo_bytes_slice(head, (size_t)ENTRIES_LBA * CLO_GPT_SECTOR,
                                   (size_t)ENTRY_SIZE * ENTRY_COUNT);
    if (clo_crc32(0, out->entries) != header.entries_crc)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: the entries' checksum does not hold");
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        struct clo_bytes entry = clo_bytes_slice(out->entries, i * ENTRY_SIZE, ENTRY_SIZE);
        struct clo_gpt_partition *partition = &out->partitions[out->count];
        if (clo_bytes_all(clo_bytes_slice(entry, 0, 16), 0))
            continue;
        if (!read_entry(entry, &header, partition, err))
            return clo_wrap(err, "GPT: partition %zu", i + 1);
        partition->number = (uint32_t)i + 1;
        for (size_t k = 0; k < out->count; k++)
            if (partition->first_lba <= out->partitions[k].last_lba &&
                out->partitions[k].first_lba <= partition->last_lba)
                return clo_fail(err, CLO_ERR_FORMAT, "GPT: partition %zu overlaps another", i + 1);
        out->count++;
    }
    return true;
}

bool clo_gpt_find(const struct clo_gpt *gpt, const struct clo_guid *type,
                  const struct clo_gpt_partition **out, struct clo_error *err)
{
    const struct clo_gpt_partition *found = NULL;
    char text[CLO_GUID_TEXT];

    for (size_t i = 0; i < gpt->count; i++) {
        if (!clo_guid_equal(&gpt->partitions[i].type, type))
            continue;
        if (found != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "GPT: more than one partition of type %s",
                            clo_guid_text(type, text));
        found = &gpt->partitions[i];
    }
    if (found == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "GPT: no partition of type %s",
                        clo_guid_text(type, text));
    *out = found;
    return true;
}

static bool is_picked(const struct clo_gpt_partition *partition, const char *which,
                      const struct clo_guid *guid)
{
    return guid != NULL ? clo_guid_equal(&partition->guid, guid)
                        : strcmp(partition->name, which) == 0;
}

bool clo_gpt_pick(const struct clo_gpt *gpt, const char *which,
                  const struct clo_gpt_partition **out, struct clo_error *err)
{
    const struct clo_gpt_partition *found = NULL;
    struct clo_guid guid;
    struct clo_error ignored;
    char *end;

    bool is_guid = clo_guid_read(which, &guid, &ignored);
    unsigned long number = strtoul(which, &end, 10);
    bool is_number = *which >= '0' && *which <= '9' && *end == '\0';
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *partition = &gpt->partitions[i];
        if (is_number ? partition->number != number
                      : !is_picked(partition, which, is_guid ? &guid : NULL))
            continue;
        if (found != NULL)
            return clo_fail(err, CLO_ERR_USAGE, "GPT: more than one partition is \"%s\"", which);
        found = partition;
    }
    if (found == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "GPT: no partition has the number, GUID or name \"%s\"",
                        which);
    *out = found;
    return true;
}

bool clo_gpt_event(const struct clo_gpt *gpt, struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_append(out, gpt->header);
    clo_buffer_le64(out, gpt->count);
    for (size_t i = 0; i < gpt->entry_count; i++) {
        struct clo_bytes entry =
                clo_bytes_slice(gpt->entries, i * gpt->entry_size, gpt->entry_size);
        if (!clo_bytes_all(clo_bytes_slice(entry, 0, 16), 0))
            clo_buffer_append(out, entry);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Writing --- */

static bool append_entries(const struct clo_gpt_partition *partitions, size_t count,
                           struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { .limit = NAME_SIZE };
        if (!clo_utf16_write(partitions[i].name, &name, err))
            return clo_fail(err, CLO_ERR_USAGE, "GPT: partition name \"%s\": too long or no UTF-8",
                            partitions[i].name);
        clo_buffer_guid(out, &partitions[i].type);
        clo_buffer_guid(out, &partitions[i].guid);
        clo_buffer_le64(out, partitions[i].first_lba);
        clo_buffer_le64(out, partitions[i].last_lba);
        clo_buffer_le64(out, partitions[i].attributes);
        clo_buffer_append(out, clo_buffer_bytes(&name));
        clo_buffer_zero(out, NAME_SIZE - name.size);
    }
    clo_buffer_zero(out, (ENTRY_COUNT - count) * ENTRY_SIZE);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static void append_header(struct clo_buffer *out, const struct clo_guid *disk, uint64_t sectors,
                          bool is_backup, uint32_t entries_crc)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    uint64_t last = sectors - 1;

    clo_buffer_text(&header, "EFI PART");
    clo_buffer_le32(&header, REVISION_1_0);
    clo_buffer_le32(&header, HEADER_SIZE);
    clo_buffer_le32(&header, 0); /* its checksum */
    clo_buffer_le32(&header, 0);
    clo_buffer_le64(&header, is_backup ? last : 1);
    clo_buffer_le64(&header, is_backup ? 1 : last);
    clo_buffer_le64(&header, ENTRIES_LBA + ENTRIES_SECTORS);
    clo_buffer_le64(&header, last - 1 - ENTRIES_SECTORS);
    clo_buffer_guid(&header, disk);
    clo_buffer_le64(&header, is_backup ? last - ENTRIES_SECTORS : ENTRIES_LBA);
    clo_buffer_le32(&header, ENTRY_COUNT);
    clo_buffer_le32(&header, ENTRY_SIZE);
    clo_buffer_le32(&header, entries_crc);
    uint32_t crc = clo_crc32(0, clo_buffer_bytes(&header));
    for (size_t i = 0; i < 4 && clo_buffer_ok(&header); i++)
        header.data[16 + i] = (uint8_t)(crc >> (8 * i));
    out->failed = out->failed || header.failed;
    clo_buffer_append(out, clo_buffer_bytes(&header));
    clo_buffer_zero(out, CLO_GPT_SECTOR - HEADER_SIZE);
}

/* UEFI 2.10 section 5.2.3: one partition of type 0xee over the whole disk. */
static void append_protective_mbr(struct clo_buffer *out, uint64_t sectors)
{
    static const uint8_t start[] = { 0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff };

    clo_buffer_zero(out, 446);
    clo_buffer_append(out, clo_bytes(start, sizeof start));
    clo_buffer_le32(out, 1);
    clo_buffer_le32(out, sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
    clo_buffer_zero(out, 48);
    clo_buffer_le16(out, 0xaa55);
}

bool clo_gpt_write(const struct clo_guid *disk, uint64_t disk_sectors,
                   const struct clo_gpt_partition *partitions, size_t count,
                   struct clo_buffer *head, struct clo_buffer *tail, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entries = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *check = malloc(sizeof *check);
    size_t start = head->size;

    if (check == NULL)
        return clo_out_of_memory(err);
    if (disk_sectors < 2 * (ENTRIES_SECTORS + 2) + 1 || count > CLO_GPT_PARTITIONS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "GPT: %zu partitions on a disk of %llu sectors", count,
                        (unsigned long long)disk_sectors);
    if (!append_entries(partitions, count, &entries, err))
        return false;
    uint32_t crc = clo_crc32(0, clo_buffer_bytes(&entries));
    append_protective_mbr(head, disk_sectors);
    append_header(head, disk, disk_sectors, false, crc);
    clo_buffer_append(head, clo_buffer_bytes(&entries));
    clo_buffer_append(tail, clo_buffer_bytes(&entries));
    append_header(tail, disk, disk_sectors, true, crc);
    if (!clo_buffer_ok(head) || !clo_buffer_ok(tail))
        return clo_out_of_memory(err);
    /* What we write must be what we accept: bounds and overlaps are checked in one place. */
    return clo_gpt_parse(clo_bytes_slice(clo_buffer_bytes(head), start, CLO_GPT_HEAD_SIZE), check,
                         err);
}
