#include "image/adapt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/fstab.h"
#include "image/overlay.h"
#include "image/source_xfs.h"

#define TEXT_LIMIT   ((size_t)1 << 20)
#define KERNEL_LIMIT ((size_t)512 << 20)
#define BOOT_FILES   256 /* of kernels, and bytes: links can name one large file again and again */
#define BOOT_BYTES   ((uint64_t)1 << 30)
#define BOOT_ENTRIES "loader/entries"

void adapt_tell(const struct adapt *adapt, const char *format, ...)
{
    char line[600];
    va_list arguments;

    if (adapt->spec->tell == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    clo_sanitize(line);
    adapt->spec->tell(line);
}

/* A file that may be missing: then nothing is appended. */
static bool read_text(const struct adapt *adapt, const char *path, struct clo_buffer *out,
                      struct clo_error *err)
{
    return !ext_exists(adapt->fs, path) || ext_read(adapt->fs, path, TEXT_LIMIT, out, err);
}

/* --- fstab --- */

static bool is_dropped(const struct adapt *adapt, const char *folder)
{
    for (size_t i = 0; i < adapt->spec->dropped.count; i++)
        if (strcmp(adapt->spec->dropped.items[i], folder) == 0)
            return true;
    return false;
}

static bool is_joined(const struct adapt *adapt, const struct clo_fstab_line *line)
{
    char folder[CLO_FSTAB_TEXT];

    snprintf(folder, sizeof folder, "%s", line->folder);
    for (size_t size = strlen(folder); size > 1 && folder[size - 1] == '/'; size--)
        folder[size - 1] = '\0';
    return clo_joined_has(adapt->joined, folder);
}

static const char *fate(const struct adapt *adapt, const struct clo_layout_part *part)
{
    return adapt->spec->is_in_place && part != NULL ? "erased" : "left behind";
}

static bool check_line(const struct adapt *adapt, const struct clo_fstab_line *line,
                       struct clo_error *err)
{
    const struct clo_layout_part *part = clo_layout_find(adapt->layout, line->device);
    enum clo_fstab_what what = clo_fstab_what(line);
    char text[200] = "a disk that is not this one";

    if (what == CLO_FSTAB_KEEP || what == CLO_FSTAB_ROOT || is_joined(adapt, line))
        return true;
    if (part != NULL)
        clo_layout_part_text(part, text, sizeof text);
    if (what == CLO_FSTAB_DATA && !clo_fstab_has_option(line, "noauto") &&
        !clo_fstab_has_option(line, "nofail") && !is_dropped(adapt, line->folder))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "/etc/fstab: %.80s is %s, and the new disk has one root: copy it into the "
                        "root first, or leave it behind by --drop %.80s",
                        line->folder, text, line->folder);
    if (what == CLO_FSTAB_SWAP)
        adapt_tell(adapt, "swap: %s: %s, the guest has none", text, fate(adapt, part));
    else if (what != CLO_FSTAB_BOOT)
        adapt_tell(adapt, "%s: %s: %s", line->folder, text, fate(adapt, part));
    return true;
}

bool adapt_check_fstab(const struct adapt *adapt, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fstab = { 0 };
    struct clo_fstab_line line;

    if (!read_text(adapt, "etc/fstab", &fstab, err))
        return false;
    struct clo_bytes rest = clo_buffer_bytes(&fstab);
    while (clo_fstab_next(&rest, &line))
        if (!check_line(adapt, &line, err))
            return false;
    return true;
}

/* GRUB's own place (a BIOS boot partition) is made anew with GRUB alone. */
static const char bios_boot_type[] = "21686148-6449-6e6f-744e-656564454649";

static bool may_be_erased(const struct adapt *adapt, const struct clo_layout_part *part,
                          struct clo_bytes fstab)
{
    bool names_boot = false;
    struct clo_fstab_line line;
    char number[16];

    snprintf(number, sizeof number, "%u", part->number);
    if (part == adapt->root || part->volume[0] != '\0' || part->is_esp ||
        part->probe.content == CLO_CONTENT_SWAP || strcmp(part->type, bios_boot_type) == 0 ||
        is_dropped(adapt, number))
        return true;
    while (clo_fstab_next(&fstab, &line)) {
        enum clo_fstab_what what = clo_fstab_what(&line);
        names_boot = names_boot || what == CLO_FSTAB_BOOT;
        if (clo_layout_find(adapt->layout, line.device) == part &&
            (what == CLO_FSTAB_BOOT || what == CLO_FSTAB_ESP || is_dropped(adapt, line.folder)))
            return true;
    }
    return part->is_boot && !names_boot; /* as adapt_boot() takes it */
}

