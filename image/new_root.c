#include "image/new_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include "device/file.h"
#include "device/process.h"
#include "image/ext_files.h"

#define BLOCK      4096U
#define ROOM_MIN   ((uint64_t)256 << 20)
#define PATH_SIZE  4096
#define DEPTH_MAX  256
#define SIZE_LIMIT ((uint64_t)1 << 43) /* ext4 has no larger files with blocks of 4096 bytes */

struct clo_new_root {
    ext2_filsys fs;
    uint32_t layer;
    ext2_ino_t last;             /* what was added last */
    ext2_file_t file;            /* of it, while bytes are written */
    char parent_path[PATH_SIZE]; /* the folder that was looked up last */
    ext2_ino_t parent;
    bool follows_link; /* on the way to it */
};

static bool fail(struct clo_error *err, const char *path, errcode_t why)
{
    if (why == EXT2_ET_BLOCK_ALLOC_FAIL || why == EXT2_ET_INODE_ALLOC_FAIL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "/%.200s: the new root is full: --root-size makes it larger", path);
    return clo_fail(err, ext_error_status(why), "/%.200s: %s", path, error_message(why));
}

/* --- Making it --- */

void clo_new_root_count(struct clo_new_root_need *need, uint64_t size)
{
    uint64_t whole = size > SIZE_LIMIT ? SIZE_LIMIT : (size + BLOCK - 1) / BLOCK * BLOCK;

    need->files++;
    if (__builtin_add_overflow(need->bytes, whole, &need->bytes))
        need->bytes = UINT64_MAX;
}

