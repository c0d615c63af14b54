#include "lib/disk/fat.h"

#include <string.h>
#include <strings.h>

#define ENTRY_SIZE           32
#define DELETED              0xe5
#define NAME_SIZE            11
#define ATTR_VOLUME          0x08
#define ATTR_DIRECTORY       0x10
#define ATTR_LONG_NAME       0x0f
#define CASE_LOWER_BASE      0x08
#define CASE_LOWER_EXTENSION 0x10
#define LONG_PART            13
#define LONG_LAST            0x40
#define LONG_PARTS_MAX       20
#define FAT12_MAX            4085U
#define FAT16_MAX            65525U

struct fat {
    struct clo_bytes volume;
    struct clo_bytes table;
    size_t data_offset;
    size_t cluster_size;
    uint32_t cluster_count;
    struct clo_bytes fixed_root; /* FAT16 */
    uint32_t root_cluster;       /* FAT32 */
    bool is_32;
};

struct entry {
    char short_name[NAME_SIZE];
    char long_name[CLO_FAT_NAME_MAX]; /* empty: it has none, or none that we can spell */
    uint8_t case_flags;               /* of the short name, as Windows NT and mtools set them */
    bool is_directory;
    uint32_t cluster;
    uint32_t size;
    size_t offset; /* in the volume */
};

/* The BIOS parameter block, section 3. */
static bool open_volume(struct clo_bytes volume, struct fat *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(volume);
    struct fat fat = { .volume = volume };

    r.at = 11;
    size_t sector = clo_read_le16(&r);
    size_t per_cluster = clo_read_u8(&r);
    size_t reserved = clo_read_le16(&r);
    size_t tables = clo_read_u8(&r);
    size_t root_entries = clo_read_le16(&r);
    uint64_t sectors = clo_read_le16(&r);
    clo_read_skip(&r, 1);
    uint64_t table_sectors = clo_read_le16(&r);
    clo_read_skip(&r, 8);
    uint32_t sectors_32 = clo_read_le32(&r);
    uint32_t table_sectors_32 = clo_read_le32(&r);
    clo_read_skip(&r, 4);
    fat.root_cluster = clo_read_le32(&r);
    r.at = 510;
    uint16_t magic = clo_read_le16(&r);
    if (!clo_reader_ok(&r) || magic != 0xaa55 || sector < 512 || sector > 4096 ||
        (sector & (sector - 1)) != 0 || per_cluster == 0 ||
        (per_cluster & (per_cluster - 1)) != 0 || reserved == 0 || tables == 0 || tables > 2)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a FAT volume");
    sectors = sectors == 0 ? sectors_32 : sectors;
    table_sectors = table_sectors == 0 ? table_sectors_32 : table_sectors;
    /* All of these are below 2^32, and so are their sums in sectors. */
    uint64_t root_sectors = (root_entries * ENTRY_SIZE + sector - 1) / sector;
    uint64_t first = reserved + tables * table_sectors + root_sectors;
    if (sectors > volume.size / sector || first > sectors)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: larger than its partition");
    fat.cluster_size = sector * per_cluster;
    fat.cluster_count = (uint32_t)((sectors - first) / per_cluster);
    fat.data_offset = (size_t)first * sector;
    fat.is_32 = fat.cluster_count >= FAT16_MAX || root_entries == 0;
    if (fat.cluster_count < FAT12_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "FAT12 volume");
    fat.table = clo_bytes_slice(volume, reserved * sector, (size_t)table_sectors * sector);
    fat.fixed_root = clo_bytes_slice(volume, fat.data_offset - (size_t)root_sectors * sector,
                                     root_entries * ENTRY_SIZE);
    if (fat.table.size / (fat.is_32 ? 4 : 2) < (size_t)fat.cluster_count + 2)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: its table is too short");
    *out = fat;
    return true;
}

/* 0 for the end of a chain, and for what is not a cluster. */
static uint32_t next_cluster(const struct fat *fat, uint32_t cluster)
{
    struct clo_reader r = clo_reader(fat->table);

    r.at = (size_t)cluster * (fat->is_32 ? 4 : 2);
    uint32_t next = fat->is_32 ? clo_read_le32(&r) & 0x0fffffff : clo_read_le16(&r);
    return next;
}

