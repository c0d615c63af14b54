#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "image/source.h"

#define BLOCK         ((size_t)64 << 10)
#define ENTRIES_MAX   ((uint64_t)5000000)
#define SIZE_LIMIT    ((int64_t)1 << 43)
#define EXPANSION_MAX 1200 /* deflate's own limit is 1032 */
#define ROOM          ((uint64_t)64 << 20)

static bool fail_archive(struct archive *archive, struct clo_error *err)
{
    const char *why = archive_error_string(archive);

    return clo_fail(err, CLO_ERR_FORMAT, "tar: %s", why == NULL ? "cannot be read" : why);
}

static bool fail_unknown(struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT,
                    "is compressed or an archive, and not a tar: unpack it first");
}

/* Only what is unpacked within this process: libarchive would start programs for the rest. */
static bool open_tar(const char *path, struct archive **out, struct clo_error *err)
{
    struct archive *archive = archive_read_new();

    if (archive == NULL || archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(archive) != ARCHIVE_OK) {
        archive_read_free(archive);
        return clo_fail(err, CLO_ERR_SYSTEM, "libarchive cannot read tar archives");
    }
    if (archive_read_open_filename(archive, path, BLOCK) != ARCHIVE_OK) {
        archive_read_free(archive);
        return fail_unknown(err);
    }
    *out = archive;
    return true;
}

typedef bool each_entry(void *context, struct archive *archive, struct archive_entry *entry,
                        struct clo_error *err);

static bool walk(struct archive *archive, each_entry *each, void *context, struct clo_error *err)
{
    struct archive_entry *entry;

    for (uint64_t i = 0; i < ENTRIES_MAX; i++) {
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            return i > 0 || clo_fail(err, CLO_ERR_FORMAT, "tar: is empty");
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN && i == 0)
            return fail_unknown(err);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_archive(archive, err);
        const char *path = archive_entry_pathname(entry);
        if (path == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "tar: a member without a name");
        if (!each(context, archive, entry, err))
            return strstr(err->text, path) != NULL ? false : clo_wrap(err, "%.200s", path);
    }
    return clo_fail(err, CLO_ERR_FORMAT, "tar: more than %llu members",
                    (unsigned long long)ENTRIES_MAX);
}

static bool walk_tar(const char *path, each_entry *each, void *context, struct clo_error *err)
{
    struct archive *archive;

    if (!open_tar(path, &archive, err))
        return false;
    bool ok = walk(archive, each, context, err);
    archive_read_free(archive);
    return ok;
}

/* --- Counting, and refusing, before anything is made --- */

struct counting {
    struct source_tar *tar;
    struct clo_source *source;
    uint64_t budget; /* bytes that this archive may still unpack to */
};

/* "a/b/.wh.c" takes away a/b/c; "a/.wh..wh..opq" all that is in a. */
static const char *whiteout(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;

    return strncmp(name, ".wh.", 4) == 0 ? name : NULL;
}

/* Without its holes. */
static uint64_t stored_size(struct archive_entry *entry)
{
    la_int64_t at, size;
    uint64_t total = 0;

    if (archive_entry_sparse_reset(entry) == 0)
        return (uint64_t)archive_entry_size(entry);
    while (archive_entry_sparse_next(entry, &at, &size) == ARCHIVE_OK)
        total += (uint64_t)size;
    return total;
}

static bool is_in_dev(const char *path)
{
    while (*path == '/' || strncmp(path, "./", 2) == 0)
        path++;
    return strncmp(path, "dev/", 4) == 0;
}

static bool check_type(struct archive_entry *entry, struct clo_error *err)
{
    const char *target = archive_entry_symlink(entry);

    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
    case AE_IFIFO:
        return true;
    case AE_IFLNK:
        return (target != NULL && target[0] != '\0') ||
               clo_fail(err, CLO_ERR_FORMAT, "a link to nothing");
    case AE_IFCHR:
    case AE_IFBLK:
        return is_in_dev(archive_entry_pathname(entry)) ||
               clo_fail(err, CLO_ERR_FORMAT, "a device outside of /dev");
    default:
        return clo_fail(err, CLO_ERR_FORMAT, "is of a type that is not known");
    }
}

