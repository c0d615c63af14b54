#include "image/convert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "image/adapt.h"
#include "image/in_place.h"
#include "image/journal.h"
#include "image/luks.h"
#include "image/overlay.h"
#include "image/source_btrfs.h"
#include "image/source_xfs.h"
#include "lib/disk/in_place.h"

#define PIECE ((size_t)1 << 20)

/* What a conversion holds on its way. */
struct conversion {
    const struct clo_convert_spec *spec;
    struct clo_container disk;
    struct clo_layout *layout;
    const struct clo_layout_part *root;
    bool is_made; /* the root was copied file by file: all of its bytes are the input's */
    struct clo_container made; /* that root, where the disk has another */
    struct clo_layout_part made_part;
    struct clo_joined joined;    /* what a btrfs' fstab mounts into it */
    struct clo_overlay *overlay; /* of the root's partition */
    struct clo_scratch scratch;
    struct adapt_found found;
    struct clo_buffer entries;
    struct clo_journal journal;
    struct clo_in_place in_place;
};

static void free_conversion(struct conversion *conversion)
{
    clo_overlay_free(conversion->overlay);
    clo_container_close(&conversion->made);
    clo_container_close(&conversion->disk);
    free(conversion->layout);
    clo_buffer_free(&conversion->found.cmdline);
    clo_buffer_free(&conversion->entries);
    clo_scratch_free(&conversion->scratch);
    clo_journal_close(&conversion->journal);
    clo_fd_close(&conversion->in_place.disk);
}

static bool start(struct conversion *conversion, const struct clo_image_spec *base,
                  struct clo_error *err)
{
    struct clo_journal *journal = &conversion->journal;

    conversion->layout = malloc(sizeof *conversion->layout);
    if (conversion->layout == NULL)
        return clo_out_of_memory(err);
    return clo_journal_open(base->output, conversion->spec->is_in_place, base->created, &base->seed,
                            journal, err) &&
           clo_scratch_new(journal->folder, &conversion->scratch, err);
}

static const struct clo_container *root_disk(const struct conversion *conversion)
{
    return conversion->made.fd >= 0 ? &conversion->made : &conversion->disk;
}

static bool append_status(const struct conversion *conversion, struct clo_buffer *out,
                          struct clo_error *err)
{
    struct stat status;

    if (fstat(conversion->disk.fd, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    clo_buffer_le64(out, (uint64_t)status.st_dev);
    clo_buffer_le64(out, (uint64_t)status.st_ino);
    clo_buffer_le64(out, (uint64_t)status.st_size);
    clo_buffer_le64(out, (uint64_t)status.st_mtim.tv_sec);
    clo_buffer_le64(out, (uint64_t)status.st_mtim.tv_nsec);
    return true;
}

/* A root that was made anew has to have come out the same: its bytes say so, without its holes. */
static bool append_bytes(const struct clo_container *disk, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    struct clo_digest digest;
    uint8_t place[8];
    uint64_t size;
    bool is_hole;

    if (hasher == NULL || piece == NULL)
        return clo_out_of_memory(err);
    for (uint64_t at = 0; at < disk->size; at += size) {
        if (!clo_container_extent(disk, at, &size, &is_hole, err))
            return false;
        size = is_hole || size < PIECE ? size : PIECE;
        if (is_hole)
            continue;
        if (!clo_container_read(disk, at, piece, (size_t)size, err))
            return false;
        /* A file system may keep zeros or a hole. */
        if (clo_bytes_all(clo_bytes(piece, (size_t)size), 0))
            continue;
        for (size_t i = 0; i < sizeof place; i++)
            place[i] = (uint8_t)(at >> 8 * i);
        clo_hasher_add(hasher, clo_bytes(place, sizeof place));
        clo_hasher_add(hasher, clo_bytes(piece, (size_t)size));
    }
    clo_hasher_get(hasher, &digest);
    clo_buffer_append(out, clo_digest_bytes(&digest));
    return true;
}

/* The input's file, and what is changed of it. */
static bool identify(const struct conversion *conversion, struct clo_digest *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    uint8_t changes[32];

    if (!(conversion->is_made ? append_bytes(root_disk(conversion), &text, err)
                              : append_status(conversion, &text, err)) ||
        !clo_overlay_digest(conversion->overlay, changes, err))
        return false;
    clo_buffer_le64(&text, conversion->root->first);
    clo_buffer_append(&text, clo_bytes(changes, sizeof changes));
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), out);
    return true;
}

