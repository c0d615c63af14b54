#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/file.h"
#include "image/subject.h"
#include "lib/disk/fat.h"
#include "lib/disk/gpt.h"
#include "lib/disk/luks2.h"
#include "lib/disk/probe.h"
#include "lib/predict/boot_disk.h"

#define ESP_LIMIT   ((uint64_t)2 << 30)
#define UKI_LIMIT   ((size_t)1 << 30)
#define CLEAR_LIMIT 512
#define UKI_FOLDER  "EFI/Linux"

static const char xbootldr_type[] = "bc13c2ff-59e6-4262-a352-b275fd6f7172"; /* UAPI.2 */

/* Types that systemd acts on by itself (UAPI.2), but the root's: swap, home, srv, var, tmp, usr and verity. */
static bool is_automatic(const struct clo_gpt_partition *partition)
{
    static const char *const types[] = {
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
        "3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
        "7ec6f557-3bc5-4aca-b293-16ef5df639d1", "8484680c-9521-48c6-9c11-b0720656f69e",
        "77ff5f63-e7b6-4633-acf4-1565b864c0e6", "bc13c2ff-59e6-4262-a352-b275fd6f7172",
    };
    char text[CLO_GUID_TEXT];

    clo_guid_text(&partition->type, text);
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        if (strcmp(types[i], text) == 0)
            return true;
    return false;
}

/* A file system that is in the clear, whatever else may be in it. */
static bool is_clear(enum clo_content content)
{
    switch (content) {
    case CLO_CONTENT_UNKNOWN:
    case CLO_CONTENT_SWAP:
    case CLO_CONTENT_VERITY:
    case CLO_CONTENT_LUKS1:
    case CLO_CONTENT_LUKS2:
        return false;
    default:
        return true;
    }
}

/* What a root is called in facts. */
static const char *root_name(enum clo_content content)
{
    static const struct {
        enum clo_content content;
        const char *name;
    } names[] = {
        { CLO_CONTENT_UNKNOWN, "unknown" }, { CLO_CONTENT_SWAP, "swap" },
        { CLO_CONTENT_VERITY, "verity" },   { CLO_CONTENT_LUKS1, "luks1" },
        { CLO_CONTENT_LUKS2, "luks2" },
    };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (names[i].content == content)
            return names[i].name;
    return "clear";
}

static uint64_t partition_size(const struct clo_gpt_partition *partition)
{
    return (partition->last_lba - partition->first_lba + 1) * CLO_GPT_SECTOR;
}

static bool read_beginning(int fd, const struct clo_gpt_partition *partition, uint64_t limit,
                           struct clo_buffer *out, struct clo_error *err)
{
    uint64_t size = partition_size(partition);

    return clo_fd_read(fd, partition->first_lba * CLO_GPT_SECTOR,
                       (size_t)(size < limit ? size : limit), out, err);
}

static bool is_type(const struct clo_gpt_partition *partition, const char *type)
{
    char text[CLO_GUID_TEXT];

    return strcmp(clo_guid_text(&partition->type, text), type) == 0;
}

static bool take_uki(struct clo_subject *subject, struct clo_bytes volume, const char *path,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };

    return clo_fat_read(volume, path, UKI_LIMIT, &uki, err) &&
           clo_subject_add_uki(subject, clo_buffer_bytes(&uki), err);
}

/* What firmware, a shim or a boot loader starts. A loader counts as one even where it has one choice: files that the
 * host adds give it others. */
static bool take_started(struct clo_subject *subject, struct clo_bytes volume, bool *has_loader,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_boot_disk *boot = calloc(1, sizeof *boot);

    if (boot == NULL)
        return clo_out_of_memory(err);
    bool ok = clo_boot_disk_find(volume, NULL, boot, err) &&
              clo_subject_add_uki(subject, clo_buffer_bytes(&boot->uki), err);
    *has_loader = boot->loader.size > 0;
    clo_boot_disk_free(boot);
    return ok;
}