bool adapt_check_parts(const struct adapt *adapt, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fstab = { 0 };
    char text[200];

    if (!read_text(adapt, "etc/fstab", &fstab, err))
        return false;
    for (size_t i = 0; i < adapt->layout->count; i++) {
        const struct clo_layout_part *part = &adapt->layout->parts[i];
        if (may_be_erased(adapt, part, clo_buffer_bytes(&fstab)))
            continue;
        clo_layout_part_text(part, text, sizeof text);
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "--in-place: %s would be erased: copy what is in it elsewhere, then say "
                        "--drop %u",
                        text, part->number);
    }
    return true;
}

/* --- A /boot of its own --- */

struct boot {
    const struct adapt *adapt;
    ext2_filsys fs;
    size_t count;
    uint64_t bytes;
};

/* What belongs to packages; initrds and boot loaders are made for the old disk. */
static bool is_kernels(const char *name)
{
    static const char *const beginnings[] = { "vmlinuz-", ".vmlinuz-", "config-", "System.map-",
                                              "symvers-" };

    for (size_t i = 0; i < CLO_COUNT(beginnings); i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static bool copy_kernel(void *context, const char *name, struct clo_error *err)
{
    struct boot *boot = context;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    char target[300];

    snprintf(target, sizeof target, "boot/%s", name);
    if (!is_kernels(name) || ext_exists(boot->adapt->fs, target))
        return true;
    if (!ext_read(boot->fs, name, KERNEL_LIMIT, &bytes, err))
        return clo_wrap(err, "boot partition");
    boot->count++;
    boot->bytes += bytes.size;
    if (boot->count > BOOT_FILES || boot->bytes > BOOT_BYTES)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d files, or 1 GiB, of kernels",
                        BOOT_FILES);
    return ext_create(boot->adapt->fs, "boot", name, strncmp(name, "config", 6) == 0 ? 0644 : 0600,
                      clo_buffer_bytes(&bytes), err);
}

static bool keep_entry(void *context, const char *name, struct clo_error *err)
{
    const struct boot *boot = context;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[300];

    snprintf(path, sizeof path, BOOT_ENTRIES "/%s", name);
    if (!clo_ends_with(name, ".conf"))
        return true;
    if (boot->adapt->entries->size > TEXT_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "more boot loader entries than are read");
    if (!ext_read(boot->fs, path, TEXT_LIMIT, &text, err))
        return clo_wrap(err, "boot partition");
    clo_buffer_le32(boot->adapt->entries, (uint32_t)text.size);
    clo_buffer_append(boot->adapt->entries, clo_buffer_bytes(&text));
    return clo_buffer_ok(boot->adapt->entries) || clo_out_of_memory(err);
}

static bool copy_files(struct boot *boot, struct clo_overlay *overlay, struct clo_error *err)
{
    if (!clo_overlay_open_ext(overlay, 0, &boot->fs, err))
        return false;
    bool ok = ext_list(boot->fs, "", copy_kernel, boot, err) &&
              ext_list(boot->fs, BOOT_ENTRIES, keep_entry, boot, err);
    ext2fs_free(boot->fs);
    return ok;
}

/* An XFS or a btrfs becomes ext4 first, of which the kernels are taken. `line`: as fstab has it. */
static bool open_boot(const struct adapt *adapt, const struct clo_layout_part *part,
                      const struct clo_fstab_line *line, struct clo_container *made,
                      struct clo_overlay **out, struct clo_error *err)
{
    struct clo_source source = { .uuid = { { 1 } }, .created = 1 };
    char path[4200];

    if (part->probe.content == CLO_CONTENT_EXT)
        return clo_overlay_new(adapt->disk, part->first, part->size, adapt->scratch, out, err);
    snprintf(path, sizeof path, "%s/boot.ext4", adapt->scratch);
    return (part->probe.content == CLO_CONTENT_XFS
                    ? clo_source_xfs(adapt->disk, part, &source, path, err)
                    : clo_source_btrfs_plain(adapt->disk, part, line, &source, path, err)) &&
           clo_container_open(path, made, err) &&
           clo_overlay_new(made, 0, made->size, adapt->scratch, out, err);
}

static bool copy_boot(const struct adapt *adapt, const struct clo_layout_part *part,
                      const struct clo_fstab_line *line, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container made = { .fd = -1 };
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = NULL;
    struct boot boot = { .adapt = adapt };
    char text[200];

    clo_layout_part_text(part, text, sizeof text);
    if (!clo_layout_may_be_root(part))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "/boot: %s cannot be read here: copy its files into the root's /boot first",
                        text);
    if (!open_boot(adapt, part, line, &made, &overlay, err) || !copy_files(&boot, overlay, err))
        return clo_wrap(err, "/boot: %s", text);
    adapt_tell(adapt, "/boot: %s: %zu files of kernels copied into the root", text, boot.count);
    return true;
}