static void tell_joined(const struct adapt *adapt, const struct clo_joined *joined)
{
    adapt_tell(adapt, "root: subvolume %s", joined->root);
    for (size_t i = 0; i < joined->count; i++)
        adapt_tell(adapt, "%s: subvolume %s: joined to the root", joined->items[i].folder,
                   joined->items[i].subvolume);
    if (joined->snapshots > 0)
        adapt_tell(adapt, "snapshots: %llu: left behind", (unsigned long long)joined->snapshots);
}

/* XFS and btrfs become ext4, file by file. */
static bool make_ext(struct conversion *conversion, struct adapt *adapt, struct clo_source *source,
                     const char *path, struct clo_error *err)
{
    const struct clo_source_btrfs_spec spec = { .disk = &conversion->disk,
                                                .layout = conversion->layout,
                                                .part = conversion->root,
                                                .subvolume = conversion->spec->root_subvolume,
                                                .dropped = &conversion->spec->dropped };

    if (conversion->root->probe.content == CLO_CONTENT_XFS)
        return clo_source_xfs(&conversion->disk, conversion->root, source, path, err);
    if (!clo_source_btrfs(&spec, source, path, &conversion->joined, err))
        return false;
    tell_joined(adapt, &conversion->joined);
    return true;
}

static bool copy_root(struct conversion *conversion, struct adapt *adapt,
                      const struct clo_image_spec *base, struct clo_error *err)
{
    struct clo_source source = { .size = base->root_size,
                                 .uuid = conversion->journal.seed,
                                 .created = conversion->journal.created };
    char path[4200];

    snprintf(path, sizeof path, "%s/root.ext4", conversion->scratch.path);
    if (!make_ext(conversion, adapt, &source, path, err) ||
        !clo_container_open(path, &conversion->made, err))
        return false;
    conversion->made_part = (struct clo_layout_part){ .size = conversion->made.size };
    conversion->root = &conversion->made_part;
    conversion->is_made = true;
    adapt_tell(adapt, "root: becomes ext4: %llu files, %llu MiB copied",
               (unsigned long long)source.need.files, (unsigned long long)source.need.bytes >> 20);
    return true;
}

/* --- In its own file --- */

#define ELSEWHERE "without --in-place, a new file is made of it"

static bool check_in_place_root(const struct conversion *conversion, const char *text,
                                struct clo_error *err)
{
    if (conversion->root->volume[0] != '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "--in-place: %s may lie in pieces: " ELSEWHERE,
                        text);
    return conversion->root->probe.content == CLO_CONTENT_EXT ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "--in-place: %s becomes ext4, file by file: " ELSEWHERE, text);
}

static bool check_in_place_disk(const struct conversion *conversion, struct clo_error *err)
{
    return conversion->disk.kind == CLO_CONTAINER_RAW ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "--in-place: is a %s and not a raw disk: " ELSEWHERE,
                    clo_container_name(conversion->disk.kind));
}

/* What needs more than the root's own blocks. */
static bool check_in_place(const struct clo_image_spec *base, struct clo_error *err)
{
    const char *option = base->has_tags     ? "--integrity"
                         : base->has_verity ? "--verity"
                         : base->is_vhd     ? "--format vhd"
                                            : NULL;

    return option == NULL ||
           clo_fail(err, CLO_ERR_USAGE, "--in-place: goes without %s, which makes a new file",
                    option);
}

