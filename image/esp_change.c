#include "image/esp_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/pe.h"
#include "device/file.h"
#include "device/process.h"
#include "lib/disk/fat.h"

#define ESP_LIMIT ((uint64_t)1 << 30)
#define SECTOR    ((size_t)512)
#define PIECE     ((size_t)65536)
#define ESP_SPARE ((uint64_t)64 << 10) /* for a folder, and what the tables take */
#define FOLDER    "EFI/CLOISTER"

void clo_esp_close(struct clo_esp *esp)
{
    clo_buffer_free(&esp->head);
    clo_buffer_free(&esp->bytes);
}

/* --- Writing back --- */

static bool write_sectors(struct clo_esp *esp, size_t at, const uint8_t *bytes, size_t size,
                          struct clo_error *err)
{
    while (size > 0) {
        ssize_t done = pwrite(esp->fd, bytes, size, (off_t)(esp->offset + at));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "ESP: %s", strerror(errno));
        memcpy(esp->bytes.data + at, bytes, (size_t)done);
        at += (size_t)done;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

static bool flush(const struct clo_esp *esp, struct clo_error *err)
{
    return fdatasync(esp->fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "ESP: %s", strerror(errno));
}

struct change {
    const struct clo_buffer *to;
    struct clo_buffer before; /* what is free is told by the tables of before */
};

/* All changed sectors of one part of the volume, as many at once as lie together. */
static bool write_part(struct clo_esp *esp, const struct change *change, enum clo_fat_part part,
                       struct clo_error *err)
{
    const uint8_t *to = change->to->data;
    size_t from = 0, size = 0;

    for (size_t at = 0; at < change->to->size; at += SECTOR) {
        enum clo_fat_part found = part;
        bool is_changed = memcmp(change->before.data + at, to + at, SECTOR) != 0;
        if (is_changed && !clo_fat_part_at(clo_buffer_bytes(&change->before), at, &found, err))
            return false;
        if (is_changed && found == part) {
            from = size == 0 ? at : from;
            size += SECTOR;
            continue;
        }
        if (size > 0 && !write_sectors(esp, from, to + from, size, err))
            return false;
        size = 0;
    }
    return (size == 0 || write_sectors(esp, from, to + from, size, err)) && flush(esp, err);
}

/* What nothing leads to yet goes first, and a folder's own sectors last; where something goes, the other way round. Cut short, clusters
 * are lost at most. */
static bool write_back(struct clo_esp *esp, const struct clo_buffer *to, bool is_adding,
                       struct clo_error *err)
{
    static const enum clo_fat_part adding[] = { CLO_FAT_FREE, CLO_FAT_TABLES, CLO_FAT_USED };
    static const enum clo_fat_part dropping[] = { CLO_FAT_FREE, CLO_FAT_USED, CLO_FAT_TABLES };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };

    clo_buffer_append(&before, clo_buffer_bytes(&esp->bytes));
    if (!clo_buffer_ok(&before))
        return clo_out_of_memory(err);
    const struct change change = { to, before };
    bool ok = to->size == esp->bytes.size ||
              clo_fail(err, CLO_ERR_SYSTEM, "ESP: was not changed as it should");
    for (size_t i = 0; ok && i < CLO_COUNT(adding); i++)
        ok = write_part(esp, &change, is_adding ? adding[i] : dropping[i], err);
    return ok;
}

/* --- mtools, on a copy --- */

/* One command; NULL in it stands for the copy. */
static bool run_on(const char *copy, const char *const *command, struct clo_error *err)
{
    static const char *const environment[] = { "MTOOLS_SKIP_CHECK=1", "TZ=UTC", NULL };
    const char *argv[12];
    size_t count = 0;

    for (; command[count] != NULL; count++)
        argv[count] = strcmp(command[count], "COPY") == 0 ? copy : command[count];
    argv[count] = NULL;
    return clo_process_run(argv, environment, NULL, err);
}