bool adapt_boot(const struct adapt *adapt, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fstab = { 0 };
    struct clo_fstab_line line;

    if (!read_text(adapt, "etc/fstab", &fstab, err))
        return false;
    struct clo_bytes rest = clo_buffer_bytes(&fstab);
    bool is_named = false;
    while (clo_fstab_next(&rest, &line)) {
        if (clo_fstab_what(&line) != CLO_FSTAB_BOOT)
            continue;
        is_named = true;
        if (is_joined(adapt, &line))
            continue;
        const struct clo_layout_part *part = clo_layout_find(adapt->layout, line.device);
        if (part == NULL && adapt->has_no_disk) {
            adapt_tell(adapt, "/boot: %s: left behind, the folder's own files are taken",
                       line.device);
            continue;
        }
        if (part == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "/etc/fstab: /boot is %.80s, which is not here",
                            line.device);
        if (!copy_boot(adapt, part, &line, err))
            return false;
    }
    /* Without a line, systemd mounts it by its type (UAPI.2). */
    line = (struct clo_fstab_line){ .folder = "/boot" };
    for (size_t i = 0; !is_named && i < adapt->layout->count; i++)
        if (adapt->layout->parts[i].is_boot && clo_layout_may_be_root(&adapt->layout->parts[i]))
            return copy_boot(adapt, &adapt->layout->parts[i], &line, err);
    return true;
}

/* --- Files that name disks and boot loaders --- */

static bool rewrite(const struct adapt *adapt, const char *path,
                    bool (*change)(struct clo_bytes, struct clo_buffer *, struct clo_error *),
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer was = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer is = { 0 };

    if (!ext_exists(adapt->fs, path))
        return true;
    if (!ext_read(adapt->fs, path, TEXT_LIMIT, &was, err) ||
        !change(clo_buffer_bytes(&was), &is, err))
        return false;
    if (clo_bytes_equal(clo_buffer_bytes(&was), clo_buffer_bytes(&is)))
        return true;
    adapt_tell(adapt, "/%s: changed", path);
    return ext_replace(adapt->fs, path, clo_buffer_bytes(&is), err);
}

/* run-parts starts what may be executed; a package's own file stays, and stays unstarted after an update. */
static bool stop_hooks(const struct adapt *adapt, struct clo_error *err)
{
    static const char *const hooks[] = {
        "etc/kernel/postinst.d/zz-update-grub",
        "etc/kernel/postrm.d/zz-update-grub",
        "etc/kernel/postinst.d/zz-systemd-boot",
        "etc/kernel/postrm.d/zz-systemd-boot",
    };

    for (size_t i = 0; i < CLO_COUNT(hooks); i++) {
        if (!ext_exists(adapt->fs, hooks[i]))
            continue;
        adapt_tell(adapt, "/%s: not started any more", hooks[i]);
        if (!ext_drop_mode(adapt->fs, hooks[i], 0111, err))
            return false;
    }
    return true;
}

/* kernel-install takes a link to /dev/null for "none" (kernel-install(8)). */
static bool mask_plugins(const struct adapt *adapt, struct clo_error *err)
{
    static const char *const plugins[] = { "20-grub.install", "90-loaderentry.install",
                                           "99-grub-mkconfig.install", "95-kernel-hooks.install" };

    for (size_t i = 0; i < CLO_COUNT(plugins); i++) {
        char vendor[100], own[100];
        snprintf(vendor, sizeof vendor, "usr/lib/kernel/install.d/%s", plugins[i]);
        snprintf(own, sizeof own, "etc/kernel/install.d/%s", plugins[i]);
        if (!ext_exists(adapt->fs, vendor) || ext_exists(adapt->fs, own))
            continue;
        adapt_tell(adapt, "/%s: masked", own);
        if (!ext_folder(adapt->fs, "etc/kernel", err) ||
            !ext_folder(adapt->fs, "etc/kernel/install.d", err) ||
            !ext_symlink(adapt->fs, "etc/kernel/install.d", plugins[i], "/dev/null", err))
            return false;
    }
    return true;
}

bool adapt_files(const struct adapt *adapt, struct clo_error *err)
{
    return rewrite(adapt, "etc/fstab",
                   adapt->is_read_only ? clo_fstab_adapt_read_only : clo_fstab_adapt, err) &&
           rewrite(adapt, "etc/crypttab", clo_crypttab_adapt, err) && stop_hooks(adapt, err) &&
           mask_plugins(adapt, err);
}
