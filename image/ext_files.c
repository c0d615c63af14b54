#include "image/ext_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((unsigned)1 << 20)

enum clo_status ext_error_status(errcode_t why)
{
    if (why == EXT2_ET_BLOCK_ALLOC_FAIL || why == EXT2_ET_INODE_ALLOC_FAIL)
        return CLO_ERR_UNSUPPORTED;
    /* The disk below, not what is on it: full, or broken. */
    if (why == EXT2_ET_SHORT_WRITE || why == ENOSPC || why == EIO)
        return CLO_ERR_SYSTEM;
    return CLO_ERR_FORMAT;
}

static bool fail(struct clo_error *err, const char *path, errcode_t why)
{
    return clo_fail(err, ext_error_status(why), "/%s: %s", path,
                    why == EXT2_ET_BLOCK_ALLOC_FAIL ? "the root file system is full"
                                                    : error_message(why));
}

static errcode_t find(ext2_filsys fs, const char *path, ext2_ino_t *out)
{
    if (*path == '\0') {
        *out = EXT2_ROOT_INO;
        return 0;
    }
    return ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, out);
}

bool ext_exists(ext2_filsys fs, const char *path)
{
    ext2_ino_t inode;

    return find(fs, path, &inode) == 0;
}

static errcode_t find_regular(ext2_filsys fs, const char *path, ext2_ino_t *number,
                              struct ext2_inode *inode)
{
    errcode_t failed = find(fs, path, number);

    if (failed == 0)
        failed = ext2fs_read_inode(fs, *number, inode);
    if (failed == 0 && !LINUX_S_ISREG(inode->i_mode))
        failed = EXT2_ET_FILE_NOT_FOUND;
    return failed;
}

/* --- Reading --- */

static errcode_t read_whole(ext2_file_t file, uint64_t size, struct clo_buffer *out)
{
    for (uint64_t done = 0; done < size;) {
        unsigned want = size - done < PIECE ? (unsigned)(size - done) : PIECE, got = 0;
        size_t before = out->size;
        clo_buffer_zero(out, want);
        if (!clo_buffer_ok(out))
            return EXT2_ET_NO_MEMORY;
        errcode_t failed = ext2fs_file_read(file, out->data + before, want, &got);
        if (failed != 0 || got == 0)
            return failed != 0 ? failed : EXT2_ET_SHORT_READ;
        out->size = before + got;
        done += got;
    }
    return 0;
}

bool ext_read(ext2_filsys fs, const char *path, size_t limit, struct clo_buffer *out,
              struct clo_error *err)
{
    struct ext2_inode inode;
    ext2_ino_t number;
    ext2_file_t file;
    errcode_t failed = find_regular(fs, path, &number, &inode);

    if (failed != 0)
        return fail(err, path, failed);
    uint64_t size = EXT2_I_SIZE(&inode);
    if (size > limit)
        return clo_fail(err, CLO_ERR_FORMAT, "/%s: %llu bytes, at most %zu expected", path,
                        (unsigned long long)size, limit);
    failed = ext2fs_file_open(fs, number, 0, &file);
    if (failed != 0)
        return fail(err, path, failed);
    failed = read_whole(file, size, out);
    ext2fs_file_close(file);
    return failed == 0 || fail(err, path, failed);
}

struct listing {
    const char *path;
    ext_each *each;
    void *context;
    struct clo_error *err;
    bool has_failed;
};

/* The maker of the file system chose these bytes, and callers make paths of them. */
static bool is_name(struct clo_bytes name)
{
    return name.size > 0 && memchr(name.data, '/', name.size) == NULL &&
           memchr(name.data, '\0', name.size) == NULL;
}

static bool take_entry(const struct listing *listing, const char *name, int size)
{
    if (!is_name(clo_bytes(name, (size_t)size)))
        return clo_fail(listing->err, CLO_ERR_FORMAT, "/%s: \"%.*s\" is not a name", listing->path,
                        size, name);
    return listing->each(listing->context, name, listing->err);
}