/* With holes, and not flushed: it goes when this is done. */
static bool write_copy(const struct clo_esp *esp, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const struct clo_bytes all = clo_buffer_bytes(&esp->bytes);
    bool ok = fd >= 0 && ftruncate(fd, (off_t)all.size) == 0;

    for (size_t at = 0; ok && at < all.size; at += PIECE) {
        struct clo_bytes piece = clo_bytes_slice(all, at, PIECE);
        if (!clo_bytes_all(piece, 0))
            ok = lseek(fd, (off_t)at, SEEK_SET) >= 0 && clo_write_all(fd, piece, err);
    }
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool change(struct clo_esp *esp, const char *const *const *commands, struct clo_bytes file,
                   bool is_adding, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer after = { 0 };
    char copy[4200], input[4200];

    if (!clo_scratch_new(NULL, &scratch, err))
        return false;
    snprintf(copy, sizeof copy, "%s/esp", scratch.path);
    snprintf(input, sizeof input, "%s/file", scratch.path);
    if (!write_copy(esp, copy, err) || !clo_file_write(input, file, 0600, err))
        return false;
    for (; *commands != NULL; commands++) {
        const char *argv[12] = { NULL };
        for (size_t i = 0; (*commands)[i] != NULL; i++)
            argv[i] = strcmp((*commands)[i], "FILE") == 0 ? input : (*commands)[i];
        if (!run_on(copy, argv, err))
            return clo_wrap(err, "ESP");
    }
    return clo_file_read(copy, (size_t)ESP_LIMIT, &after, err) &&
           write_back(esp, &after, is_adding, err);
}

/* --- The three entries --- */

struct places {
    struct clo_fat_entry usual, next, previous;
    bool has_next, has_previous;
};

static bool find_places(const struct clo_esp *esp, struct places *out, struct clo_error *err)
{
    struct clo_bytes volume = clo_buffer_bytes(&esp->bytes);
    bool is_there;

    *out = (struct places){ .has_next = false };
    if (!clo_fat_find(volume, esp->path, &out->usual, &is_there, err) ||
        !clo_fat_find(volume, CLO_ESP_NEXT, &out->next, &out->has_next, err) ||
        !clo_fat_find(volume, CLO_ESP_PREVIOUS, &out->previous, &out->has_previous, err))
        return false;
    return is_there || clo_fail(err, CLO_ERR_FORMAT, "ESP: there is no %s", esp->path);
}

/* In the one sector that the entry lies in: this is either done or not. */
static bool lead(struct clo_esp *esp, struct clo_fat_entry *entry, uint32_t cluster, uint32_t size,
                 struct clo_error *err)
{
    uint8_t sector[SECTOR];
    size_t at = entry->offset / SECTOR * SECTOR;

    memcpy(sector, esp->bytes.data + at, sizeof sector);
    clo_fat_lead_to(sector + entry->offset % SECTOR, cluster, size);
    entry->cluster = cluster;
    entry->size = size;
    return write_sectors(esp, at, sector, sizeof sector, err) && flush(esp, err);
}

static bool is_shared(const struct clo_fat_entry *one, const struct clo_fat_entry *other)
{
    return one->cluster != 0 && one->cluster == other->cluster;
}

/* A run that was cut short between two of the exchange's writes: two names lead to one file, and the tools for this file system
 * must not see that. */
static bool settle(struct clo_esp *esp, struct clo_error *err)
{
    struct places at;

    if (!find_places(esp, &at, err))
        return false;
    if (at.has_next && at.has_previous && is_shared(&at.previous, &at.usual) &&
        at.next.cluster != 0 && !is_shared(&at.next, &at.usual) &&
        !lead(esp, &at.usual, at.next.cluster, at.next.size, err))
        return false;
    if (at.has_next &&
        (is_shared(&at.next, &at.usual) ||
         (at.has_previous && is_shared(&at.next, &at.previous))) &&
        !lead(esp, &at.next, 0, 0, err))
        return false;
    return !at.has_previous || !is_shared(&at.previous, &at.usual) ||
           lead(esp, &at.previous, 0, 0, err);
}

/* The present one stays reachable under two names until the new one has the usual name. */
static bool exchange(struct clo_esp *esp, struct clo_error *err)
{
    struct places at;

    if (!find_places(esp, &at, err))
        return false;
    if (!at.has_next || !at.has_previous || at.next.cluster == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "ESP: nothing was placed");
    return lead(esp, &at.previous, at.usual.cluster, at.usual.size, err) &&
           lead(esp, &at.usual, at.next.cluster, at.next.size, err) &&
           lead(esp, &at.next, 0, 0, err);
}

/* --- Names that come and go --- */

static bool drop(struct clo_esp *esp, const char *name, struct clo_error *err)
{
    const char *const command[] = { "mdel", "-i", "COPY", name, NULL };
    const char *const *const commands[] = { command, NULL };

    return change(esp, commands, clo_bytes(NULL, 0), false, err);
}

/* NEXT.EFI, and PREVIOUS.EFI, without a byte: from here on entries alone are changed. */
static bool prepare(struct clo_esp *esp, bool with_previous, struct clo_error *err)
{
    static const char *const folder[] = { "mmd", "-i", "COPY", "::/" FOLDER, NULL };
    static const char *const next[] = { "mcopy", "-i", "COPY", "FILE", "::/" CLO_ESP_NEXT, NULL };
    static const char *const previous[] = { "mcopy", "-i", "COPY", "FILE", "::/" CLO_ESP_PREVIOUS,
                                            NULL };
    const char *const *commands[4] = { NULL };
    struct clo_fat_entry entry;
    size_t count = 0;
    bool is_there;

    if (!clo_fat_find(clo_buffer_bytes(&esp->bytes), FOLDER, &entry, &is_there, err))
        return false;
    if (!is_there)
        commands[count++] = folder;
    commands[count++] = next;
    if (with_previous)
        commands[count++] = previous;
    return change(esp, commands, clo_bytes(NULL, 0), true, err);
}

/* An empty NEXT.EFI says that something comes or goes: clusters that no name leads to are free. */
static bool reclaim(struct clo_esp *esp, struct clo_error *err)
{
    static const char *const command[] = { "sh", "-c",   "fsck.fat -a \"$1\" || [ $? = 1 ]",
                                           "sh", "COPY", NULL };
    static const char *const *const commands[] = { command, NULL };

    return change(esp, commands, clo_bytes(NULL, 0), false, err);
}

static bool clear(struct clo_esp *esp, bool with_previous, struct clo_error *err)
{
    struct places at;

    if (!find_places(esp, &at, err))
        return false;
    bool goes = at.has_previous && with_previous && at.previous.cluster != 0;
    if (goes && !at.has_next && (!prepare(esp, false, err) || !find_places(esp, &at, err)))
        return false;
    if ((at.next.cluster != 0 && !lead(esp, &at.next, 0, 0, err)) ||
        (goes && !lead(esp, &at.previous, 0, 0, err)) || (at.has_next && !reclaim(esp, err)))
        return false;
    return (!at.has_previous || at.previous.cluster != 0 ||
            drop(esp, "::/" CLO_ESP_PREVIOUS, err)) &&
           (!at.has_next || drop(esp, "::/" CLO_ESP_NEXT, err));
}

/* --- What others call --- */

bool clo_esp_read(int fd, struct clo_esp *esp, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *found = NULL;

    *esp = (struct clo_esp){ .fd = fd };
    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_fd_read(esp->fd, 0, CLO_GPT_HEAD_SIZE, &esp->head, err) ||
        !clo_gpt_parse(clo_buffer_bytes(&esp->head), gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_esp, &found, err))
        return false;
    uint64_t size = (found->last_lba - found->first_lba + 1) * CLO_GPT_SECTOR;
    if (size > ESP_LIMIT)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "an ESP of more than 1 GiB");
    esp->entry = *found;
    esp->offset = found->first_lba * CLO_GPT_SECTOR;
    return clo_fd_read(esp->fd, esp->offset, (size_t)size, &esp->bytes, err);
}