static bool make_file(const char *path, uint64_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return (fd >= 0 && ftruncate(fd, (off_t)size) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

/* Empty, with times that do not depend on the clock. */
bool clo_new_root_format(const char *path, uint64_t at, uint64_t size, uint64_t inodes,
                         const struct clo_guid *uuid, int64_t created, struct clo_error *err)
{
    char guid[CLO_GUID_TEXT], extended[192], blocks[32], count[32], date[48];

    clo_guid_text(uuid, guid);
    snprintf(extended, sizeof extended,
             "hash_seed=%s,lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0,"
             "offset=%llu",
             guid, (unsigned long long)at);
    snprintf(blocks, sizeof blocks, "%llu", (unsigned long long)(size / BLOCK));
    snprintf(count, sizeof count, "%llu", (unsigned long long)inodes);
    snprintf(date, sizeof date, "E2FSPROGS_FAKE_TIME=%lld", (long long)created);
    const char *const argv[] = { "mke2fs", "-q",  "-F",     "-t",  "ext4", "-b",   "4096",
                                 "-I",     "256", "-N",     count, "-L",   "root", "-U",
                                 guid,     "-E",  extended, path,  blocks, NULL };
    const char *const environment[] = { date, NULL };
    return clo_process_run(argv, environment, NULL, err) || clo_wrap(err, "ext4");
}

bool clo_new_root_new(const char *path, const struct clo_new_root_need *need, uint64_t size,
                      const struct clo_guid *uuid, int64_t created, struct clo_new_root **out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = calloc(1, sizeof *tree);
    uint64_t total = need->bytes, inodes = need->files + need->files / 4 + 1024;

    if (tree == NULL)
        return clo_out_of_memory(err);
    if (need->bytes > SIZE_LIMIT || need->files > UINT32_MAX / 2)
        return clo_fail(err, CLO_ERR_FORMAT, "%llu files of %llu bytes do not fit in a root",
                        (unsigned long long)need->files, (unsigned long long)need->bytes);
    total += need->files * 512;
    if (size == 0)
        size = total + (total / 3 > ROOM_MIN ? total / 3 : ROOM_MIN);
    size = (size + (1 << 20) - 1) >> 20 << 20;
    if (inodes < size / 16384)
        inodes = size / 16384;
    initialize_ext2_error_table();
    if (!make_file(path, size, err) ||
        !clo_new_root_format(path, 0, size, inodes, uuid, created, err))
        return false;
    errcode_t failed =
            ext2fs_open(path, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &tree->fs);
    if (failed != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, error_message(failed));
    tree->fs->now = (time_t)created;
    failed = ext2fs_read_bitmaps(tree->fs);
    if (failed != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, error_message(failed));
    tree->layer = 1;
    *out = CLO_TAKE(tree);
    return true;
}

static errcode_t close_file(struct clo_new_root *tree)
{
    errcode_t failed = tree->file == NULL ? 0 : ext2fs_file_close(tree->file);

    tree->file = NULL;
    return failed;
}

void clo_new_root_freep(struct clo_new_root **tree)
{
    if (*tree == NULL)
        return;
    (void)close_file(*tree);
    if ((*tree)->fs != NULL)
        ext2fs_free((*tree)->fs);
    free(*tree);
    *tree = NULL;
}

bool clo_new_root_finish(struct clo_new_root **tree, struct clo_error *err)
{
    errcode_t failed = close_file(*tree);

    if (failed == 0)
        failed = ext2fs_close_free(&(*tree)->fs);
    clo_new_root_freep(tree);
    return failed == 0 || clo_fail(err, CLO_ERR_SYSTEM, "the new root: %s", error_message(failed));
}

void clo_new_root_next_layer(struct clo_new_root *tree)
{
    tree->layer++;
}

/* --- Paths --- */

static errcode_t expanded(struct clo_new_root *tree, ext2_ino_t folder, errcode_t failed)
{
    return failed == EXT2_ET_DIR_NO_SPACE ? ext2fs_expand_dir(tree->fs, folder) : failed;
}

static errcode_t make_folder(struct clo_new_root *tree, ext2_ino_t parent, const char *name,
                             ext2_ino_t *out)
{
    errcode_t failed = ext2fs_mkdir(tree->fs, parent, 0, name);

    if (failed == EXT2_ET_DIR_NO_SPACE && (failed = expanded(tree, parent, failed)) == 0)
        failed = ext2fs_mkdir(tree->fs, parent, 0, name);
    return failed != 0 ? failed
                       : ext2fs_lookup(tree->fs, parent, name, (int)strlen(name), NULL, out);
}

/* One folder further; a link is followed inside of the tree. */
static errcode_t descend(struct clo_new_root *tree, ext2_ino_t *folder, const char *name,
                         bool makes)
{
    ext2_ino_t next;
    errcode_t failed = ext2fs_lookup(tree->fs, *folder, name, (int)strlen(name), NULL, &next);

    if (failed == EXT2_ET_FILE_NOT_FOUND && makes)
        failed = make_folder(tree, *folder, name, &next);
    else if (failed == 0) {
        ext2_ino_t named = next;
        failed = ext2fs_namei_follow(tree->fs, EXT2_ROOT_INO, *folder, name, &next);
        tree->follows_link = tree->follows_link || next != named;
    }
    if (failed == 0)
        failed = ext2fs_check_directory(tree->fs, next);
    if (failed == 0)
        *folder = next;
    return failed;
}

/* "./usr//lib/x" in its words: "usr/lib/x". */
static bool normalise(const char *path, char out[PATH_SIZE], struct clo_error *err)
{
    size_t used = 0;
    unsigned depth = 0;

    out[0] = '\0';
    for (const char *at = path; *at != '\0';) {
        size_t size = strcspn(at, "/");
        bool is_here = size == 0 || (size == 1 && at[0] == '.');
        if (size == 2 && at[0] == '.' && at[1] == '.')
            return clo_fail(err, CLO_ERR_FORMAT, "%.200s: leads out by \"..\"", path);
        if (!is_here) {
            if (size > EXT2_NAME_LEN || used + size + 2 > PATH_SIZE || ++depth > DEPTH_MAX)
                return clo_fail(err, CLO_ERR_FORMAT, "%.200s: too long a path", path);
            used += (size_t)snprintf(out + used, PATH_SIZE - used, "%s%.*s", used == 0 ? "" : "/",
                                     (int)size, at);
        }
        at += size + (at[size] == '/');
    }
    return true;
}

/* The folder that `path`, normalised, ends in, and the name there; `*parent` 0: there is none, and none was to be made. */
static bool find_parent(struct clo_new_root *tree, char *path, bool makes, ext2_ino_t *parent,
                        const char **name, struct clo_error *err)
{
    char *slash = strrchr(path, '/');
    char words[PATH_SIZE];
    errcode_t failed = 0;
    char *rest = NULL;

    *name = slash == NULL ? path : slash + 1;
    *parent = EXT2_ROOT_INO;
    if (slash == NULL)
        return true;
    snprintf(words, sizeof words, "%.*s", (int)(slash - path), path);
    if (tree->parent != 0 && strcmp(words, tree->parent_path) == 0) {
        *parent = tree->parent;
        return true;
    }
    memcpy(tree->parent_path, words, sizeof words);
    tree->follows_link = false;
    for (char *word = strtok_r(words, "/", &rest); failed == 0 && word != NULL;
         word = strtok_r(NULL, "/", &rest))
        failed = descend(tree, parent, word, makes);
    tree->parent = failed == 0 ? *parent : 0;
    if (failed == EXT2_ET_FILE_NOT_FOUND && !makes) {
        *parent = 0;
        return true;
    }
    return failed == 0 || fail(err, path, failed);
}

/* --- Taking away --- */

static bool remove_entry(struct clo_new_root *tree, ext2_ino_t parent, const char *name,
                         unsigned depth, struct clo_error *err);

struct names {
    char **items;
    size_t count;
    bool is_out_of_memory;
};

static int take_name(struct ext2_dir_entry *entry, int offset, int block_size, char *buffer,
                     void *context)
{
    struct names *names = context;
    int size = ext2fs_dirent_name_len(entry);

    (void)offset;
    (void)block_size;
    (void)buffer;
    if (entry->name[0] == '.' && (size == 1 || (size == 2 && entry->name[1] == '.')))
        return 0;
    char **items = realloc(names->items, (names->count + 1) * sizeof *items);
    if (items != NULL)
        names->items = items;
    if (items == NULL || (items[names->count] = strndup(entry->name, (size_t)size)) == NULL) {
        names->is_out_of_memory = true;
        return DIRENT_ABORT;
    }
    names->count++;
    return 0;
}

static bool empty_folder(struct clo_new_root *tree, ext2_ino_t folder, unsigned depth,
                         struct clo_error *err)
{
    struct names names = { 0 };
    errcode_t failed = ext2fs_dir_iterate(tree->fs, folder, 0, NULL, take_name, &names);
    bool ok =
            failed == 0 ? !names.is_out_of_memory || clo_out_of_memory(err) : fail(err, "", failed);

    for (size_t i = 0; i < names.count; i++) {
        ok = ok && remove_entry(tree, folder, names.items[i], depth + 1, err);
        free(names.items[i]);
    }
    free(names.items);
    return ok;
}

static errcode_t drop_inode(struct clo_new_root *tree, ext2_ino_t number,
                            struct ext2_inode_large *inode)
{
    struct ext2_inode *small = (struct ext2_inode *)inode;
    bool is_folder = LINUX_S_ISDIR(inode->i_mode);
    errcode_t failed = 0;

    inode->i_links_count = is_folder ? 0 : (uint16_t)(inode->i_links_count - 1);
    if (inode->i_links_count == 0) {
        inode->i_dtime = (uint32_t)tree->fs->now;
        failed = ext2fs_free_ext_attr(tree->fs, number, inode);
        if (failed == 0 && ext2fs_inode_has_valid_blocks2(tree->fs, small))
            failed = ext2fs_punch(tree->fs, number, small, NULL, 0, ~0ULL);
        ext2fs_inode_alloc_stats2(tree->fs, number, -1, is_folder);
    }
    errcode_t written = ext2fs_write_inode_full(tree->fs, number, small, sizeof *inode);
    return failed != 0 ? failed : written;
}

static bool remove_entry(struct clo_new_root *tree, ext2_ino_t parent, const char *name,
                         unsigned depth, struct clo_error *err)
{
    struct ext2_inode_large inode, above;
    ext2_ino_t number;
    errcode_t failed = ext2fs_lookup(tree->fs, parent, name, (int)strlen(name), NULL, &number);

    if (failed == EXT2_ET_FILE_NOT_FOUND)
        return true;
    if (failed == 0)
        failed =
                ext2fs_read_inode_full(tree->fs, number, (struct ext2_inode *)&inode, sizeof inode);
    if (failed != 0 || depth > DEPTH_MAX)
        return fail(err, name, failed);
    bool is_folder = LINUX_S_ISDIR(inode.i_mode);
    if (is_folder && !empty_folder(tree, number, depth, err))
        return false;
    tree->parent = 0;
    /* What was in it may have changed its count of links. */
    failed = ext2fs_read_inode_full(tree->fs, number, (struct ext2_inode *)&inode, sizeof inode);
    if (failed == 0)
        failed = ext2fs_unlink(tree->fs, parent, name, number, 0);
    if (failed == 0)
        failed = drop_inode(tree, number, &inode);
    if (failed == 0 && is_folder) {
        failed =
                ext2fs_read_inode_full(tree->fs, parent, (struct ext2_inode *)&above, sizeof above);
        above.i_links_count--;
        if (failed == 0)
            failed = ext2fs_write_inode_full(tree->fs, parent, (struct ext2_inode *)&above,
                                             sizeof above);
    }
    return failed == 0 || fail(err, name, failed);
}

bool clo_new_root_remove(struct clo_new_root *tree, const char *path, struct clo_error *err)
{
    char words[PATH_SIZE];
    ext2_ino_t parent;
    const char *name;

    if (!normalise(path, words, err) || !find_parent(tree, words, false, &parent, &name, err))
        return false;
    return *name == '\0' || parent == 0 || remove_entry(tree, parent, name, 0, err);
}

bool clo_new_root_empty(struct clo_new_root *tree, const char *path, struct clo_error *err)
{
    char words[PATH_SIZE];
    ext2_ino_t folder = EXT2_ROOT_INO;

    if (!normalise(path, words, err))
        return false;
    if (words[0] != '\0' &&
        ext2fs_namei_follow(tree->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, words, &folder) != 0)
        return true;
    return ext2fs_check_directory(tree->fs, folder) != 0 || empty_folder(tree, folder, 0, err);
}

/* --- Adding --- */

static errcode_t link_name(struct clo_new_root *tree, ext2_ino_t folder, const char *name,
                           ext2_ino_t number, int type)
{
    errcode_t failed = ext2fs_link(tree->fs, folder, name, number, type);

    if (failed == EXT2_ET_DIR_NO_SPACE && (failed = expanded(tree, folder, failed)) == 0)
        failed = ext2fs_link(tree->fs, folder, name, number, type);
    return failed;
}

static errcode_t new_inode(struct clo_new_root *tree, ext2_ino_t folder,
                           const struct clo_new_root_node *node, ext2_ino_t *out)
{
    struct ext2_inode_large inode = { .i_mode = (uint16_t)node->mode,
                                      .i_links_count = 1,
                                      .i_extra_isize = sizeof inode - EXT2_GOOD_OLD_INODE_SIZE };
    struct ext2_inode *small = (struct ext2_inode *)&inode;
    ext2_extent_handle_t extents;
    errcode_t failed = ext2fs_new_inode(tree->fs, folder, (int)node->mode, 0, out);

    if (failed != 0)
        return failed;
    ext2fs_inode_alloc_stats2(tree->fs, *out, +1, 0);
    if (LINUX_S_ISREG(node->mode)) {
        inode.i_flags = EXT4_EXTENTS_FL;
        failed = ext2fs_extent_open2(tree->fs, *out, small, &extents);
        if (failed != 0)
            return failed;
        ext2fs_extent_free(extents);
    } else if (node->major < 256 && node->minor < 256) {
        inode.i_block[0] = node->major << 8 | node->minor;
    } else {
        inode.i_block[1] = (node->minor & 0xff) | node->major << 8 | (node->minor & ~0xffU) << 12;
    }
    return ext2fs_write_inode_full(tree->fs, *out, small, sizeof inode);
}

static int entry_type(uint32_t mode)
{
    return LINUX_S_ISREG(mode)    ? EXT2_FT_REG_FILE
           : LINUX_S_ISLNK(mode)  ? EXT2_FT_SYMLINK
           : LINUX_S_ISSOCK(mode) ? EXT2_FT_SOCK
           : LINUX_S_ISCHR(mode)  ? EXT2_FT_CHRDEV
           : LINUX_S_ISBLK(mode)  ? EXT2_FT_BLKDEV
                                  : EXT2_FT_FIFO;
}

static errcode_t make(struct clo_new_root *tree, ext2_ino_t parent, const char *name,
                      const struct clo_new_root_node *node, ext2_ino_t *out)
{
    errcode_t failed;

    if (LINUX_S_ISDIR(node->mode))
        return make_folder(tree, parent, name, out);
    if (LINUX_S_ISLNK(node->mode)) {
        failed = ext2fs_symlink(tree->fs, parent, 0, name, node->target);
        if (failed == EXT2_ET_DIR_NO_SPACE && (failed = expanded(tree, parent, failed)) == 0)
            failed = ext2fs_symlink(tree->fs, parent, 0, name, node->target);
        return failed != 0 ? failed
                           : ext2fs_lookup(tree->fs, parent, name, (int)strlen(name), NULL, out);
    }
    failed = new_inode(tree, parent, node, out);
    return failed != 0 ? failed : link_name(tree, parent, name, *out, entry_type(node->mode));
}

/* Nanoseconds, and the bits of seconds after 2038. */
static uint32_t extra_time(int64_t seconds, uint32_t nanoseconds)
{
    return nanoseconds << 2 | (uint32_t)(((seconds - (int32_t)seconds) >> 32) & 3);
}

static errcode_t set_metadata(struct clo_new_root *tree, ext2_ino_t number,
                              const struct clo_new_root_node *node)
{
    struct ext2_inode_large inode;
    struct ext2_inode *small = (struct ext2_inode *)&inode;
    errcode_t failed = ext2fs_read_inode_full(tree->fs, number, small, sizeof inode);

    if (failed != 0)
        return failed;
    inode.i_mode = (uint16_t)node->mode;
    inode.i_uid = (uint16_t)node->uid;
    ext2fs_set_i_uid_high(inode, (uint16_t)(node->uid >> 16));
    inode.i_gid = (uint16_t)node->gid;
    ext2fs_set_i_gid_high(inode, (uint16_t)(node->gid >> 16));
    /* Of a folder the sums of its blocks hang on it. */
    if (!LINUX_S_ISDIR(node->mode))
        inode.i_generation = tree->layer;
    inode.i_extra_isize = sizeof inode - EXT2_GOOD_OLD_INODE_SIZE;
    inode.i_atime = inode.i_mtime = inode.i_ctime = (uint32_t)node->mtime;
    inode.i_atime_extra = inode.i_mtime_extra = inode.i_ctime_extra =
            extra_time(node->mtime, node->mtime_ns);
    inode.i_crtime = (uint32_t)tree->fs->now;
    return ext2fs_write_inode_full(tree->fs, number, small, sizeof inode);
}

static bool make_room(struct clo_new_root *tree, ext2_ino_t parent, const char *name,
                      ext2_ino_t number, bool is_folder, bool *stays, struct clo_error *err)
{
    struct ext2_inode inode;
    errcode_t failed = ext2fs_read_inode(tree->fs, number, &inode);

    if (failed != 0)
        return fail(err, name, failed);
    *stays = is_folder && LINUX_S_ISDIR(inode.i_mode);
    if (*stays)
        return true;
    if (inode.i_generation == tree->layer || tree->layer == 1)
        return clo_fail(err, CLO_ERR_FORMAT, "/%.200s: is there twice", name);
    return remove_entry(tree, parent, name, 0, err);
}

/* Is there room for a new name? A folder that stays is `*number`. */
static bool find_place(struct clo_new_root *tree, const char *path, bool is_folder,
                       char words[PATH_SIZE], ext2_ino_t *parent, const char **name,
                       ext2_ino_t *number, struct clo_error *err)
{
    ext2_ino_t there;
    bool stays = false;

    *number = 0;
    if (!normalise(path, words, err) || !find_parent(tree, words, true, parent, name, err))
        return false;
    if (**name == '\0') {
        *number = EXT2_ROOT_INO;
        return is_folder || clo_fail(err, CLO_ERR_FORMAT, "/: is not a folder");
    }
    if (ext2fs_lookup(tree->fs, *parent, *name, (int)strlen(*name), NULL, &there) != 0)
        return true;
    if (!make_room(tree, *parent, *name, there, is_folder, &stays, err))
        return false;
    *number = stays ? there : 0;
    return true;
}

bool clo_new_root_add(struct clo_new_root *tree, const char *path,
                      const struct clo_new_root_node *node, struct clo_error *err)
{
    char words[PATH_SIZE];
    ext2_ino_t parent, number;
    const char *name;
    errcode_t failed = close_file(tree);

    if (failed != 0)
        return fail(err, "", failed);
    if (!find_place(tree, path, LINUX_S_ISDIR(node->mode), words, &parent, &name, &number, err))
        return false;
    /* Its path says that it is in /dev, and a link leads elsewhere. */
    if ((LINUX_S_ISCHR(node->mode) || LINUX_S_ISBLK(node->mode)) && tree->follows_link)
        return clo_fail(err, CLO_ERR_FORMAT, "/%.200s: a device by way of a link", words);
    if (number == 0)
        failed = make(tree, parent, name, node, &number);
    if (failed == 0)
        failed = set_metadata(tree, number, node);
    tree->last = number;
    return failed == 0 || fail(err, words, failed);
}

bool clo_new_root_link(struct clo_new_root *tree, const char *path, const char *target,
                       struct clo_error *err)
{
    char words[PATH_SIZE], to[PATH_SIZE];
    struct ext2_inode inode;
    ext2_ino_t parent, number, there;
    const char *name;

    if (close_file(tree) != 0 || !normalise(target, to, err) ||
        !find_place(tree, path, false, words, &parent, &name, &there, err))
        return false;
    errcode_t failed = ext2fs_namei(tree->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, to, &number);
    if (failed == 0)
        failed = ext2fs_read_inode(tree->fs, number, &inode);
    if (failed != 0 || LINUX_S_ISDIR(inode.i_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "/%.200s: is a link to /%.200s, which %s", words, to,
                        failed != 0 ? "is not there" : "is a folder");
    inode.i_links_count++;
    failed = inode.i_links_count >= EXT2_LINK_MAX ? EXT2_ET_INODE_CORRUPTED
                                                  : ext2fs_write_inode(tree->fs, number, &inode);
    if (failed == 0)
        failed = link_name(tree, parent, name, number, entry_type(inode.i_mode));
    return failed == 0 || fail(err, words, failed);
}

/* --- What is in it --- */

/* Those that ext4 has a number for, and Linux a meaning. */
static bool is_known_attribute(const char *name)
{
    static const char *const spaces[] = { "user.", "trusted.", "security." };

    for (size_t i = 0; i < CLO_COUNT(spaces); i++)
        if (strncmp(name, spaces[i], strlen(spaces[i])) == 0)
            return name[strlen(spaces[i])] != '\0';
    return strcmp(name, "system.posix_acl_access") == 0 ||
           strcmp(name, "system.posix_acl_default") == 0;
}

bool clo_new_root_xattr(struct clo_new_root *tree, const char *name, struct clo_bytes value,
                        struct clo_error *err)
{
    struct ext2_xattr_handle *handle = NULL;

    /* libext2fs would write what is left of its length in a byte: another attribute. */
    if (strlen(name) > XATTR_NAME_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "attribute %.100s…: too long a name", name);
    if (!is_known_attribute(name))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "attribute %.100s: Linux has none of that name: leave it out "
                        "(tar --xattrs-exclude)",
                        name);
    errcode_t failed = ext2fs_xattrs_open(tree->fs, tree->last, &handle);
    if (failed == 0)
        failed = ext2fs_xattrs_read(handle);
    if (failed == 0)
        failed = ext2fs_xattr_set(handle, name, value.data, value.size);
    if (handle != NULL) {
        errcode_t closed = ext2fs_xattrs_close(&handle);
        failed = failed != 0 ? failed : closed;
    }
    if (failed == EXT2_ET_EA_NO_SPACE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "attribute %.100s: more than the 4 KiB that ext4 has for a file's", name);
    return failed == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "attribute %.100s: %s", name, error_message(failed));
}

static errcode_t open_file(struct clo_new_root *tree)
{
    return tree->file != NULL
                   ? 0
                   : ext2fs_file_open(tree->fs, tree->last, EXT2_FILE_WRITE, &tree->file);
}

bool clo_new_root_write(struct clo_new_root *tree, uint64_t at, struct clo_bytes bytes,
                        struct clo_error *err)
{
    errcode_t failed = open_file(tree);

    if (at > SIZE_LIMIT || bytes.size > SIZE_LIMIT - at)
        failed = EXT2_ET_FILE_TOO_BIG;
    if (failed == 0)
        failed = ext2fs_file_llseek(tree->file, at, EXT2_SEEK_SET, NULL);
    while (failed == 0 && bytes.size > 0) {
        unsigned now = bytes.size < (1U << 20) ? (unsigned)bytes.size : 1U << 20, put = 0;
        failed = ext2fs_file_write(tree->file, bytes.data, now, &put);
        bytes = clo_bytes_slice(bytes, put, SIZE_MAX);
    }
    return failed == 0 || fail(err, "", failed);
}

bool clo_new_root_set_size(struct clo_new_root *tree, uint64_t size, struct clo_error *err)
{
    errcode_t failed = size > SIZE_LIMIT ? EXT2_ET_FILE_TOO_BIG : open_file(tree);

    if (failed == 0)
        failed = ext2fs_file_set_size2(tree->file, (ext2_off64_t)size);
    errcode_t closed = close_file(tree);
    return (failed == 0 && closed == 0) || fail(err, "", failed != 0 ? failed : closed);
}
