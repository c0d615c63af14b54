#include "cloister/fat.h"

#include <string.h>

#define ENTRY_SIZE     32
#define NAME_SIZE      11
#define ATTR_VOLUME    0x08
#define ATTR_DIRECTORY 0x10
#define ATTR_LONG_NAME 0x0f
#define FAT12_MAX      4085U
#define FAT16_MAX      65525U

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
    bool is_directory;
    uint32_t cluster;
    uint32_t size;
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
        return clo_fail(err, CLO_ERR_FORMAT, "no FAT volume");
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

/* 0 for the end of a chain, and for what is no cluster. */
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
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
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

static bool find_entry(struct clo_bytes directory, const char name[NAME_SIZE], struct entry *out)
{
    for (size_t at = 0; at + ENTRY_SIZE <= directory.size; at += ENTRY_SIZE) {
        struct clo_reader r = clo_reader(clo_bytes_slice(directory, at, ENTRY_SIZE));
        struct clo_bytes found = clo_read_bytes(&r, NAME_SIZE);
        uint8_t attributes = clo_read_u8(&r);
        if (found.data[0] == 0)
            return false; /* the directory's end */
        if ((attributes & ATTR_LONG_NAME) == ATTR_LONG_NAME || (attributes & ATTR_VOLUME) != 0 ||
            memcmp(found.data, name, NAME_SIZE) != 0)
            continue;
        clo_read_skip(&r, 8);
        uint32_t high = clo_read_le16(&r);
        clo_read_skip(&r, 4);
        uint32_t low = clo_read_le16(&r);
        out->is_directory = (attributes & ATTR_DIRECTORY) != 0;
        out->cluster = high << 16 | low;
        out->size = clo_read_le32(&r);
        return true;
    }
    return false;
}

bool clo_fat_read(struct clo_bytes volume, const char *path, size_t limit, struct clo_buffer *out,
                  struct clo_error *err)
{
    struct fat fat;
    struct entry entry = { .is_directory = true };

    if (!open_volume(volume, &fat, err))
        return false;
    entry.cluster = fat.root_cluster;
    for (const char *at = path; *at != '\0';) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer directory = { 0 };
        size_t size = strcspn(at, "/");
        char name[NAME_SIZE];
        bool is_fixed_root = at == path && !fat.is_32;
        /* A directory has at most 65536 entries. */
        if (entry.is_directory && !is_fixed_root &&
            !read_chain(&fat, entry.cluster, (size_t)65536 * ENTRY_SIZE, false, &directory, err))
            return clo_wrap(err, "FAT volume: directory of %.*s", (int)size, at);
        if (!entry.is_directory || !short_name(at, size, name) ||
            !find_entry(is_fixed_root ? fat.fixed_root : clo_buffer_bytes(&directory), name,
                        &entry))
            return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: there is no %s", path);
        at += size + (at[size] == '/');
    }
    if (entry.is_directory)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: %s is a folder", path);
    if (entry.size > limit)
        return clo_fail(err, CLO_ERR_FORMAT, "FAT volume: %s has %u bytes, at most %zu are read",
                        path, entry.size, limit);
    return read_chain(&fat, entry.cluster, entry.size, true, out, err) ||
           clo_wrap(err, "FAT volume: %s", path);
}