static bool find_uki(struct clo_esp *esp, struct clo_error *err)
{
    CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { .path = "" };

    if (!clo_boot_disk_find(clo_buffer_bytes(&esp->bytes), NULL, &boot, err))
        return false;
    if (boot.shim.size > 0 || boot.loader.size > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "firmware does not start the UKI itself: a shim or boot loader does");
    if (boot.uki.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "what firmware starts is not a UKI");
    memcpy(esp->path, boot.path, sizeof esp->path);
    return true;
}

bool clo_esp_open(int fd, bool for_writing, struct clo_esp *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_esp_close) struct clo_esp esp = { .fd = fd };

    if (!clo_esp_read(fd, &esp, err) || !find_uki(&esp, err) || (for_writing && !settle(&esp, err)))
        return false;
    *out = esp;
    esp = (struct clo_esp){ .fd = -1 };
    return true;
}

bool clo_esp_uki(const struct clo_esp *esp, struct clo_buffer *out, struct clo_error *err)
{
    return clo_fat_read(clo_buffer_bytes(&esp->bytes), esp->path, CLO_PE_SIZE_MAX, out, err);
}

bool clo_esp_previous(const struct clo_esp *esp, struct clo_buffer *out, struct clo_error *err)
{
    struct places at;

    if (!find_places(esp, &at, err))
        return false;
    if (!at.has_previous || at.previous.size == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "there is no UKI of before on the ESP");
    return clo_fat_read(clo_buffer_bytes(&esp->bytes), CLO_ESP_PREVIOUS, CLO_PE_SIZE_MAX, out, err);
}