static bool is_end(const struct fat *fat, uint32_t cluster)
{
    return cluster >= (fat->is_32 ? 0x0ffffff8U : 0xfff8U);
}

/* Appends the chain's clusters, up to `size` bytes. */
static bool read_chain(const struct fat *fat, uint32_t cluster, size_t size, bool is_exact,
                       struct clo_buffer *out, struct clo_error *err)
{
    uint32_t steps = 0;

    while (size > 0 && !is_end(fat, cluster)) {
        if (cluster < 2 || cluster - 2 >= fat->cluster_count || steps++ > fat->cluster_count)
            return clo_fail(err, CLO_ERR_FORMAT, "cluster %u: the chain is broken", cluster);
        struct clo_bytes bytes = clo_bytes_slice(
                fat->volume, fat->data_offset + (size_t)(cluster - 2) * fat->cluster_size,
                fat->cluster_size < size ? fat->cluster_size : size);
        clo_buffer_append(out, bytes);
        size -= bytes.size;
        cluster = next_cluster(fat, cluster);
    }
    if (is_exact && size > 0)
        return clo_fail(err, CLO_ERR_FORMAT, "the chain ends %zu bytes early", size);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* "BOOTX64.EFI" to "BOOTX64 EFI", section 6.1. */
static bool short_name(const char *name, size_t size, char out[NAME_SIZE])
{
    size_t at = 0;

    memset(out, ' ', NAME_SIZE);
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '.' && at <= 8) {
            at = 8;
            continue;
        }
        if (at == NAME_SIZE || (at == 8 && memchr(name, '.', i) == NULL))
            return false;
        out[at++] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    }
    return size > 0;
}

/* --- Folders --- */

/* A long name comes in parts of 13 UTF-16 units, the last part first, in front of its entry, each with
 * the short name's checksum (section 7). */
struct long_name {
    uint8_t units[LONG_PARTS_MAX * LONG_PART][2];
    unsigned expected; /* the part that must come next; 0: whole */
    unsigned parts;    /* 0: there is none, or it is broken */
    uint8_t checksum;
};

static void add_long_part(struct long_name *name, struct clo_bytes entry)
{
    static const uint8_t offsets[LONG_PART] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    unsigned number = entry.data[0] & 0x3fU;

    if ((entry.data[0] & LONG_LAST) != 0) {
        name->parts = name->expected = number;
        name->checksum = entry.data[13];
    }
    if (number == 0 || number > LONG_PARTS_MAX || number != name->expected ||
        entry.data[13] != name->checksum) {
        name->parts = name->expected = 0;
        return;
    }
    for (size_t i = 0; i < LONG_PART; i++)
        memcpy(name->units[(number - 1) * LONG_PART + i], entry.data + offsets[i], 2);
    name->expected--;
}

/* Only names in ASCII: nobody we read for takes any other. */
static void finish_long_name(const struct long_name *name, struct entry *entry)
{
    uint8_t sum = 0;
    size_t size = 0;

    for (size_t i = 0; i < NAME_SIZE; i++)
        sum = (uint8_t)((uint8_t)(sum << 7 | sum >> 1) + (uint8_t)entry->short_name[i]);
    entry->long_name[0] = '\0';
    if (name->parts == 0 || name->expected != 0 || name->checksum != sum)
        return;
    for (; size < (size_t)name->parts * LONG_PART; size++) {
        const uint8_t *unit = name->units[size];
        if (unit[0] == 0 && unit[1] == 0)
            break;
        if (unit[1] != 0 || unit[0] < ' ' || unit[0] > '~' || size + 1 >= CLO_FAT_NAME_MAX) {
            entry->long_name[0] = '\0';
            return;
        }
        entry->long_name[size] = (char)unit[0];
    }
    entry->long_name[size] = '\0';
}

