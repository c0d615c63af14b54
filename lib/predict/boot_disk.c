#include "lib/predict/boot_disk.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/shim.h"
#include "lib/disk/fat.h"
#include "lib/disk/gpt.h"
#include "lib/predict/grub.h"
#include "lib/predict/loader_disk.h"

#define PATH_SIZE   CLO_BOOT_PATH_SIZE
#define IMAGE_LIMIT CLO_BOOT_IMAGE_LIMIT

/* What an architecture calls its files. */
static const struct names {
    const char *first;    /* what firmware starts where no boot entry says otherwise */
    const char *fallback; /* next to it: makes boot entries out of the CSV files of other folders */
    const char *csv;
    const char *second; /* shim's default */
} names[] = {
    { "BOOTX64.EFI", "fbx64.efi", "BOOTX64.CSV", "grubx64.efi" },
    { "BOOTAA64.EFI", "fbaa64.efi", "BOOTAA64.CSV", "grubaa64.efi" },
};

void clo_boot_disk_free(struct clo_boot_disk *boot)
{
    clo_buffer_free(&boot->shim);
    clo_buffer_free(&boot->loader);
    clo_buffer_free(&boot->loader_conf);
    clo_buffer_free(&boot->kernel);
    clo_buffer_free(&boot->initrd);
    clo_buffer_free(&boot->uki);
    clo_companion_set_free(&boot->companions);
}

static bool is_shim(const struct clo_buffer *file)
{
    struct clo_error ignored;
    struct clo_pe pe;

    return clo_pe_parse(clo_buffer_bytes(file), &pe, &ignored) && clo_shim_is(&pe);
}

static bool is_uki(const struct clo_buffer *file)
{
    struct clo_error ignored;
    struct clo_pe pe;

    return clo_pe_parse(clo_buffer_bytes(file), &pe, &ignored) &&
           clo_pe_section_find(&pe, ".linux") != NULL;
}

static enum loader_kind kind_of(const struct clo_buffer *file)
{
    struct clo_error ignored;
    struct loader loader;
    struct clo_pe pe;

    if (!clo_pe_parse(clo_buffer_bytes(file), &pe, &ignored))
        return LOADER_UNKNOWN;
    loader_recognise(&pe, &loader);
    return loader.kind;
}

/* --- Fallback: where it lies next to shim it makes the one boot entry that is started next --- */

struct csv_search {
    struct clo_bytes esp;
    const char *csv;
    char folder[CLO_FAT_NAME_MAX + 4];
    struct clo_buffer file;
    size_t count;
};

static void csv_search_free(struct csv_search *search)
{
    clo_buffer_free(&search->file);
}

static bool look_for_csv(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct csv_search *search = context;
    struct clo_error ignored;
    char path[PATH_SIZE];

    (void)err;
    snprintf(path, sizeof path, "EFI/%s/%s", name, search->csv);
    if (!is_directory || name[0] == '.' || strcasecmp(name, "BOOT") == 0 ||
        !clo_fat_read(search->esp, path, IMAGE_LIMIT, &file, &ignored))
        return true;
    search->count++;
    snprintf(search->folder, sizeof search->folder, "EFI/%s", name);
    clo_buffer_free(&search->file);
    search->file = file;
    file = (struct clo_buffer){ 0 };
    return true;
}

/* Puts the entry's shim in place of the first, and its folder and options. */
static bool follow_fallback(struct clo_bytes esp, const struct names *arch,
                            struct clo_boot_disk *out, char folder[PATH_SIZE],
                            struct clo_error *err)
{
    CLO_CLEANUP(csv_search_free) struct csv_search search = { .esp = esp, .csv = arch->csv };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fallback = { 0 };
    struct clo_shim_line line;
    struct clo_error ignored;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", folder, arch->fallback);
    if (!clo_fat_read(esp, path, IMAGE_LIMIT, &fallback, &ignored))
        return true;
    if (!clo_fat_list(esp, "EFI", look_for_csv, &search, err))
        return false;
    if (search.count != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: shim starts it, and %zu folders have a %s: which is started next is "
                        "not known",
                        path, search.count, arch->csv);
    out->is_by_fallback = true;
    snprintf(folder, PATH_SIZE, "%s", search.folder);
    if (!clo_shim_line(clo_buffer_bytes(&search.file), &line, err))
        return clo_wrap(err, "%s/%s", folder, arch->csv);
    if (!line.is_only)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s/%s: several lines: which is started first is not known", folder,
                        arch->csv);
    snprintf(path, sizeof path, "%s/%s", folder, line.file);
    clo_buffer_free(&out->shim);
    if (!clo_fat_read(esp, path, IMAGE_LIMIT, &out->shim, err))
        return false;
    if (!is_shim(&out->shim))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: fallback's boot entry starts no shim", path);
    if (out->options[0] == '\0')
        snprintf(out->options, sizeof out->options, "%s", line.options);
    return true;
}

