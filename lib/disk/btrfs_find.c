/* A subvolume by its path: as many folders are read as the path has, however many subvolumes there are. */
#include "lib/disk/btrfs.h"

#include <string.h>
#include <sys/stat.h>

struct search {
    const char *name;
    size_t size;
    uint64_t folder; /* the subvolume that it is looked for in */
    bool is_found;
    struct clo_btrfs_name found;
};

static bool match(void *context, const struct clo_btrfs_name *name, struct clo_error *err)
{
    struct search *search = context;

    (void)err;
    /* One that lies in itself lies nowhere. */
    bool is_itself = name->subvolume == search->folder && name->inode == CLO_BTRFS_ROOT;
    if (!is_itself && strlen(name->text) == search->size &&
        memcmp(name->text, search->name, search->size) == 0 && !name->is_missing) {
        search->found = *name;
        search->is_found = true;
    }
    return true;
}

static bool fail_missing(const char *path, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_FORMAT, "btrfs: no subvolume %.200s", path);
}

bool clo_btrfs_subvolume_find(struct clo_btrfs *btrfs, const char *path, uint64_t *id,
                              struct clo_error *err)
{
    struct clo_btrfs_inode folder;
    struct search search = { .found = { .subvolume = CLO_BTRFS_TOP, .inode = CLO_BTRFS_ROOT } };
    const char *rest = path + strspn(path, "/");

    while (*rest != '\0') {
        search.name = rest;
        search.size = strcspn(rest, "/");
        search.is_found = false;
        search.folder = search.found.subvolume;
        if (!clo_btrfs_inode(btrfs, search.found.subvolume, search.found.inode, &folder, err))
            return false;
        if (!S_ISDIR(folder.mode))
            return fail_missing(path, err);
        if (!clo_btrfs_list(btrfs, &folder, match, &search, err))
            return false;
        if (!search.is_found)
            return fail_missing(path, err);
        rest += search.size;
        rest += strspn(rest, "/");
    }
    if (search.found.inode != CLO_BTRFS_ROOT)
        return fail_missing(path, err);
    *id = search.found.subvolume;
    return true;
}