static bool look_at_disk(struct conversion *conversion, struct adapt *adapt,
                         const struct clo_image_spec *base, struct clo_error *err)
{
    const struct clo_convert_spec *spec = conversion->spec;
    char text[200];

    if (!clo_container_open(spec->input, &conversion->disk, err) ||
        (spec->is_in_place && !check_in_place_disk(conversion, err)) ||
        !clo_layout_read(&conversion->disk, conversion->layout, err))
        return false;
    adapt_tell(adapt, "disk: %s, %llu MiB, %s partition table",
               clo_container_name(conversion->disk.kind),
               (unsigned long long)(conversion->disk.size >> 20), conversion->layout->table);
    if (!clo_layout_root(&conversion->disk, conversion->layout, spec->root_partition,
                         conversion->scratch.path, &conversion->root, err))
        return false;
    clo_layout_part_text(conversion->root, text, sizeof text);
    if (spec->is_in_place && !check_in_place_root(conversion, text, err))
        return false;
    adapt_tell(adapt, "root: %s: has an init", text);
    if (spec->root_subvolume != NULL && conversion->root->probe.content != CLO_CONTENT_BTRFS)
        return clo_fail(err, CLO_ERR_USAGE, "--root-subvolume: the root is not on btrfs");
    return conversion->root->probe.content == CLO_CONTENT_EXT ||
           copy_root(conversion, adapt, base, err);
}

static void tell_source(const struct adapt *adapt, const struct clo_source *source,
                        enum clo_source_kind kind)
{
    unsigned long long files = source->need.files, size = source->need.bytes >> 20;

    if (kind == CLO_SOURCE_OCI)
        adapt_tell(adapt, "root: an OCI image of %zu layers: %llu files, %llu MiB", source->layers,
                   files, size);
    else
        adapt_tell(adapt, "root: a %s: %llu files, %llu MiB",
                   kind == CLO_SOURCE_TAR ? "tar archive" : "folder", files, size);
    if (source->was_container)
        adapt_tell(adapt, "/.dockerenv, /run/.containerenv: left behind, systemd would take the "
                          "machine for a container");
}

/* No disk: it becomes a file system first. The same seed and time give the same one in each run. */
static bool make_disk(struct conversion *conversion, struct adapt *adapt, enum clo_source_kind kind,
                      const struct clo_image_spec *base, struct clo_error *err)
{
    const struct clo_convert_spec *spec = conversion->spec;
    struct clo_source source = { .path = spec->input,
                                 .size = base->root_size,
                                 .uuid = conversion->journal.seed,
                                 .created = conversion->journal.created };
    char path[4200];
    struct clo_error ignored;

    if (spec->root_partition != NULL || spec->root_subvolume != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--root-%s: the input is not a disk",
                        spec->root_partition != NULL ? "partition" : "subvolume");
    snprintf(path, sizeof path, "%s/root.ext4", conversion->scratch.path);
    if (!clo_source_make(&source, kind, path, err) ||
        !clo_container_open(path, &conversion->disk, err) ||
        !clo_layout_read(&conversion->disk, conversion->layout, err))
        return false;
    conversion->is_made = adapt->has_no_disk = true;
    tell_source(adapt, &source, kind);
    return clo_layout_root(&conversion->disk, conversion->layout, NULL, conversion->scratch.path,
                           &conversion->root, &ignored) ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "is not the root of a system: it has no init (sbin/init, …)");
}

static bool look(struct conversion *conversion, struct adapt *adapt,
                 const struct clo_image_spec *base, struct clo_error *err)
{
    enum clo_source_kind kind;

    if (!clo_source_kind(conversion->spec->input, &kind, err))
        return false;
    if (conversion->spec->is_in_place && kind != CLO_SOURCE_DISK)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "--in-place: is not a disk: " ELSEWHERE);
    return kind == CLO_SOURCE_DISK ? look_at_disk(conversion, adapt, base, err)
                                   : make_disk(conversion, adapt, kind, base, err);
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