/* --- The second stage --- */

/* Files next to shim that bring more keys or revocations: they would be measured as well. */
static bool refuse_more_trust(void *context, const char *name, bool is_directory,
                              struct clo_error *err)
{
    static const char *const prefixes[] = { "shim_certificate", "revocations" };

    (void)context;
    for (size_t i = 0; i < CLO_COUNT(prefixes); i++)
        if (!is_directory && strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "%s: shim takes keys or revocations from it: not predicted", name);
    return true;
}

/* The first word of what the boot entry passes; else what options.csv names; else the default. What is
 * left of the options is the second stage's. */
static bool name_second(struct clo_bytes esp, const struct names *arch, const char *folder,
                        struct clo_boot_disk *out, char path[PATH_SIZE], struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer csv = { 0 };
    struct clo_shim_line line = { .file = "" };
    struct clo_error ignored;
    const char *file = arch->second;

    size_t length = strcspn(out->options, " ");
    snprintf(path, PATH_SIZE, "%s/options.csv", folder);
    if (length > 0) {
        snprintf(line.file, sizeof line.file, "%.*s", (int)length, out->options);
        const char *rest = out->options + length;
        memmove(out->options, rest + (*rest == ' '), strlen(rest + (*rest == ' ')) + 1);
    } else if (clo_fat_read(esp, path, IMAGE_LIMIT, &csv, &ignored) &&
               !clo_shim_line(clo_buffer_bytes(&csv), &line, err)) {
        return clo_wrap(err, "%s", path);
    }
    if (line.file[0] != '\0')
        file = line.file;
    /* "\EFI\…" is a whole path; anything else lies next to shim. */
    if (strncmp(file, "\\EFI\\", 5) == 0)
        snprintf(path, PATH_SIZE, "%s", file + 1);
    else
        snprintf(path, PATH_SIZE, "%s/%s", folder, file + strspn(file, "\\"));
    for (char *at = path; *at != '\0'; at++)
        if (*at == '\\')
            *at = '/';
    return true;
}

static bool follow_shim(struct clo_bytes esp, const struct names *arch, struct clo_boot_disk *out,
                        char path[PATH_SIZE], struct clo_error *err)
{
    char folder[PATH_SIZE] = "EFI/BOOT";

    if (!follow_fallback(esp, arch, out, folder, err) ||
        !clo_fat_list(esp, folder, refuse_more_trust, NULL, err) ||
        !name_second(esp, arch, folder, out, path, err))
        return false;
    if (!clo_fat_read(esp, path, IMAGE_LIMIT, &out->uki, err))
        return clo_wrap(err, "shim's second stage");
    return is_uki(&out->uki) || kind_of(&out->uki) == LOADER_GRUB ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "%s: shim starts it, and it is neither a UKI nor GRUB: what it would measure "
                    "is not predicted; a UKI in its place is",
                    path);
}

/* --- Boot loaders --- */

/* Puts what systemd-boot starts in its place. */
static bool follow_systemd_boot(struct clo_bytes esp, struct clo_boot_disk *out,
                                struct clo_error *err)
{
    CLO_CLEANUP(loader_choice_free) struct loader_choice choice = { .is_uki = false };