/* What ext4 has no room for would become another's. */
static bool check_owner(struct archive_entry *entry, struct clo_error *err)
{
    int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

    if (uid < 0 || uid >= UINT32_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "user id %lld: at most 4294967294 expected",
                        (long long)uid);
    if (gid < 0 || gid >= UINT32_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "group id %lld: at most 4294967294 expected",
                        (long long)gid);
    return true;
}

static bool count_entry(void *context, struct archive *archive, struct archive_entry *entry,
                        struct clo_error *err)
{
    struct counting *counting = context;
    const char *path = archive_entry_pathname(entry);

    (void)archive;
    if (counting->tar->is_layer && whiteout(path) != NULL) {
        counting->tar->has_whiteouts = true;
        return true;
    }
    if (source_is_container_mark(path))
        counting->source->was_container = true;
    if (archive_entry_hardlink(entry) != NULL) {
        clo_new_root_count(&counting->source->need, 0);
        return true;
    }
    if (!check_type(entry, err) || !check_owner(entry, err))
        return false;
    if (archive_entry_filetype(entry) != AE_IFREG) {
        clo_new_root_count(&counting->source->need, 4096);
        return true;
    }
    int64_t whole = archive_entry_size(entry);
    uint64_t stored = whole < 0 ? 0 : stored_size(entry);
    if (whole < 0 || whole > SIZE_LIMIT || stored > (uint64_t)whole)
        return clo_fail(err, CLO_ERR_FORMAT, "%lld bytes", (long long)whole);
    if (stored > counting->budget)
        return clo_fail(err, CLO_ERR_FORMAT, "unpacks to more than %d times the archive's size",
                        EXPANSION_MAX);
    counting->budget -= stored;
    clo_new_root_count(&counting->source->need, stored);
    return true;
}