static int list_entry(ext2_ino_t folder, int entry, struct ext2_dir_entry *found, int offset,
                      int block_size, char *buffer, void *context)
{
    struct listing *listing = context;
    char name[EXT2_NAME_LEN + 1];
    int size = ext2fs_dirent_name_len(found);

    (void)folder;
    (void)entry;
    (void)offset;
    (void)block_size;
    (void)buffer;
    memcpy(name, found->name, (size_t)size);
    name[size] = '\0';
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    listing->has_failed = !take_entry(listing, name, size);
    return listing->has_failed ? DIRENT_ABORT : 0;
}

bool ext_list(ext2_filsys fs, const char *path, ext_each *each, void *context,
              struct clo_error *err)
{
    struct listing listing = { path, each, context, err, false };
    ext2_ino_t folder;

    if (find(fs, path, &folder) != 0 || ext2fs_check_directory(fs, folder) != 0)
        return true;
    errcode_t failed = ext2fs_dir_iterate2(fs, folder, 0, NULL, list_entry, &listing);
    if (listing.has_failed)
        return false;
    return failed == 0 || fail(err, path, failed);
}

/* --- Writing --- */

static errcode_t write_whole(ext2_filsys fs, ext2_ino_t number, struct clo_bytes bytes)
{
    ext2_file_t file;
    errcode_t failed = ext2fs_file_open(fs, number, EXT2_FILE_WRITE, &file);

    if (failed != 0)
        return failed;
    failed = ext2fs_file_set_size2(file, 0);
    for (size_t done = 0; failed == 0 && done < bytes.size;) {
        unsigned want = bytes.size - done < PIECE ? (unsigned)(bytes.size - done) : PIECE, put = 0;
        failed = ext2fs_file_write(file, bytes.data + done, want, &put);
        done += put;
    }
    errcode_t closed = ext2fs_file_close(file);
    return failed != 0 ? failed : closed;
}

bool ext_replace(ext2_filsys fs, const char *path, struct clo_bytes bytes, struct clo_error *err)
{
    struct ext2_inode inode;
    ext2_ino_t number;
    errcode_t failed = find_regular(fs, path, &number, &inode);

    if (failed == 0)
        failed = write_whole(fs, number, bytes);
    return failed == 0 || fail(err, path, failed);
}

static errcode_t link_name(ext2_filsys fs, ext2_ino_t folder, const char *name, ext2_ino_t number,
                           int type)
{
    errcode_t failed = ext2fs_link(fs, folder, name, number, type);

    if (failed != EXT2_ET_DIR_NO_SPACE)
        return failed;
    failed = ext2fs_expand_dir(fs, folder);
    return failed != 0 ? failed : ext2fs_link(fs, folder, name, number, type);
}

static errcode_t new_inode(ext2_filsys fs, ext2_ino_t folder, uint16_t mode, ext2_ino_t *out)
{
    struct ext2_inode_large inode = { 0 };
    ext2_extent_handle_t extents;
    errcode_t failed = ext2fs_new_inode(fs, folder, LINUX_S_IFREG | mode, 0, out);

    if (failed != 0)
        return failed;
    ext2fs_inode_alloc_stats2(fs, *out, +1, 0);
    inode.i_mode = (uint16_t)(LINUX_S_IFREG | mode);
    inode.i_links_count = 1;
    inode.i_extra_isize = sizeof inode - EXT2_GOOD_OLD_INODE_SIZE;
    inode.i_atime = inode.i_ctime = inode.i_mtime = inode.i_crtime = (uint32_t)fs->now;
    if (ext2fs_has_feature_extents(fs->super)) {
        inode.i_flags = EXT4_EXTENTS_FL;
        failed = ext2fs_extent_open2(fs, *out, (struct ext2_inode *)&inode, &extents);
        if (failed != 0)
            return failed;
        ext2fs_extent_free(extents);
    }
    return ext2fs_write_inode_full(fs, *out, (struct ext2_inode *)&inode,
                                   EXT2_INODE_SIZE(fs->super) < (int)sizeof inode
                                           ? EXT2_GOOD_OLD_INODE_SIZE
                                           : (int)sizeof inode);
}