    if (out->options[0] != '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "systemd-boot with load options was never seen");
    if (!loader_choose(esp, &choice, err))
        return false;
    out->loader_conf = choice.conf;
    choice.conf = (struct clo_buffer){ 0 };
    snprintf(out->path, sizeof out->path, "%s", choice.path);
    if (choice.is_uki)
        return clo_fat_read(esp, out->path, IMAGE_LIMIT, &out->uki, err);
    snprintf(out->options, sizeof out->options, "%s", choice.entry.options);
    return clo_fat_read(esp, out->path, IMAGE_LIMIT, &out->kernel, err) &&
           clo_fat_read(esp, choice.entry.initrd_path + 1, IMAGE_LIMIT, &out->initrd, err);
}

/* Debian's signed images look for their script there; where it says plainly what it loads, that is read. */
static bool follow_grub(struct clo_bytes esp, struct clo_boot_disk *out, struct clo_error *err)
{
    CLO_CLEANUP(grub_script_free) struct grub_script script = { .count = 0 };
    struct clo_error ignored;

    if (!clo_fat_read(esp, "EFI/debian/grub.cfg", IMAGE_LIMIT, &out->loader_conf, &ignored) ||
        !grub_script_parse(clo_buffer_bytes(&out->loader_conf), &script, &ignored))
        return true;
    return clo_fat_read(esp, script.linux_path + 1, IMAGE_LIMIT, &out->kernel, err) &&
           clo_fat_read(esp, script.initrd_path + 1, IMAGE_LIMIT, &out->initrd, err);
}

static bool follow_loader(struct clo_bytes esp, struct clo_boot_disk *out, struct clo_error *err)
{
    enum loader_kind kind = kind_of(&out->uki);

    if (kind == LOADER_UNKNOWN)
        return true;
    out->loader = out->uki;
    out->uki = (struct clo_buffer){ 0 };
    return kind == LOADER_GRUB ? follow_grub(esp, out, err) : follow_systemd_boot(esp, out, err);
}

static bool take_options(const char *text, struct clo_boot_disk *out, struct clo_error *err)
{
    if (text != NULL && strlen(text) >= sizeof out->options)
        return clo_fail(err, CLO_ERR_USAGE, "load options: at most %zu letters",
                        sizeof out->options - 1);
    snprintf(out->options, sizeof out->options, "%s", text == NULL ? "" : text);
    return true;
}

/* With the options that were taken. */
static bool find(struct clo_bytes esp, struct clo_boot_disk *out, struct clo_error *err)
{
    struct clo_error other;
    size_t arch = 0;

    bool is_first = clo_fat_read(esp, "EFI/BOOT/BOOTX64.EFI", IMAGE_LIMIT, &out->uki, err);
    if (!is_first) {
        arch = 1;
        if (!clo_fat_read(esp, "EFI/BOOT/BOOTAA64.EFI", IMAGE_LIMIT, &out->uki, &other))
            return false;
    }
    snprintf(out->path, sizeof out->path, "EFI/BOOT/%s", names[arch].first);
    if (is_shim(&out->uki)) {
        out->shim = out->uki;
        out->uki = (struct clo_buffer){ 0 };
        if (!follow_shim(esp, &names[arch], out, out->path, err))
            return false;
    }
    return follow_loader(esp, out, err);
}

bool clo_boot_disk_find(struct clo_bytes esp, const char *load_options, struct clo_boot_disk *out,
                        struct clo_error *err)
{
    return take_options(load_options, out, err) && find(esp, out, err);
}

/* --- The disk --- */

/* The Boot Loader Specification's second place for entries: bc13c2ff-59e6-4262-a352-b275fd6f7172. */
static const struct clo_guid xbootldr = { { 0xff, 0xc2, 0x13, 0xbc, 0xe6, 0x59, 0x62, 0x42, 0xa3,
                                            0x52, 0xb2, 0x75, 0xfd, 0x6f, 0x71, 0x72 } };

static bool find_esp(struct clo_bytes disk, struct clo_bytes *out, bool *has_xbootldr,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *esp;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(clo_bytes_slice(disk, 0, CLO_GPT_HEAD_SIZE), gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_esp, &esp, err))
        return false;
    size_t sectors = disk.size / CLO_GPT_SECTOR;
    *has_xbootldr = false;
    for (size_t i = 0; i < gpt->count; i++)
        if (clo_guid_equal(&gpt->partitions[i].type, &xbootldr))
            *has_xbootldr = true;
    for (size_t i = 0; i < gpt->count; i++)
        if (gpt->partitions[i].last_lba >= sectors)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "GPT: partition %u ends beyond the disk's end: the image was cut short",
                            gpt->partitions[i].number);
    *out = clo_bytes_slice(disk, (size_t)esp->first_lba * CLO_GPT_SECTOR,
                           (size_t)(esp->last_lba - esp->first_lba + 1) * CLO_GPT_SECTOR);
    return true;
}

static bool read_boot(struct clo_bytes esp, bool has_xbootldr, struct clo_boot_disk *out,
                      struct clo_buffer *remarks, struct clo_error *err)
{
    if (!find(esp, out, err))
        return false;
    if (has_xbootldr && out->loader.size > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "a boot loader, and a partition for more entries (XBOOTLDR): which is "
                        "started is not predicted");
    if (out->uki.size == 0)
        return true;
    return clo_companion_set_find(esp, out->path, &out->companions, err) &&
           clo_companion_set_sort(clo_buffer_bytes(&out->uki), &out->companions, remarks, err);
}

bool clo_boot_disk_read(struct clo_bytes disk, const char *load_options, struct clo_boot_disk *out,
                        struct clo_buffer *remarks, struct clo_error *err)
{
    struct clo_bytes esp;
    bool has_xbootldr = false;

    return take_options(load_options, out, err) && find_esp(disk, &esp, &has_xbootldr, err) &&
           (read_boot(esp, has_xbootldr, out, remarks, err) || clo_wrap(err, "ESP"));
}
