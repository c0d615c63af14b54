#include "guest/partitions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cloister/eventlog.h"
#include "cloister/pcr.h"
#include "device/file.h"

#define HEADER_SIZE  92
#define ENTRY_SIZE   128
#define DISK_GUID_AT 56 /* UEFI 2.10, table 5.5 */

static const struct {
    const char *name;
    const struct clo_guid *type;
} kinds[] = {
    { "esp", &clo_gpt_type_esp },
    { "root", &clo_gpt_type_root_x86_64 },
};

/* Types that are told of by name (UAPI.2). */
static const struct {
    const char *name, *type;
} known_types[] = {
    { "swap", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" },
    { "home", "933ac7e1-2eb4-4f13-b844-0e14e2aef915" },
    { "srv", "3b8f8425-20e0-4f3b-907f-1a25a76f98e8" },
    { "var", "4d21b016-b534-45c2-a9fb-5c16e091fd2d" },
    { "tmp", "7ec6f557-3bc5-4aca-b293-16ef5df639d1" },
    { "usr", "8484680c-9521-48c6-9c11-b0720656f69e" },
    { "xbootldr", "bc13c2ff-59e6-4262-a352-b275fd6f7172" },
    { "root-verity", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5" },
    { "usr-verity", "77ff5f63-e7b6-4633-acf4-1565b864c0e6" },
    { "linux-generic", "0fc63daf-8483-4772-8e79-3d69d8477de4" },
};

static const char *kind_of(const struct clo_guid *type, char text[CLO_GUID_TEXT])
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (clo_guid_equal(kinds[i].type, type))
            return kinds[i].name;
    clo_guid_text(type, text);
    for (size_t i = 0; i < CLO_COUNT(known_types); i++)
        if (strcmp(known_types[i].type, text) == 0)
            return known_types[i].name;
    return text;
}

bool clo_partition_kind_check(const char *kind, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return true;
    return clo_fail(err, CLO_ERR_FORMAT, "partition \"%.40s\" is neither esp nor root", kind);
}

bool clo_partitions_check_kinds(const struct clo_gpt *gpt, const char *const *wanted, size_t count,
                                struct clo_error *err)
{
    bool is_there[CLO_PARTITION_KINDS_MAX] = { false };
    char text[CLO_GUID_TEXT];

    if (count > CLO_PARTITION_KINDS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d partitions", CLO_PARTITION_KINDS_MAX);
    for (size_t i = 0; i < gpt->count; i++) {
        const char *kind = kind_of(&gpt->partitions[i].type, text);
        size_t k = 0;
        while (k < count && (is_there[k] || strcmp(wanted[k], kind) != 0))
            k++;
        if (k == count)
            return clo_fail(err, CLO_ERR_REFUSED,
                            "partition %u, %s \"%s\", is not one that the image was built with",
                            gpt->partitions[i].number, kind, gpt->partitions[i].name);
        is_there[k] = true;
    }
    for (size_t k = 0; k < count; k++)
        if (!is_there[k])
            return clo_fail(err, CLO_ERR_REFUSED, "the image's %s partition is missing", wanted[k]);
    return true;
}

/* --- What was measured --- */

/* A table's digest is that of all its data: an event whose data says something else says nothing. */
static bool add_event(const struct clo_event *event, enum clo_hash hash,
                      struct clo_table_events *out, struct clo_error *err)
{
    if (!clo_event_data_is_measured(event, hash))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the event log's partition table is not the one that was measured");
    if (out->count == CLO_TABLE_EVENTS_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "more than %d partition tables were measured",
                        CLO_TABLE_EVENTS_MAX);
    out->events[out->count++] = event->data;
    return true;
}

bool clo_partitions_measured(struct clo_bytes log, const struct clo_table_register *is,
                             struct clo_table_events *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *events = NULL;
    struct clo_table_events found = { .count = 0 };
    struct clo_pcr_bank bank;

    if (is->index >= CLO_PCR_COUNT)
        return clo_fail(err, CLO_ERR_USAGE, "register %u", is->index);
    if (!clo_eventlog_parse(log, &events, err) ||
        !clo_eventlog_replay(events, is->hash, &bank, err))
        return false;
    if (!clo_digest_equal(&bank.values[is->index], &is->value))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the event log does not lead to the register that has the table");
    for (size_t i = 0; i < clo_eventlog_count(events); i++) {
        const struct clo_event *event = clo_eventlog_at(events, i);
        if (event->pcr == is->index &&
            (event->type == CLO_EV_EFI_GPT_EVENT || event->type == CLO_EV_EFI_GPT_EVENT2) &&
            !add_event(event, is->hash, &found, err))
            return false;
    }
    *out = found;
    return true;
}

/* --- The table against it --- */

static struct clo_bytes entry_at(struct clo_bytes event, size_t index)
{
    return clo_bytes_slice(event, HEADER_SIZE + 8 + index * ENTRY_SIZE, ENTRY_SIZE);
}

/* Entries are of the same partition if their type and GUID are. */
static bool has_entry(struct clo_bytes event, struct clo_bytes entry, size_t compared)
{
    struct clo_bytes other;

    for (size_t i = 0; (other = entry_at(event, i)).size == ENTRY_SIZE; i++)
        if (memcmp(other.data, entry.data, compared) == 0)
            return true;
    return false;
}

static bool name_difference(const struct clo_gpt *gpt, struct clo_bytes now,
                            struct clo_bytes measured, struct clo_error *err)
{
    struct clo_bytes entry;
    char text[CLO_GUID_TEXT];

    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *partition = &gpt->partitions[i];
        entry = entry_at(now, i);
        if (has_entry(measured, entry, ENTRY_SIZE))
            continue;
        return clo_fail(err, CLO_ERR_REFUSED,
                        "differs from what the firmware measured: partition %u, %s \"%s\", %s",
                        partition->number, kind_of(&partition->type, text), partition->name,
                        has_entry(measured, entry, 32) ? "was changed" : "was added");
    }
    for (size_t i = 0; (entry = entry_at(measured, i)).size == ENTRY_SIZE; i++)
        if (!has_entry(now, entry, ENTRY_SIZE))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "differs from what the firmware measured: a partition is gone");
    return clo_fail(err, CLO_ERR_REFUSED,
                    "differs from what the firmware measured: header, or order of the entries");
}