/* A folder without one gives none. */
static errcode_t copy_label(ext2_filsys fs, ext2_ino_t from, ext2_ino_t to)
{
    static const char name[] = "security.selinux";
    struct ext2_xattr_handle *handle = NULL;
    void *label = NULL;
    size_t size = 0;
    errcode_t failed = ext2fs_xattrs_open(fs, from, &handle);

    if (failed == 0)
        failed = ext2fs_xattrs_read(handle);
    if (failed == 0 && ext2fs_xattr_get(handle, name, &label, &size) != 0)
        label = NULL;
    if (handle != NULL)
        (void)ext2fs_xattrs_close(&handle);
    if (failed != 0 || label == NULL)
        return failed;
    failed = ext2fs_xattrs_open(fs, to, &handle);
    if (failed == 0)
        failed = ext2fs_xattrs_read(handle);
    if (failed == 0)
        failed = ext2fs_xattr_set(handle, name, label, size);
    ext2fs_free_mem(&label);
    errcode_t closed = handle == NULL ? 0 : ext2fs_xattrs_close(&handle);
    return failed != 0 ? failed : closed;
}

bool ext_create(ext2_filsys fs, const char *folder, const char *name, uint16_t mode,
                struct clo_bytes bytes, struct clo_error *err)
{
    ext2_ino_t parent, number;
    errcode_t failed = find(fs, folder, &parent);

    if (failed == 0)
        failed = new_inode(fs, parent, mode, &number);
    if (failed == 0)
        failed = write_whole(fs, number, bytes);
    if (failed == 0)
        failed = link_name(fs, parent, name, number, EXT2_FT_REG_FILE);
    if (failed == 0)
        failed = copy_label(fs, parent, number);
    return failed == 0 || fail(err, folder, failed) || clo_wrap(err, "%s", name);
}

bool ext_symlink(ext2_filsys fs, const char *folder, const char *name, const char *target,
                 struct clo_error *err)
{
    ext2_ino_t parent, number;
    errcode_t failed = find(fs, folder, &parent);

    if (failed == 0)
        failed = ext2fs_symlink(fs, parent, 0, name, target);
    if (failed == EXT2_ET_DIR_NO_SPACE && (failed = ext2fs_expand_dir(fs, parent)) == 0)
        failed = ext2fs_symlink(fs, parent, 0, name, target);
    if (failed == 0)
        failed = ext2fs_lookup(fs, parent, name, (int)strlen(name), NULL, &number);
    if (failed == 0)
        failed = copy_label(fs, parent, number);
    return failed == 0 || fail(err, folder, failed) || clo_wrap(err, "%s", name);
}

bool ext_folder(ext2_filsys fs, const char *path, struct clo_error *err)
{
    char above[256];
    const char *slash = strrchr(path, '/');
    ext2_ino_t parent, number;

    if (ext_exists(fs, path))
        return true;
    snprintf(above, sizeof above, "%.*s", slash == NULL ? 0 : (int)(slash - path), path);
    const char *name = slash == NULL ? path : slash + 1;
    errcode_t failed = find(fs, above, &parent);
    if (failed == 0)
        failed = ext2fs_mkdir(fs, parent, 0, name);
    if (failed == EXT2_ET_DIR_NO_SPACE && (failed = ext2fs_expand_dir(fs, parent)) == 0)
        failed = ext2fs_mkdir(fs, parent, 0, name);
    if (failed == 0)
        failed = find(fs, path, &number);
    if (failed == 0)
        failed = copy_label(fs, parent, number);
    return failed == 0 || fail(err, path, failed);
}

bool ext_drop_mode(ext2_filsys fs, const char *path, uint16_t bits, struct clo_error *err)
{
    struct ext2_inode inode;
    ext2_ino_t number;
    errcode_t failed = find_regular(fs, path, &number, &inode);

    inode.i_mode = (uint16_t)(inode.i_mode & ~bits);
    if (failed == 0)
        failed = ext2fs_write_inode(fs, number, &inode);
    return failed == 0 || fail(err, path, failed);
}