bool clo_esp_has_room(const struct clo_esp *esp, size_t size, struct clo_error *err)
{
    struct places at;
    uint64_t free_bytes;
    uint32_t cluster;

    if (!find_places(esp, &at, err) ||
        !clo_fat_room(clo_buffer_bytes(&esp->bytes), &free_bytes, &cluster, err))
        return false;
    free_bytes += (uint64_t)at.next.size / cluster * cluster +
                  (uint64_t)at.previous.size / cluster * cluster;
    return free_bytes >= size + ESP_SPARE ||
           clo_fail(err, CLO_ERR_REFUSED, "the ESP: %llu KiB are free, %llu are needed",
                    (unsigned long long)(free_bytes >> 10),
                    (unsigned long long)((size + ESP_SPARE) >> 10));
}

bool clo_esp_place(struct clo_esp *esp, struct clo_bytes uki, struct clo_error *err)
{
    static const char *const copy[] = { "mcopy", "-o", "-i", "COPY", "FILE", "::/" CLO_ESP_NEXT,
                                        NULL };
    static const char *const *const commands[] = { copy, NULL };

    return clear(esp, true, err) && prepare(esp, true, err) &&
           change(esp, commands, uki, true, err);
}

bool clo_esp_switch(struct clo_esp *esp, struct clo_error *err)
{
    return exchange(esp, err) && clear(esp, false, err);
}

bool clo_esp_back(struct clo_esp *esp, struct clo_error *err)
{
    struct places at;

    if (!clear(esp, false, err) || !find_places(esp, &at, err))
        return false;
    if (!at.has_previous || at.previous.cluster == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "there is no UKI of before on the ESP");
    return prepare(esp, false, err) && find_places(esp, &at, err) &&
           lead(esp, &at.next, at.previous.cluster, at.previous.size, err) && exchange(esp, err) &&
           clear(esp, false, err);
}

bool clo_esp_forget(struct clo_esp *esp, struct clo_error *err)
{
    return clear(esp, true, err);
}