bool clo_partitions_compare(const struct clo_gpt *gpt, const struct clo_table_events *measured,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer now = { 0 };
    const struct clo_bytes *same_disk = NULL;

    if (!clo_gpt_event(gpt, &now, err))
        return false;
    for (size_t i = 0; i < measured->count; i++) {
        struct clo_bytes event = measured->events[i];
        struct clo_bytes guid = clo_bytes_slice(event, DISK_GUID_AT, sizeof gpt->disk.bytes);
        if (clo_bytes_equal(event, clo_buffer_bytes(&now)))
            return true;
        if (clo_bytes_equal(guid, clo_bytes(gpt->disk.bytes, sizeof gpt->disk.bytes)))
            same_disk = &measured->events[i];
    }
    if (same_disk == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "the firmware measured another disk's");
    return name_difference(gpt, clo_buffer_bytes(&now), *same_disk, err);
}

/* --- The kernel's partitions --- */

static bool read_number(const char *folder, const char *attribute, uint64_t *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error ignored;
    char path[4200];

    snprintf(path, sizeof path, "%s/%s", folder, attribute);
    if (!clo_file_read(path, 64, &text, &ignored) || clo_buffer_string(&text) == NULL)
        return false;
    char *end;
    *out = strtoull(clo_buffer_string(&text), &end, 10);
    return end != clo_buffer_string(&text) && (*end == '\n' || *end == '\0');
}

static bool check_partition(const char *folder, const char *name, const struct clo_gpt *gpt,
                            struct clo_error *err)
{
    uint64_t number, start, size;

    if (!read_number(folder, "partition", &number) || !read_number(folder, "start", &start) ||
        !read_number(folder, "size", &size))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be read", folder);
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *p = &gpt->partitions[i];
        if (p->number == number && p->first_lba == start && p->last_lba - p->first_lba + 1 == size)
            return true;
    }
    return clo_fail(err, CLO_ERR_REFUSED, "the kernel has a partition that the table has not: %s",
                    name);
}

bool clo_partitions_check_kernel(const char *blocks, const char *disk, const struct clo_gpt *gpt,
                                 struct clo_error *err)
{
    char folder[4096], path[4200];
    struct dirent *entry;
    size_t count = 0;
    bool ok = true;

    snprintf(folder, sizeof folder, "%.4000s/%.48s", blocks, disk);
    DIR *stream = opendir(folder);
    if (stream == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    while (ok && (entry = readdir(stream)) != NULL) {
        snprintf(path, sizeof path, "%.4090s/%.64s/partition", folder, entry->d_name);
        if (entry->d_name[0] == '.' || access(path, F_OK) != 0)
            continue;
        path[strlen(path) - strlen("/partition")] = '\0';
        ok = check_partition(path, entry->d_name, gpt, err);
        count++;
    }
    closedir(stream);
    return ok && (count == gpt->count ||
                  clo_fail(err, CLO_ERR_REFUSED, "the kernel has %zu partitions, the table %zu",
                           count, gpt->count));
}

static bool is_kept(const struct clo_guid *type, const struct clo_guid *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (clo_guid_equal(type, &kept[i]))
            return true;
    return false;
}

bool clo_partitions_drop(const char *device, const struct clo_gpt *gpt, const struct clo_guid *kept,
                         size_t kept_count, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", device, strerror(errno));
    for (size_t i = 0; i < gpt->count; i++) {
        struct blkpg_partition partition = { .pno = (int)gpt->partitions[i].number };
        struct blkpg_ioctl_arg argument = { .op = BLKPG_DEL_PARTITION,
                                            .datalen = sizeof partition,
                                            .data = &partition };
        if (is_kept(&gpt->partitions[i].type, kept, kept_count))
            continue;
        if (ioctl(fd, BLKPG, &argument) != 0 && errno != ENXIO)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: partition %d cannot be taken away: %s",
                            device, partition.pno, strerror(errno));
    }
    return true;
}
