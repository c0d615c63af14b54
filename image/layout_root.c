#include <stdio.h>
#include <string.h>

#include "image/layout.h"
#include "image/overlay.h"
#include "image/root_check.h"
#include "image/source_btrfs.h"
#include "image/source_xfs.h"

static bool has_init(const struct clo_container *disk, const struct clo_layout_part *part,
                     const char *scratch, bool *has, struct clo_error *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = NULL;
    ext2_filsys fs = NULL;
    struct clo_error ignored;

    *has = false;
    if (part->probe.content != CLO_CONTENT_EXT) {
        *why = (struct clo_error){ 0 };
        if (!(part->probe.content == CLO_CONTENT_XFS ? clo_source_xfs_has : clo_source_btrfs_has)(
                    disk, part, clo_root_inits, has, why))
            *has = false;
        return true;
    }
    if (!clo_overlay_new(disk, part->first, part->size, scratch, &overlay, err))
        return false;
    if (!clo_overlay_open_ext(overlay, 0, &fs, &ignored))
        return true; /* no root, whatever it is */
    for (size_t i = 0; clo_root_inits[i] != NULL && !*has; i++) {
        ext2_ino_t inode;
        *has = ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, clo_root_inits[i], &inode) == 0;
    }
    ext2fs_free(fs);
    return true;
}

static bool fail_both(const struct clo_layout_part *root, const struct clo_layout_part *other,
                      struct clo_error *err)
{
    char one[200], two[200];

    if (root->volume[0] == '\0' && other->volume[0] == '\0')
        return clo_fail(err, CLO_ERR_USAGE,
                        "partitions %u and %u are both roots: --root-partition says which",
                        root->number, other->number);
    clo_layout_part_text(root, one, sizeof one);
    clo_layout_part_text(other, two, sizeof two);
    return clo_fail(err, CLO_ERR_USAGE, "%s and %s are both roots: --root-partition says which",
                    one, two);
}

bool clo_layout_root(const struct clo_container *disk, const struct clo_layout *layout,
                     const char *wanted, const char *scratch, const struct clo_layout_part **out,
                     struct clo_error *err)
{
    const struct clo_layout_part *root = NULL, *unread = NULL;
    struct clo_error refusal = { 0 };
    char text[200];

    for (size_t i = 0; i < layout->count; i++) {
        const struct clo_layout_part *part = &layout->parts[i];
        char number[CLO_LAYOUT_VOLUME];
        struct clo_error why = { 0 };
        bool has;
        if (part->volume[0] != '\0')
            snprintf(number, sizeof number, "%s", part->volume);
        else
            snprintf(number, sizeof number, "%u", part->number);
        if (!clo_layout_may_be_root(part) || (wanted != NULL && strcmp(wanted, number) != 0))
            continue;
        if (!has_init(disk, part, scratch, &has, &why, err))
            return false;
        if (why.text[0] != '\0')
            unread = part, refusal = why;
        if (has && root != NULL)
            return fail_both(root, part, err);
        if (has)
            root = part;
    }
    *out = root;
    if (root != NULL || unread == NULL)
        return root != NULL || clo_layout_without_root(layout, err);
    clo_layout_part_text(unread, text, sizeof text);
    return clo_fail(err, refusal.status, "no ext4, XFS or btrfs file system with an init; %s %s",
                    text, refusal.text);
}
