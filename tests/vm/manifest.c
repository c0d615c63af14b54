/* manifest FOLDER|FILE: all that a folder, or an ext4 file system in a file, has, a line each, so that two of them can be compared:
 * path, inode ("-": one name), type and mode, owner, group, time, then content or target or device, holes, attributes. Unsorted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include "cloister/base.h"
#include "cloister/crypto.h"

#define PIECE    ((unsigned)65536)
#define HOLE_MIN ((uint64_t)1 << 20)

struct line {
    const char *path;
    uint64_t inode, size, blocks, time, time_ns;
    unsigned links, mode, uid, gid, major, minor;
    char text[4200]; /* a link's target, or a digest */
    char *attributes[64];
    size_t attribute_count;
};

static int failures;

static void fail(const char *path, const char *why)
{
    fprintf(stderr, "manifest: %s: %s\n", path, why);
    failures++;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_attribute(struct line *line, const char *name, const void *value, size_t size)
{
    struct clo_buffer text = { 0 };

    /* Inline data is ext4's own business. */
    if (strcmp(name, "system.data") == 0 || line->attribute_count == CLO_COUNT(line->attributes))
        return;
    clo_buffer_text(&text, name);
    clo_buffer_text(&text, "=");
    for (size_t i = 0; i < size; i++) {
        char hex[3];
        snprintf(hex, sizeof hex, "%02x", ((const unsigned char *)value)[i]);
        clo_buffer_text(&text, hex);
    }
    line->attributes[line->attribute_count++] = strdup(clo_buffer_string(&text));
    clo_buffer_free(&text);
}

static void print(struct line *line)
{
    bool is_device = S_ISCHR(line->mode) || S_ISBLK(line->mode);

    printf("%s\t", line->path[0] == '\0' ? "/" : line->path);
    if (line->links > 1 && !S_ISDIR(line->mode))
        printf("%llu", (unsigned long long)line->inode);
    else
        printf("-");
    printf("\t%o\t%u\t%u\t%llu.%09llu\t", line->mode, line->uid, line->gid,
           (unsigned long long)line->time, (unsigned long long)line->time_ns);
    if (is_device)
        printf("%u:%u", line->major, line->minor);
    else if (S_ISREG(line->mode))
        printf("%llu %s%s", (unsigned long long)line->size, line->text,
               line->size > line->blocks * 512 + HOLE_MIN ? " holes" : "");
    else
        printf("%s", line->text);
    qsort(line->attributes, line->attribute_count, sizeof *line->attributes, by_text);
    for (size_t i = 0; i < line->attribute_count; i++) {
        printf("\t%s", line->attributes[i]);
        free(line->attributes[i]);
    }
    printf("\n");
}

static void take_digest(struct line *line, struct clo_hasher *hasher)
{
    struct clo_digest digest;

    clo_hasher_get(hasher, &digest);
    for (size_t i = 0; i < 32; i++)
        snprintf(line->text + 2 * i, 3, "%02x", digest.bytes[i]);
}

/* --- A folder --- */

static void read_content(struct line *line)
{
    struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    static uint8_t piece[PIECE];
    int fd = open(line->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;

    while ((got = read(fd, piece, sizeof piece)) > 0)
        clo_hasher_add(hasher, clo_bytes(piece, (size_t)got));
    if (got < 0)
        fail(line->path, strerror(errno));
    take_digest(line, hasher);
    clo_hasher_free(hasher);
    close(fd);
}

static void read_attributes(struct line *line)
{
    static char names[65536], value[65536];
    ssize_t size = llistxattr(line->path, names, sizeof names);

    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t got = lgetxattr(line->path, names + at, value, sizeof value);
        if (got < 0)
            fail(line->path, strerror(errno));
        else
            add_attribute(line, names + at, value, (size_t)got);
    }
}

static void walk_folder(const char *path, dev_t device)
{
    struct dirent **entries;
    struct stat status;
    struct line line = { .path = path };

    if (lstat(path[0] == '\0' ? "." : path, &status) != 0) {
        fail(path, strerror(errno));
        return;
    }
    line.inode = status.st_ino;
    line.size = (uint64_t)status.st_size;
    line.blocks = (uint64_t)status.st_blocks;
    line.time = (uint64_t)status.st_mtim.tv_sec;
    line.time_ns = (uint64_t)status.st_mtim.tv_nsec;
    line.links = (unsigned)status.st_nlink;
    line.mode = status.st_mode;
    line.uid = status.st_uid;
    line.gid = status.st_gid;
    line.major = major(status.st_rdev);
    line.minor = minor(status.st_rdev);
    if (S_ISREG(status.st_mode))
        read_content(&line);
    if (S_ISLNK(status.st_mode) && readlink(path, line.text, sizeof line.text - 1) < 0)
        fail(path, strerror(errno));
    if (path[0] != '\0')
        read_attributes(&line);
    print(&line);
    if (!S_ISDIR(status.st_mode) || status.st_dev != device)
        return;
    int count = scandir(path[0] == '\0' ? "." : path, &entries, NULL, NULL);
    for (int i = 0; i < count; i++) {
        char below[4200];
        snprintf(below, sizeof below, "%s%s%s", path, path[0] == '\0' ? "" : "/",
                 entries[i]->d_name);
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
            walk_folder(below, device);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* --- ext4 in a file --- */

static ext2_filsys fs;

static void read_ext_content(struct line *line, ext2_ino_t number)
{
    struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    static uint8_t piece[PIECE];
    ext2_file_t file;
    unsigned got = 0;

    if (ext2fs_file_open(fs, number, 0, &file) != 0) {
        fail(line->path, "cannot be opened");
        return;
    }
    errcode_t failed = 0;
    while ((failed = ext2fs_file_read(file, piece, sizeof piece, &got)) == 0 && got > 0)
        clo_hasher_add(hasher, clo_bytes(piece, got));
    if (failed != 0)
        fail(line->path, error_message(failed));
    ext2fs_file_close(file);
    take_digest(line, hasher);
    clo_hasher_free(hasher);
}

static void read_ext_link(struct line *line, ext2_ino_t number, struct ext2_inode *inode)
{
    ext2_file_t file;
    unsigned got = 0;

    if (ext2fs_is_fast_symlink(inode) && (inode->i_flags & EXT4_INLINE_DATA_FL) == 0) {
        snprintf(line->text, sizeof line->text, "%.60s", (const char *)inode->i_block);
        return;
    }
    if (ext2fs_file_open(fs, number, 0, &file) != 0 ||
        ext2fs_file_read(file, line->text, sizeof line->text - 1, &got) != 0)
        fail(line->path, "its target cannot be read");
    else
        ext2fs_file_close(file);
    line->text[got] = '\0';
}

/* An ACL as ext4 has it, and as the kernel shows it: numbers are left out there where there are none (fs/ext4/acl.h). */
static size_t write_acl(const char *disk, size_t size, uint8_t *out)
{
    static const uint8_t version[] = { 2, 0, 0, 0 };
    static const uint8_t none[] = { 0xff, 0xff, 0xff, 0xff };
    size_t used = sizeof version;

    memcpy(out, version, sizeof version);
    for (size_t at = 4; at + 4 <= size;) {
        bool has_id = disk[at] == 0x02 || disk[at] == 0x08;
        memcpy(out + used, disk + at, 4);
        memcpy(out + used + 4, has_id ? (const uint8_t *)disk + at + 4 : none, 4);
        used += 8;
        at += has_id ? 8 : 4;
    }
    return used;
}

static int add_ext_attribute(char *name, char *value, size_t size, void *context)
{
    uint8_t acl[8192];

    if (strncmp(name, "system.posix_acl_", 17) == 0 && size >= 4 && size < 4096 && value[0] == 1)
        add_attribute(context, name, acl, write_acl(value, size, acl));
    else
        add_attribute(context, name, value, size);
    return 0;
}

static void read_ext_attributes(struct line *line, ext2_ino_t number)
{
    struct ext2_xattr_handle *handle;

    if (ext2fs_xattrs_open(fs, number, &handle) != 0 || ext2fs_xattrs_read(handle) != 0 ||
        ext2fs_xattrs_iterate(handle, add_ext_attribute, line) != 0)
        fail(line->path, "its attributes cannot be read");
    ext2fs_xattrs_close(&handle);
}

struct folder {
    char *names[8192];
    ext2_ino_t numbers[8192];
    size_t count;
};

static int add_name(struct ext2_dir_entry *entry, int offset, int block_size, char *buffer,
                    void *context)
{
    struct folder *folder = context;
    int size = ext2fs_dirent_name_len(entry);

    (void)offset, (void)block_size, (void)buffer;
    if ((size == 1 && entry->name[0] == '.') || (size == 2 && strncmp(entry->name, "..", 2) == 0))
        return 0;
    if (folder->count == CLO_COUNT(folder->names)) {
        fail("a folder", "has too many names");
        return DIRENT_ABORT;
    }
    folder->names[folder->count] = strndup(entry->name, (size_t)size);
    folder->numbers[folder->count++] = entry->inode;
    return 0;
}

/* Devices: the old form in the first word, the new one in the second. */
static void take_device(struct line *line, const struct ext2_inode *inode)
{
    uint32_t old = inode->i_block[0], now = inode->i_block[1];

    line->major = old != 0 ? (old >> 8) & 0xff : (now & 0xfff00) >> 8;
    line->minor = old != 0 ? old & 0xff : (now & 0xff) | ((now >> 12) & 0xfff00);
}

static void walk_ext(const char *path, ext2_ino_t number)
{
    struct ext2_inode_large inode;
    struct ext2_inode *small = (struct ext2_inode *)&inode;
    struct line line = { .path = path };

    if (ext2fs_read_inode_full(fs, number, small, sizeof inode) != 0) {
        fail(path, "its inode cannot be read");
        return;
    }
    line.inode = number;
    line.size = EXT2_I_SIZE(small);
    line.blocks = ext2fs_get_stat_i_blocks(fs, small);
    line.time = inode.i_mtime;
    line.time_ns = inode.i_extra_isize >= 8 ? inode.i_mtime_extra >> 2 : 0;
    line.links = inode.i_links_count;
    line.mode = inode.i_mode;
    line.uid = inode_uid(*small);
    line.gid = inode_gid(*small);
    if (S_ISREG(line.mode))
        read_ext_content(&line, number);
    if (S_ISLNK(line.mode))
        read_ext_link(&line, number, small);
    if (S_ISCHR(line.mode) || S_ISBLK(line.mode))
        take_device(&line, small);
    if (path[0] != '\0')
        read_ext_attributes(&line, number);
    print(&line);
    if (!S_ISDIR(line.mode))
        return;
    struct folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL || ext2fs_dir_iterate(fs, number, 0, NULL, add_name, folder) != 0)
        fail(path, "cannot be read");
    for (size_t i = 0; folder != NULL && i < folder->count; i++) {
        char below[4200];
        snprintf(below, sizeof below, "%s%s%s", path, path[0] == '\0' ? "" : "/", folder->names[i]);
        walk_ext(below, folder->numbers[i]);
        free(folder->names[i]);
    }
    free(folder);
}

int main(int argc, char **argv)
{
    struct stat status;

    if (argc != 2 || stat(argv[1], &status) != 0) {
        fprintf(stderr, "manifest: a folder, or an ext4 file system in a file, expected\n");
        return 2;
    }
    if (S_ISDIR(status.st_mode)) {
        if (chdir(argv[1]) != 0)
            fail(argv[1], strerror(errno));
        else
            walk_folder("", status.st_dev);
    } else {
        initialize_ext2_error_table();
        errcode_t failed = ext2fs_open(argv[1], EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);
        if (failed != 0)
            fail(argv[1], error_message(failed));
        else
            walk_ext("", EXT2_ROOT_INO);
    }
    return failures == 0 && fflush(stdout) == 0 ? 0 : 1;
}