static uint64_t used_blocks(ext2_filsys fs)
{
    blk64_t at = fs->super->s_first_data_block, end = ext2fs_blocks_count(fs->super), stop;
    uint64_t used = 0;

    while (ext2fs_find_first_set_block_bitmap2(fs->block_map, at, end - 1, &at) == 0) {
        if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &stop) != 0)
            stop = end;
        used += stop - at;
        if (stop >= end - 1)
            break;
        at = stop;
    }
    return used;
}

/* A container can say of a whole disk that it is one of its clusters, and a file system of a hole that it is used. */
static bool check_expansion(const struct conversion *conversion, ext2_filsys fs,
                            const struct clo_image_spec *base, struct clo_error *err)
{
    const struct clo_container *disk = root_disk(conversion);
    uint64_t blocks = ext2fs_blocks_count(fs->super);
    uint64_t written =
            base->encrypt_all ? blocks : used_blocks(fs) + (base->has_tags ? blocks / 128 : 0);

    return clo_container_may_give(disk, written, fs->blocksize, err);
}

static bool open_root(struct conversion *conversion, const struct clo_image_spec *base,
                      ext2_filsys *fs, struct clo_error *err)
{
    const struct clo_layout_part *root = conversion->root;

    if (!clo_overlay_new(root_disk(conversion), root->first, root->size, conversion->scratch.path,
                         &conversion->overlay, err) ||
        !clo_overlay_open_ext(conversion->overlay, EXT2_FLAG_RW, fs, err))
        return false;
    if (!check_clean(*fs, err))
        return false;
    (*fs)->now = (time_t)conversion->journal.created;
    errcode_t failed = ext2fs_read_bitmaps(*fs);
    if (failed != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "ext4: %s", error_message(failed));
    return check_expansion(conversion, *fs, base, err);
}

static bool change(const struct adapt *adapt, const struct clo_image_spec *base,
                   struct adapt_found *found, struct clo_error *err)
{
    bool has_kernel = base->uki->kernel != NULL && base->modules_folder != NULL;

    return adapt_check_fstab(adapt, err) &&
           (!adapt->spec->is_in_place || adapt_check_parts(adapt, err)) && adapt_boot(adapt, err) &&
           (has_kernel || adapt_find_kernel(adapt, found, err)) &&
           adapt_find_rest(adapt, found, err) && adapt_files(adapt, err);
}