bool source_tar_count(struct source_tar *tar, struct clo_source *source, struct clo_error *err)
{
    struct counting counting = { .tar = tar, .source = source };
    struct stat status;

    if (stat(tar->path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", tar->path, strerror(errno));
    counting.budget = (uint64_t)status.st_size * EXPANSION_MAX + ROOM;
    return walk_tar(tar->path, count_entry, &counting, err);
}

/* --- Whiteouts --- */

static bool apply_whiteout(void *context, struct archive *archive, struct archive_entry *entry,
                           struct clo_error *err)
{
    struct clo_new_root *tree = context;
    const char *path = archive_entry_pathname(entry);
    const char *name = whiteout(path);
    char target[4096];

    (void)archive;
    if (name == NULL)
        return true;
    size_t folder = (size_t)(name - path);
    if (strcmp(name, ".wh..wh..opq") == 0) {
        snprintf(target, sizeof target, "%.*s", (int)folder, path);
        return clo_new_root_empty(tree, target, err);
    }
    if (strncmp(name, ".wh..wh.", 8) == 0)
        return true; /* aufs' own */
    if (name[4] == '\0' || strcmp(name + 4, ".") == 0 || strcmp(name + 4, "..") == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "a whiteout of nothing");
    snprintf(target, sizeof target, "%.*s%s", (int)folder, path, name + 4);
    return clo_new_root_remove(tree, target, err);
}

/* --- Unpacking --- */

static void node_of(struct archive_entry *entry, struct clo_new_root_node *out)
{
    *out = (struct clo_new_root_node){ .mode = (uint32_t)archive_entry_mode(entry),
                                       .uid = (uint32_t)archive_entry_uid(entry),
                                       .gid = (uint32_t)archive_entry_gid(entry),
                                       .mtime = archive_entry_mtime(entry),
                                       .mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry),
                                       .major = (uint32_t)archive_entry_rdevmajor(entry),
                                       .minor = (uint32_t)archive_entry_rdevminor(entry),
                                       .target = archive_entry_symlink(entry) };
}

static bool take_xattrs(struct archive_entry *entry, struct clo_new_root *tree,
                        struct clo_error *err)
{
    const char *name;
    const void *value;
    size_t size;

    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
        if (!clo_new_root_xattr(tree, name, clo_bytes(value, size), err))
            return false;
    return true;
}

/* As the kernel has them in an attribute (linux/posix_acl_xattr.h): by tag, in this order. */
static bool append_acl(struct archive_entry *entry, int type, struct clo_buffer *out,
                       struct clo_error *err)
{
    static const struct {
        int tag;
        uint16_t number;
        bool has_id;
    } tags[] = {
        { ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01, false },  { ARCHIVE_ENTRY_ACL_USER, 0x02, true },
        { ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04, false }, { ARCHIVE_ENTRY_ACL_GROUP, 0x08, true },
        { ARCHIVE_ENTRY_ACL_MASK, 0x10, false },      { ARCHIVE_ENTRY_ACL_OTHER, 0x20, false },
    };

    clo_buffer_le32(out, 2);
    for (size_t i = 0; i < CLO_COUNT(tags); i++) {
        int found, permset, tag, id;
        const char *name;
        (void)archive_entry_acl_reset(entry, type);
        while (archive_entry_acl_next(entry, type, &found, &permset, &tag, &id, &name) ==
               ARCHIVE_OK) {
            if (tag != tags[i].tag)
                continue;
            if (tags[i].has_id && id < 0)
                return clo_fail(err, CLO_ERR_UNSUPPORTED,
                                "an ACL that has a name and no number: 'tar --xattrs "
                                "--xattrs-include=*' without --acls keeps numbers");
            clo_buffer_le16(out, tags[i].number);
            clo_buffer_le16(out, (uint16_t)(permset & 7));
            clo_buffer_le32(out, tags[i].has_id ? (uint32_t)id : UINT32_MAX);
        }
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* The mode's three entries alone are not worth an attribute. */
static bool take_acls(struct archive_entry *entry, struct clo_new_root *tree, struct clo_error *err)
{
    static const struct {
        int type, least;
        const char *name;
    } kinds[] = {
        { ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 4, "system.posix_acl_access" },
        { ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, 1, "system.posix_acl_default" },
    };

    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer acl = { 0 };
        if (archive_entry_acl_reset(entry, kinds[i].type) < kinds[i].least)
            continue;
        if (!append_acl(entry, kinds[i].type, &acl, err) ||
            !clo_new_root_xattr(tree, kinds[i].name, clo_buffer_bytes(&acl), err))
            return false;
    }
    return true;
}

static bool take_data(struct archive *archive, struct archive_entry *entry,
                      struct clo_new_root *tree, struct clo_error *err)
{
    const void *block;
    size_t size;
    la_int64_t at;
    int result;

    while ((result = archive_read_data_block(archive, &block, &size, &at)) == ARCHIVE_OK)
        if (at < 0 || !clo_new_root_write(tree, (uint64_t)at, clo_bytes(block, size), err))
            return at >= 0 ? false : clo_fail(err, CLO_ERR_FORMAT, "tar: a negative place");
    if (result != ARCHIVE_EOF)
        return fail_archive(archive, err);
    return clo_new_root_set_size(tree, (uint64_t)archive_entry_size(entry), err);
}

struct unpacking {
    struct clo_new_root *tree;
    bool is_layer;
};

static bool unpack_entry(void *context, struct archive *archive, struct archive_entry *entry,
                         struct clo_error *err)
{
    const struct unpacking *unpacking = context;
    const char *path = archive_entry_pathname(entry);
    const char *link = archive_entry_hardlink(entry);
    struct clo_new_root_node node;

    if ((unpacking->is_layer && whiteout(path) != NULL) || source_is_container_mark(path))
        return true;
    if (link != NULL)
        return clo_new_root_link(unpacking->tree, path, link, err);
    node_of(entry, &node);
    if (!check_type(entry, err) || !clo_new_root_add(unpacking->tree, path, &node, err) ||
        !take_xattrs(entry, unpacking->tree, err) || !take_acls(entry, unpacking->tree, err))
        return false;
    return archive_entry_filetype(entry) != AE_IFREG ||
           take_data(archive, entry, unpacking->tree, err);
}

bool source_tar_unpack(const struct source_tar *tar, struct clo_new_root *tree,
                       struct clo_error *err)
{
    struct unpacking unpacking = { tree, tar->is_layer };

    /* A whiteout is of lower layers' files, wherever in its own layer it stands. */
    if (tar->has_whiteouts && !walk_tar(tar->path, apply_whiteout, tree, err))
        return false;
    return walk_tar(tar->path, unpack_entry, &unpacking, err);
}
