#include "image/convert.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/file.h"
#include "image/adapt.h"
#include "image/overlay.h"

/* What a conversion holds on its way. */
struct conversion {
    const struct clo_convert_spec *spec;
    struct clo_container disk;
    struct clo_layout *layout;
    const struct clo_layout_part *root;
    struct clo_overlay *overlay; /* of the root's partition */
    struct clo_scratch scratch;
    struct adapt_found found;
};

static void free_conversion(struct conversion *conversion)
{
    clo_overlay_free(conversion->overlay);
    clo_container_close(&conversion->disk);
    free(conversion->layout);
    clo_buffer_free(&conversion->found.cmdline);
    clo_scratch_free(&conversion->scratch);
}

static bool start(struct conversion *conversion, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(output);

    conversion->layout = malloc(sizeof *conversion->layout);
    if (copy == NULL || conversion->layout == NULL)
        return clo_out_of_memory(err);
    return clo_scratch_new(dirname(copy), &conversion->scratch, err);
}

static bool look(struct conversion *conversion, struct adapt *adapt, struct clo_error *err)
{
    const struct clo_convert_spec *spec = conversion->spec;
    char text[200];

    if (!clo_container_open(spec->input, &conversion->disk, err) ||
        !clo_layout_read(&conversion->disk, conversion->layout, err))
        return false;
    adapt_tell(adapt, "disk: %s, %llu MiB, %s partition table",
               clo_container_name(conversion->disk.kind),
               (unsigned long long)(conversion->disk.size >> 20), conversion->layout->table);
    if (!clo_layout_root(&conversion->disk, conversion->layout, spec->root_partition,
                         conversion->scratch.path, &conversion->root, err))
        return false;
    clo_layout_part_text(conversion->root, text, sizeof text);
    adapt_tell(adapt, "root: %s: has an init", text);
    return true;
}

/* A journal that waits would be written over what is changed here, at the first mount. */
static bool check_clean(ext2_filsys fs, struct clo_error *err)
{
    if (ext2fs_has_feature_journal_needs_recovery(fs->super) ||
        (fs->super->s_state & EXT2_VALID_FS) == 0 || (fs->super->s_state & EXT2_ERROR_FS) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the root was not unmounted cleanly: boot it and shut it down, or "
                        "'e2fsck -f' on it");
    return true;
}

static bool open_root(struct conversion *conversion, int64_t now, ext2_filsys *fs,
                      struct clo_error *err)
{
    const struct clo_layout_part *root = conversion->root;

    if (!clo_overlay_new(&conversion->disk, root->first, root->size, conversion->scratch.path,
                         &conversion->overlay, err) ||
        !clo_overlay_open_ext(conversion->overlay, EXT2_FLAG_RW, fs, err))
        return false;
    if (!check_clean(*fs, err))
        return false;
    (*fs)->now = (time_t)now;
    errcode_t failed = ext2fs_read_bitmaps(*fs);
    return failed == 0 || clo_fail(err, CLO_ERR_FORMAT, "ext4: %s", error_message(failed));
}

static bool change(const struct adapt *adapt, const struct clo_image_spec *base,
                   struct adapt_found *found, struct clo_error *err)
{
    bool has_kernel = base->uki->kernel != NULL && base->modules_folder != NULL;

    return adapt_check_fstab(adapt, err) && adapt_boot(adapt, err) &&
           (has_kernel || adapt_find_kernel(adapt, found, err)) &&
           adapt_find_rest(adapt, found, err) && adapt_files(adapt, err);
}

static bool adapt_root(struct conversion *conversion, struct adapt *adapt,
                       const struct clo_image_spec *base, struct clo_error *err)
{
    bool ok = open_root(conversion, base->created, &adapt->fs, err);

    ok = ok && change(adapt, base, &conversion->found, err);
    if (!ok) {
        if (adapt->fs != NULL)
            ext2fs_free(adapt->fs);
        return false;
    }
    errcode_t failed = ext2fs_close_free(&adapt->fs);
    return failed == 0 || clo_fail(err, CLO_ERR_SYSTEM, "ext4: %s", error_message(failed));
}

/* What the owner gives comes first; the rest is what was found. */
static void settle(const struct conversion *conversion, const struct clo_image_spec *base,
                   const char *cmdline, struct uki_build *uki, struct clo_image_spec *out)
{
    const struct adapt_found *found = &conversion->found;

    *uki = *base->uki;
    if (uki->osrel == NULL)
        uki->osrel = found->osrel;
    if (uki->cmdline == NULL)
        uki->cmdline = cmdline;
    *out = *base;
    out->uki = uki;
    if (found->kernel[0] != '\0') {
        uki->kernel = found->kernel;
        out->modules_folder = found->modules;
    }
    out->root_overlay = conversion->overlay;
}

static bool convert(struct conversion *conversion, const struct clo_image_spec *base,
                    struct clo_image_result *out, struct clo_error *err)
{
    struct adapt adapt = { .spec = conversion->spec,
                           .disk = &conversion->disk,
                           .layout = conversion->layout };
    struct clo_image_spec spec;
    struct uki_build uki;

    if (!look(conversion, &adapt, err))
        return false;
    adapt.root = conversion->root;
    adapt.scratch = conversion->scratch.path;
    if (!adapt_root(conversion, &adapt, base, err))
        return false;
    const char *cmdline = clo_buffer_string(&conversion->found.cmdline);
    if (cmdline == NULL)
        return clo_out_of_memory(err);
    settle(conversion, base, cmdline, &uki, &spec);
    return clo_image_build(&spec, out, err);
}

bool clo_image_convert(const struct clo_convert_spec *spec, const struct clo_image_spec *base,
                       struct clo_image_result *out, struct clo_error *err)
{
    CLO_CLEANUP(free_conversion) struct conversion conversion = { .spec = spec, .disk.fd = -1 };

    if ((base->uki->kernel == NULL) != (base->modules_folder == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--kernel and --modules go together");
    if (!start(&conversion, base->output, err))
        return false;
    return convert(&conversion, base, out, err);
}
