/* A FAT16 volume made in memory from a list of files, each under a long name; folders come with their files. */
#ifndef CLOISTER_TEST_FAT_MAKER_H
#define CLOISTER_TEST_FAT_MAKER_H

#include <string.h>

#include "cloister/base.h"

#define FAT_MAKER_CLUSTERS        6000U
#define FAT_MAKER_TABLE           512U
#define FAT_MAKER_ROOT            (FAT_MAKER_TABLE + ((FAT_MAKER_CLUSTERS + 2) * 2 / 512 + 1) * 512)
#define FAT_MAKER_ROOT_ENTRIES    512U
#define FAT_MAKER_DATA            (FAT_MAKER_ROOT + FAT_MAKER_ROOT_ENTRIES * 32)
#define FAT_MAKER_SIZE            (FAT_MAKER_DATA + (size_t)FAT_MAKER_CLUSTERS * 512)
#define FAT_MAKER_FOLDERS         24
#define FAT_MAKER_FOLDER_CLUSTERS 32U
#define FAT_MAKER_NAME            260

/* "EFI/BOOT/BOOTX64.EFI"; a path that ends in '/' is an empty folder. */
struct fat_file {
    const char *path;
    struct clo_bytes data;
};

struct fat_maker {
    uint8_t *volume;
    uint32_t next; /* the first cluster that is free */
    unsigned serial;
    struct {
        char path[FAT_MAKER_NAME]; /* "EFI/BOOT"; "" is the root */
        size_t at;                 /* of its next entry */
        size_t end;
    } folders[FAT_MAKER_FOLDERS];
    size_t folder_count;
};

static inline void fat_maker_put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline size_t fat_maker_at(uint32_t cluster)
{
    return FAT_MAKER_DATA + (size_t)(cluster - 2) * 512;
}

/* As many clusters as the bytes need, one after another; 0 where there is no room. */
static inline uint32_t fat_maker_take(struct fat_maker *m, size_t size)
{
    uint32_t first = m->next;
    uint32_t count = (uint32_t)((size + 511) / 512);

    if (count == 0 || count > FAT_MAKER_CLUSTERS || first + count > FAT_MAKER_CLUSTERS + 2)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        fat_maker_put(m->volume + FAT_MAKER_TABLE + (size_t)(first + i) * 2,
                      i + 1 == count ? 0xffff : first + i + 1, 2);
    m->next += count;
    return first;
}

/* The parts of the long name, the last first, in front of a short name that nobody asks for. */
static inline bool fat_maker_entry(struct fat_maker *m, size_t folder, const char *name,
                                   size_t size, bool is_folder, uint32_t cluster, size_t bytes)
{
    static const uint8_t offsets[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    size_t parts = (size + 13) / 13; /* with the zero at its end, but where it just fits */
    char plain[12];
    uint8_t sum = 0;

    parts = size % 13 == 0 && size > 0 ? size / 13 : parts;
    if (size == 0 || size > 255 ||
        m->folders[folder].at + (parts + 1) * 32 > m->folders[folder].end)
        return false;
    snprintf(plain, sizeof plain, "~%07u---", m->serial++ % 10000000U);
    for (size_t i = 0; i < 11; i++)
        sum = (uint8_t)((uint8_t)(sum << 7 | sum >> 1) + (uint8_t)plain[i]);
    uint8_t *at = m->volume + m->folders[folder].at;
    for (size_t part = parts; part >= 1; part--, at += 32) {
        at[0] = (uint8_t)(part | (part == parts ? 0x40 : 0));
        at[11] = 0x0f;
        at[13] = sum;
        for (size_t i = 0; i < sizeof offsets; i++) {
            size_t from = (part - 1) * 13 + i;
            fat_maker_put(at + offsets[i],
                          from < size    ? (uint8_t)name[from]
                          : from == size ? 0
                                         : 0xffff,
                          2);
        }
    }
    memcpy(at, plain, 11);
    at[11] = is_folder ? 0x10 : 0x20;
    fat_maker_put(at + 26, cluster, 2);
    fat_maker_put(at + 28, is_folder ? 0 : bytes, 4);
    m->folders[folder].at += (parts + 1) * 32;
    return true;
}

/* The folder of this path, made with those above it; FAT_MAKER_FOLDERS where there is no room. */
static inline size_t fat_maker_folder(struct fat_maker *m, const char *path, size_t size)
{
    size_t parent = 0;

    for (size_t end = 0; end < size; end++) {
        size_t begin = end;
        while (end < size && path[end] != '/')
            end++;
        size_t found = 0;
        while (found < m->folder_count && (strlen(m->folders[found].path) != end ||
                                           memcmp(m->folders[found].path, path, end) != 0))
            found++;
        if (found == m->folder_count) {
            size_t bytes = FAT_MAKER_FOLDER_CLUSTERS * 512;
            uint32_t cluster = found == FAT_MAKER_FOLDERS || end >= FAT_MAKER_NAME
                                       ? 0
                                       : fat_maker_take(m, bytes);
            if (cluster == 0 ||
                !fat_maker_entry(m, parent, path + begin, end - begin, true, cluster, 0))
                return FAT_MAKER_FOLDERS;
            memcpy(m->folders[found].path, path, end);
            m->folders[found].at = fat_maker_at(cluster);
            m->folders[found].end = fat_maker_at(cluster) + bytes;
            m->folder_count++;
        }
        parent = found;
    }
    return parent;
}

/* Appends FAT_MAKER_SIZE bytes; false where the files do not fit. */
static inline bool fat_make(struct clo_buffer *out, const struct fat_file *files, size_t count)
{
    size_t begin = out->size;
    struct fat_maker m = { .next = 2, .folder_count = 1 };

    clo_buffer_zero(out, FAT_MAKER_SIZE);
    if (!clo_buffer_ok(out))
        return false;
    m.volume = out->data + begin;
    m.folders[0].at = FAT_MAKER_ROOT;
    m.folders[0].end = FAT_MAKER_DATA;
    fat_maker_put(m.volume + 11, 512, 2);
    fat_maker_put(m.volume + 13, 1, 1);
    fat_maker_put(m.volume + 14, 1, 2);
    fat_maker_put(m.volume + 16, 1, 1);
    fat_maker_put(m.volume + 17, FAT_MAKER_ROOT_ENTRIES, 2);
    fat_maker_put(m.volume + 19, FAT_MAKER_SIZE / 512, 2);
    fat_maker_put(m.volume + 22, (FAT_MAKER_ROOT - FAT_MAKER_TABLE) / 512, 2);
    fat_maker_put(m.volume + 510, 0xaa55, 2);
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(files[i].path, '/');
        size_t folder_size = slash == NULL ? 0 : (size_t)(slash - files[i].path);
        const char *name = slash == NULL ? files[i].path : slash + 1;
        size_t folder = fat_maker_folder(&m, files[i].path, folder_size);
        size_t size = files[i].data.size;
        if (folder == FAT_MAKER_FOLDERS)
            return false;
        if (*name == '\0')
            continue;
        uint32_t cluster = size == 0 ? 0 : fat_maker_take(&m, size);
        if ((size > 0 && cluster == 0) ||
            !fat_maker_entry(&m, folder, name, strlen(name), false, cluster, size))
            return false;
        if (size > 0)
            memcpy(m.volume + fat_maker_at(cluster), files[i].data.data, size);
    }
    return true;
}

#endif