/* The next entry that names a file or a folder; false at the end. */
static bool next_entry(struct clo_bytes directory, size_t *at, struct entry *out)
{
    struct long_name name = { .parts = 0 };

    for (; *at + ENTRY_SIZE <= directory.size; *at += ENTRY_SIZE) {
        struct clo_bytes bytes = clo_bytes_slice(directory, *at, ENTRY_SIZE);
        struct clo_reader r = clo_reader(bytes);
        struct clo_bytes found = clo_read_bytes(&r, NAME_SIZE);
        uint8_t attributes = clo_read_u8(&r);
        if (found.data[0] == 0)
            return false; /* the directory's end */
        if ((attributes & ATTR_LONG_NAME) == ATTR_LONG_NAME && found.data[0] != DELETED) {
            add_long_part(&name, bytes);
            continue;
        }
        if ((attributes & ATTR_VOLUME) != 0 || found.data[0] == DELETED) {
            name.parts = 0;
            continue;
        }
        memcpy(out->short_name, found.data, NAME_SIZE);
        finish_long_name(&name, out);
        out->case_flags = clo_read_u8(&r);
        clo_read_skip(&r, 7);
        uint32_t high = clo_read_le16(&r);
        clo_read_skip(&r, 4);
        uint32_t low = clo_read_le16(&r);
        out->is_directory = (attributes & ATTR_DIRECTORY) != 0;
        out->cluster = high << 16 | low;
        out->size = clo_read_le32(&r);
        *at += ENTRY_SIZE;
        return true;
    }
    return false;
}

/* "BOOTX64 EFI" to "BOOTX64.EFI". */
static void spell_short_name(struct entry *entry)
{
    char *to = entry->long_name;

    for (size_t i = 0; i < NAME_SIZE; i++) {
        uint8_t flag = i < 8 ? CASE_LOWER_BASE : CASE_LOWER_EXTENSION;
        char c = entry->short_name[i];
        bool is_lowered = (entry->case_flags & flag) != 0 && c >= 'A' && c <= 'Z';
        if (i == 8 && c != ' ')
            *to++ = '.';
        if (c != ' ')
            *to++ = is_lowered ? (char)(c - 'A' + 'a') : c;
    }
    *to = '\0';
    clo_sanitize(entry->long_name);
}

static bool is_named(const struct entry *entry, const char *name, size_t size)
{
    char wanted[NAME_SIZE];

    return (strlen(entry->long_name) == size && strncasecmp(entry->long_name, name, size) == 0) ||
           (short_name(name, size, wanted) && memcmp(entry->short_name, wanted, NAME_SIZE) == 0);
}

/* A folder's entries: views into the volume, or into `held`. A folder has at most 65536 entries. */
static bool open_folder(const struct fat *fat, const struct entry *folder, bool is_root,
                        struct clo_buffer *held, struct clo_bytes *out, struct clo_error *err)
{
    if (is_root && !fat->is_32) {
        *out = fat->fixed_root;
        return true;
    }
    held->size = 0;
    if (!read_chain(fat, folder->cluster, (size_t)65536 * ENTRY_SIZE, false, held, err))
        return false;
    *out = clo_buffer_bytes(held);
    return true;
}

/* Where in the volume a folder's byte lies; the folder was read before. */
static size_t place_in_folder(const struct fat *fat, const struct entry *folder, bool is_root,
                              size_t at)
{
    uint32_t cluster = folder->cluster;

    if (is_root && !fat->is_32)
        return (size_t)(fat->fixed_root.data - fat->volume.data) + at;
    for (size_t i = at / fat->cluster_size; i > 0; i--)
        cluster = next_cluster(fat, cluster);
    return fat->data_offset + (size_t)(cluster - 2) * fat->cluster_size + at % fat->cluster_size;
}

/* Follows the path. True with *is_there false if it leads nowhere; false if the volume is broken. */
static bool walk(const struct fat *fat, const char *path, struct entry *out, bool *is_there,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer held = { 0 };
    struct clo_bytes folder;

    *out = (struct entry){ .is_directory = true, .cluster = fat->root_cluster };
    *is_there = true;
    for (const char *at = path; *at != '\0' && *is_there;) {
        size_t size = strcspn(at, "/");
        size_t offset = 0;
        const struct entry parent = *out;
        if (!out->is_directory) {
            *is_there = false;
            break;
        }
        if (!open_folder(fat, out, at == path, &held, &folder, err))
            return clo_wrap(err, "FAT volume: folder of %.*s", (int)size, at);
        do
            *is_there = next_entry(folder, &offset, out);
        while (*is_there && !is_named(out, at, size));
        if (*is_there)
            out->offset = place_in_folder(fat, &parent, at == path, offset - ENTRY_SIZE);
        at += size + (at[size] == '/');
    }
    return true;
}