struct ukis {
    char name[CLO_FAT_NAME_MAX]; /* the last one */
    size_t count;
};

static bool count_uki(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    struct ukis *ukis = context;

    (void)err;
    if (is_directory || !clo_ends_with(name, ".efi"))
        return true;
    ukis->count++;
    snprintf(ukis->name, sizeof ukis->name, "%s", name);
    return true;
}

/* A boot loader starts what lies in EFI/Linux (UAPI.1, type 2 entries): audited when there is one. */
static bool add_behind_loader(struct clo_subject *subject, struct clo_bytes volume,
                              const char *refusal, struct clo_error *err)
{
    char path[CLO_FAT_NAME_MAX + 16];
    struct ukis ukis = { .count = 0 };
    struct clo_error why;

    if (!clo_fat_list(volume, UKI_FOLDER, count_uki, &ukis, &why))
        ukis.count = 0; /* no such volume: the refusal says it */
    snprintf(why.text, sizeof why.text, "%s", refusal);
    snprintf(path, sizeof path, UKI_FOLDER "/%s", ukis.name);
    if (ukis.count > 1)
        snprintf(why.text, sizeof why.text, "%zu in " UKI_FOLDER ": audit each", ukis.count);
    if (ukis.count != 1 || !take_uki(subject, volume, path, &why))
        return clo_subject_set(subject, "image.uki", why.text, err);
    return clo_subject_set(subject, "image.uki", "present", err) &&
           clo_subject_set(subject, "image.loader", "present", err);
}

static bool add_esp(struct clo_subject *subject, int fd, const struct clo_gpt_partition *esp,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };
    bool has_loader;
    struct clo_error why;

    if (partition_size(esp) > ESP_LIMIT)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "ESP: larger than %u MiB",
                        (unsigned)(ESP_LIMIT >> 20));
    if (!read_beginning(fd, esp, ESP_LIMIT, &volume, err))
        return clo_wrap(err, "ESP");
    if (!take_started(subject, clo_buffer_bytes(&volume), &has_loader, &why))
        return add_behind_loader(subject, clo_buffer_bytes(&volume), why.text, err);
    return clo_subject_set(subject, "image.uki", "present", err) &&
           clo_subject_set(subject, "image.loader", has_loader ? "present" : "none", err);
}

static bool add_luks(struct clo_subject *subject, int fd, const struct clo_gpt_partition *root,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;
    struct clo_error refusal;

    if (!read_beginning(fd, root, CLO_LUKS2_HEADER_MAX, &header, err))
        return clo_wrap(err, "root");
    bool is_strict = clo_luks2_check(clo_buffer_bytes(&header), &info, &refusal);
    return clo_subject_set(subject, "image.luks_header", is_strict ? "strict" : refusal.text, err);
}

struct scan {
    const char *root;
    bool has_verity;
    bool has_esp;
    char clear[CLEAR_LIMIT]; /* names, with commas; of partitions that are not an ESP */
    char swap[CLEAR_LIMIT];
    char boot[CLEAR_LIMIT];
    char automatic[CLEAR_LIMIT]; /* of a type that systemd acts on by itself */
};

static void list(char *names, const struct clo_gpt_partition *partition)
{
    char guid[CLO_GUID_TEXT];
    size_t used = strlen(names);
    const char *name =
            partition->name[0] != '\0' ? partition->name : clo_guid_text(&partition->guid, guid);

    snprintf(names + used, CLEAR_LIMIT - used, "%s%s", used == 0 ? "" : ", ", name);
}

static bool add_root(struct clo_subject *subject, int fd, const struct clo_gpt_partition *root,
                     enum clo_content content, struct scan *scan, struct clo_error *err)
{
    scan->root = root_name(content);
    return content != CLO_CONTENT_LUKS2 || add_luks(subject, fd, root, err);
}