static bool adapt_root(struct conversion *conversion, struct adapt *adapt,
                       const struct clo_image_spec *base, struct clo_error *err)
{
    bool ok = open_root(conversion, base, &adapt->fs, err);

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
static void settle(struct conversion *conversion, const struct clo_image_spec *base,
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
    out->journal = &conversion->journal;
    if (conversion->spec->is_in_place)
        out->in_place = &conversion->in_place;
    out->created = conversion->journal.created;
    out->seed = conversion->journal.seed;
}

/* What is encrypted already need not be so again. */
static bool keep(const struct clo_journal *journal, struct clo_error *err)
{
    size_t used = strlen(err->text);

    if (journal->is_kept)
        snprintf(err->text + used, sizeof err->text - used, " (--resume goes on from here)");
    return false;
}

static bool convert(struct conversion *conversion, const struct clo_image_spec *base,
                    struct clo_image_result *out, struct clo_error *err)
{
    struct adapt adapt = { .spec = conversion->spec,
                           .disk = &conversion->disk,
                           .layout = conversion->layout,
                           .joined = &conversion->joined,
                           .is_read_only = base->has_verity,
                           .entries = &conversion->entries };
    struct clo_image_spec spec;
    struct uki_build uki;

    if (!look(conversion, &adapt, base, err))
        return false;
    adapt.root = conversion->root;
    adapt.scratch = conversion->scratch.path;
    if (!adapt_root(conversion, &adapt, base, err))
        return false;
    const char *cmdline = clo_buffer_string(&conversion->found.cmdline);
    if (cmdline == NULL)
        return clo_out_of_memory(err);
    settle(conversion, base, cmdline, &uki, &spec);
    conversion->in_place.from = conversion->root->first;
    return identify(conversion, &spec.input, err) &&
           (clo_image_build(&spec, out, err) || keep(&conversion->journal, err));
}

/* An earlier run finished the image: what is left to do is to see that this is its key, and to clear away. */
static bool clear_away(struct clo_journal *journal, const struct clo_image_spec *base,
                       struct clo_image_result *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    char uuid[41];

    /* The header goes before the journal does. */
    if (access(journal->header, F_OK) == 0 &&
        !clo_luks_open(journal->header, base->disk_key, &volume_key, uuid, err))
        return false;
    journal->is_kept = false;
    *out = (struct clo_image_result){ .was_finished = true };
    return true;
}

/* The plan decides: the disk is not one that could be looked at any more. */
static bool go_on(struct conversion *conversion, const struct clo_image_spec *base,
                  struct clo_image_result *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_journal *journal = &conversion->journal;
    struct clo_in_place_run run = { .disk = conversion->in_place.disk,
                                    .journal = journal,
                                    .is_resumed = true,
                                    .recovery = clo_in_place_recovery(base) };
    char uuid[41];

    if (base->recovery_header != NULL && access(base->recovery_header, F_OK) != 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "--recovery-header %s: is not there: it was begun with another",
                        base->recovery_header);
    if (!clo_luks_open(journal->header, base->disk_key, &volume_key, uuid, err))
        return false;
    run.volume_key = volume_key;
    return (clo_in_place_run(&run, out, err) && clo_journal_finish_in_place(journal, err)) ||
           keep(journal, err);
}

/* Before the journal is touched, of which half of the image may be a part. */
static bool open_in_place(struct conversion *conversion, const struct clo_image_spec *base,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };

    if (!check_in_place(base, err) ||
        !clo_in_place_open(conversion->spec->input, &conversion->in_place.disk, err))
        return false;
    return clo_journal_is_moving(base->output) ||
           (clo_fd_read(conversion->in_place.disk, 0, CLO_IN_PLACE_MARK, &head, err) &&
            (!clo_in_place_is_marked(clo_buffer_bytes(&head)) ||
             clo_fail(err, CLO_ERR_REFUSED,
                      "is half encrypted in place, and %s.converting has no plan: bring the whole "
                      "folder back",
                      base->output)));
}

/* What an earlier run made without moving anything is made anew, under the key and with the options of this one. */
static bool convert_in_place(struct conversion *conversion, const struct clo_image_spec *base,
                             struct clo_image_result *out, struct clo_error *err)
{
    const struct clo_journal *journal = &conversion->journal;

    if (clo_journal_is_moving(journal->output))
        return go_on(conversion, base, out, err);
    if (conversion->spec->resumes &&
        clo_in_place_is_done(conversion->spec->input, conversion->scratch.path, base->disk_key)) {
        *out = (struct clo_image_result){ .was_finished = true };
        return true;
    }
    (void)unlink(journal->header);
    (void)unlink(journal->disk);
    return convert(conversion, base, out, err);
}

bool clo_image_convert(const struct clo_convert_spec *spec, const struct clo_image_spec *base,
                       struct clo_image_result *out, struct clo_error *err)
{
    CLO_CLEANUP(free_conversion)
    struct conversion conversion = {
        .spec = spec, .disk.fd = -1, .made.fd = -1, .journal.lock = -1, .in_place.disk = -1
    };

    if ((base->uki->kernel == NULL) != (base->modules_folder == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--kernel and --modules go together");
    if ((spec->is_in_place && !open_in_place(&conversion, base, err)) ||
        !start(&conversion, base, err))
        return false;
    if (conversion.journal.is_named)
        return clear_away(&conversion.journal, base, out, err);
    return spec->is_in_place ? convert_in_place(&conversion, base, out, err)
                             : convert(&conversion, base, out, err);
}