bool clo_fat_list(struct clo_bytes volume, const char *path, clo_fat_each *each, void *context,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer held = { 0 };
    struct fat fat;
    struct entry entry;
    struct clo_bytes folder;
    bool is_there;
    size_t at = 0;

    if (!open_volume(volume, &fat, err) || !walk(&fat, path, &entry, &is_there, err))
        return false;
    if (!is_there || !entry.is_directory)
        return true;
    if (!open_folder(&fat, &entry, *path == '\0', &held, &folder, err))
        return clo_wrap(err, "FAT volume: %s", path);
    while (next_entry(folder, &at, &entry)) {
        if (entry.long_name[0] == '\0')
            spell_short_name(&entry);
        if (!each(context, entry.long_name, entry.is_directory, err))
            return clo_wrap(err, "FAT volume: %s/%s", path, entry.long_name);
    }
    return true;
}

bool clo_fat_read(struct clo_bytes volume, const char *path, size_t limit, struct clo_buffer *out,
                  struct clo_error *err)
{
    struct fat fat;
    struct entry entry;
    bool is_there;

    if (!open_volume(volume, &fat, err) || !walk(&fat, path, &entry, &is_there, err))
        return false;
    if (!is_there)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: there is no %s", path);
    if (entry.is_directory)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: %s is a folder", path);
    if (entry.size > limit)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: %s has %u bytes, at most %zu are read",
                        path, entry.size, limit);
    return read_chain(&fat, entry.cluster, entry.size, true, out, err) ||
           clo_wrap(err, "FAT volume: %s", path);
}

bool clo_fat_find(struct clo_bytes volume, const char *path, struct clo_fat_entry *out,
                  bool *is_there, struct clo_error *err)
{
    struct fat fat;
    struct entry entry;

    if (!open_volume(volume, &fat, err) || !walk(&fat, path, &entry, is_there, err))
        return false;
    *is_there = *is_there && *path != '\0';
    if (*is_there)
        *out = (struct clo_fat_entry){ .offset = entry.offset,
                                       .cluster = entry.cluster,
                                       .size = entry.size,
                                       .is_directory = entry.is_directory };
    return true;
}

/* Section 6. */
void clo_fat_lead_to(uint8_t entry[ENTRY_SIZE], uint32_t cluster, uint32_t size)
{
    const uint8_t high[] = { (uint8_t)(cluster >> 16), (uint8_t)(cluster >> 24) };
    const uint8_t low[] = { (uint8_t)cluster,     (uint8_t)(cluster >> 8), (uint8_t)size,
                            (uint8_t)(size >> 8), (uint8_t)(size >> 16),   (uint8_t)(size >> 24) };

    memcpy(entry + 20, high, sizeof high);
    memcpy(entry + 26, low, sizeof low);
}

bool clo_fat_part_at(struct clo_bytes volume, size_t offset, enum clo_fat_part *out,
                     struct clo_error *err)
{
    struct fat fat;

    if (!open_volume(volume, &fat, err))
        return false;
    *out = CLO_FAT_TABLES;
    if (offset < fat.data_offset)
        return true;
    size_t number = (offset - fat.data_offset) / fat.cluster_size;
    *out = number < fat.cluster_count && next_cluster(&fat, (uint32_t)number + 2) == 0
                   ? CLO_FAT_FREE
                   : CLO_FAT_USED;
    return true;
}

bool clo_fat_room(struct clo_bytes volume, uint64_t *free_bytes, uint32_t *cluster_size,
                  struct clo_error *err)
{
    struct fat fat;
    uint64_t count = 0;

    if (!open_volume(volume, &fat, err))
        return false;
    for (uint32_t cluster = 2; cluster - 2 < fat.cluster_count; cluster++)
        count += next_cluster(&fat, cluster) == 0;
    *free_bytes = count * fat.cluster_size;
    *cluster_size = (uint32_t)fat.cluster_size;
    return true;
}