static bool add_partition(struct clo_subject *subject, int fd,
                          const struct clo_gpt_partition *partition, struct scan *scan,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer beginning = { 0 };
    struct clo_probe found;

    if (clo_guid_equal(&partition->type, &clo_gpt_type_esp)) {
        bool is_first = !scan->has_esp;
        scan->has_esp = true;
        return !is_first || add_esp(subject, fd, partition, err);
    }
    if (!read_beginning(fd, partition, CLO_PROBE_SIZE, &beginning, err))
        return false;
    clo_probe(clo_buffer_bytes(&beginning), &found);
    enum clo_content content = found.content;
    if (is_automatic(partition))
        list(scan->automatic, partition);
    if (clo_guid_equal(&partition->type, &clo_gpt_type_root_x86_64))
        return add_root(subject, fd, partition, content, scan, err);
    if (content == CLO_CONTENT_VERITY)
        scan->has_verity = true;
    else if (content == CLO_CONTENT_SWAP)
        list(scan->swap, partition);
    else if (is_type(partition, xbootldr_type) && is_clear(content))
        list(scan->boot, partition);
    else if (is_clear(content))
        list(scan->clear, partition);
    return true;
}

static const char *or_none(const char *names)
{
    return *names == '\0' ? "none" : names;
}

static bool add_scan(struct clo_subject *subject, const struct scan *scan, struct clo_error *err)
{
    const char *root = scan->root == NULL ? "none" : scan->root;

    /* A file system next to a hash tree: its root hash is on the command line, or it is not used. */
    if (strcmp(root, "clear") == 0 && scan->has_verity)
        root = "verity";
    return clo_subject_set(subject, "image.root", root, err) &&
           clo_subject_set(subject, "image.esp", scan->has_esp ? "present" : "absent", err) &&
           (scan->has_esp || clo_subject_set(subject, "image.uki", "absent", err)) &&
           clo_subject_set(subject, "image.clear_partitions", or_none(scan->clear), err) &&
           clo_subject_set(subject, "image.swap", or_none(scan->swap), err) &&
           clo_subject_set(subject, "image.automatic", or_none(scan->automatic), err) &&
           clo_subject_set(subject, "image.boot", or_none(scan->boot), err);
}

/* Without a GPT there is no root that a guest would find; what is in the clear is seen by all. */
static bool add_other_table(struct clo_subject *subject, struct clo_bytes head,
                            struct clo_error *err)
{
    struct clo_mbr_partition partitions[CLO_MBR_PARTITIONS];

    subject->about[CLO_AUDIT_IMAGE] = true;
    bool is_mbr = clo_mbr_parse(clo_bytes_slice(head, 0, CLO_GPT_SECTOR), partitions);
    bool has_esp = false;
    for (size_t i = 0; is_mbr && i < CLO_MBR_PARTITIONS; i++)
        has_esp = has_esp || partitions[i].type == 0xef;
    return clo_subject_set(subject, "image.table", is_mbr ? "mbr" : "none", err) &&
           clo_subject_set(subject, "image.root", "none", err) &&
           clo_subject_set(subject, "image.esp", has_esp ? "present" : "absent", err);
}

bool clo_subject_add_disk(struct clo_subject *subject, int fd, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct scan scan = { 0 };

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_fd_read(fd, 0, CLO_GPT_HEAD_SIZE, &head, err))
        return false;
    if (!clo_bytes_equal(clo_bytes_slice(clo_buffer_bytes(&head), CLO_GPT_SECTOR, 8),
                         clo_bytes("EFI PART", 8)))
        return add_other_table(subject, clo_buffer_bytes(&head), err);
    if (!clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) ||
        !clo_subject_set(subject, "image.table", "gpt", err))
        return false;
    subject->about[CLO_AUDIT_IMAGE] = true;
    for (size_t i = 0; i < gpt->count; i++)
        if (!add_partition(subject, fd, &gpt->partitions[i], &scan, err))
            return clo_wrap(err, "partition %zu", i + 1);
    return add_scan(subject, &scan, err);
}
