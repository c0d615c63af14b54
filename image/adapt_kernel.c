#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device/file.h"
#include "image/adapt.h"
#include "image/fstab.h"
#include "image/initrd.h"
#include "image/modules.h"

#define TEXT_LIMIT   ((size_t)1 << 20)
#define KERNEL_LIMIT ((size_t)512 << 20)
#define INDEX_LIMIT  ((size_t)64 << 20)
#define BYTES_LIMIT  ((uint64_t)128 << 20) /* of indexes and modules together */
#define FILES_LIMIT  20000 /* and folders; a distribution's kernel has some 7000 modules */
#define PATH_SIZE    600
#define BOOT_ENTRIES "boot/loader/entries"

/* --- Which kernel --- */

struct choice {
    const struct adapt *adapt;
    char release[256];
    char path[PATH_SIZE];
    char lacking[256]; /* a kernel without modules */
};

static bool modules_folder(const struct adapt *adapt, const char *release, char *out)
{
    static const char *const folders[] = { "usr/lib/modules", "lib/modules" };

    for (size_t i = 0; i < CLO_COUNT(folders); i++) {
        char index[PATH_SIZE];
        snprintf(out, PATH_SIZE, "%s/%.250s", folders[i], release);
        snprintf(index, sizeof index, "%s/%.250s/modules.dep.bin", folders[i], release);
        if (ext_exists(adapt->fs, index))
            return true;
    }
    return false;
}

/* A release becomes a folder's name. */
static bool is_release(const char *release)
{
    return release[0] != '\0' && release[0] != '.' && strchr(release, '/') == NULL;
}

static void consider(struct choice *choice, const char *release, const char *path)
{
    const char *wanted = choice->adapt->spec->release;
    char folder[PATH_SIZE];

    if (!is_release(release) || strstr(release, "rescue") != NULL ||
        (wanted != NULL && strcmp(release, wanted) != 0))
        return;
    if (!modules_folder(choice->adapt, release, folder)) {
        snprintf(choice->lacking, sizeof choice->lacking, "%s", release);
        return;
    }
    if (choice->release[0] != '\0' && strverscmp(release, choice->release) <= 0)
        return;
    snprintf(choice->release, sizeof choice->release, "%s", release);
    snprintf(choice->path, sizeof choice->path, "%s", path);
}

static bool consider_boot(void *context, const char *name, struct clo_error *err)
{
    char path[PATH_SIZE];

    (void)err;
    snprintf(path, sizeof path, "boot/%.250s", name);
    if (strncmp(name, "vmlinuz-", 8) == 0)
        consider(context, name + 8, path);
    return true;
}

static bool consider_modules(void *context, const char *name, struct clo_error *err)
{
    struct choice *choice = context;
    char path[PATH_SIZE];

    (void)err;
    snprintf(path, sizeof path, "usr/lib/modules/%.250s/vmlinuz", name);
    if (ext_exists(choice->adapt->fs, path))
        consider(choice, name, path);
    return true;
}

static bool choose(const struct adapt *adapt, struct choice *out, struct clo_error *err)
{
    *out = (struct choice){ .adapt = adapt };
    if (!ext_list(adapt->fs, "boot", consider_boot, out, err) ||
        !ext_list(adapt->fs, "usr/lib/modules", consider_modules, out, err))
        return false;
    if (out->release[0] != '\0')
        return true;
    if (out->lacking[0] != '\0')
        return clo_fail(err, CLO_ERR_FORMAT,
                        "kernel %.100s has no modules in /usr/lib/modules (or depmod did not run): "
                        "--kernel and --modules give others",
                        out->lacking);
    return clo_fail(err, CLO_ERR_FORMAT,
                    "no kernel%s%.100s in /boot or /usr/lib/modules: --kernel and --modules give "
                    "one",
                    adapt->spec->release == NULL ? "" : " ",
                    adapt->spec->release == NULL ? "" : adapt->spec->release);
}

/* --- Out of the root --- */

static bool take_out(const struct adapt *adapt, const char *from, size_t limit, const char *to,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    return ext_read(adapt->fs, from, limit, &bytes, err) &&
           clo_file_write(to, clo_buffer_bytes(&bytes), 0600, err);
}

static bool count_file(struct adapt_found *found, struct clo_error *err)
{
    return ++found->files <= FILES_LIMIT ||
           clo_fail(err, CLO_ERR_FORMAT, "more than %d files and folders of modules", FILES_LIMIT);
}

static bool take_counted(const struct adapt *adapt, struct adapt_found *found, const char *from,
                         const char *to, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!count_file(found, err) || !ext_read(adapt->fs, from, INDEX_LIMIT, &bytes, err))
        return false;
    found->bytes += bytes.size;
    if (found->bytes > BYTES_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %llu MiB of modules and their indexes",
                        (unsigned long long)(BYTES_LIMIT >> 20));
    return clo_file_write(to, clo_buffer_bytes(&bytes), 0600, err);
}

static bool make_folders(struct adapt_found *found, char *path, struct clo_error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_new = mkdir(path, 0700) == 0;
        bool ok = is_new || errno == EEXIST;
        *slash = '/';
        if (!ok)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
        if (is_new && !count_file(found, err))
            return false;
    }
    return true;
}

struct index {
    const struct adapt *adapt;
    struct adapt_found *found;
    const char *from;
};

static bool take_index(void *context, const char *name, struct clo_error *err)
{
    const struct index *index = context;
    char from[2 * PATH_SIZE], to[5000];

    if (strncmp(name, "modules.", 8) != 0)
        return true;
    snprintf(from, sizeof from, "%s/%s", index->from, name);
    snprintf(to, sizeof to, "%s/%s", index->found->modules, name);
    return take_counted(index->adapt, index->found, from, to, err);
}

/* An empty file for each module of the index: libkmod asks whether they are there. The index is the root's word: nothing
 * of it leads out of the folder. */
static bool place_module(struct adapt_found *found, char *name, struct clo_error *err)
{
    char path[5300];

    if (name[0] == '/' || strstr(name, "..") != NULL || strlen(name) > PATH_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "modules.dep: %.200s: outside of its folder", name);
    snprintf(path, sizeof path, "%s/%.*s", found->modules, PATH_SIZE, name);
    if (!make_folders(found, path, err) || !count_file(found, err))
        return false;
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool place_modules(const struct adapt *adapt, const char *from, struct adapt_found *found,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer index = { 0 };
    char path[2 * PATH_SIZE];
    char *rest;

    snprintf(path, sizeof path, "%s/modules.dep", from);
    if (!ext_read(adapt->fs, path, INDEX_LIMIT, &index, err))
        return false;
    char *lines = (char *)(uintptr_t)clo_buffer_string(&index);
    if (lines == NULL)
        return clo_out_of_memory(err);
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        line[strcspn(line, ":")] = '\0';
        if (line[0] != '\0' && !place_module(found, line, err))
            return false;
    }
    return true;
}

/* What depmod wrote says which files the initrd will want: those alone come out. */
static bool take_modules(const struct adapt *adapt, const char *from, struct adapt_found *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
    struct index index = { adapt, out, from };
    char path[5000];

    snprintf(path, sizeof path, "%s/", out->modules);
    if (!make_folders(out, path, err) || !ext_list(adapt->fs, from, take_index, &index, err) ||
        !place_modules(adapt, from, out, err) ||
        !clo_modules_get(out->modules, clo_initrd_modules, &modules, err))
        return false;
    for (size_t i = 0; i < modules.count; i++) {
        char source[5000];
        const char *inside = modules.paths[i] + strlen(out->modules);
        if (strncmp(modules.paths[i], out->modules, strlen(out->modules)) != 0 ||
            strstr(inside, "..") != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "modules.dep: %.200s: outside of its folder",
                            modules.paths[i]);
        snprintf(source, sizeof source, "%s%s", from, inside);
        if (!make_folders(out, modules.paths[i], err) ||
            !take_counted(adapt, out, source, modules.paths[i], err))
            return false;
    }
    return true;
}

bool adapt_find_kernel(const struct adapt *adapt, struct adapt_found *out, struct clo_error *err)
{
    struct choice choice;
    char folder[PATH_SIZE];

    if (!choose(adapt, &choice, err))
        return false;
    snprintf(out->release, sizeof out->release, "%s", choice.release);
    /* libkmod makes its paths absolute. */
    CLO_CLEANUP(clo_freep) char *scratch = realpath(adapt->scratch, NULL);
    if (scratch == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", adapt->scratch, strerror(errno));
    snprintf(out->kernel, sizeof out->kernel, "%.4096s/vmlinuz", scratch);
    snprintf(out->modules, sizeof out->modules, "%.4000s/lib/modules/%s", scratch, choice.release);
    if (!modules_folder(adapt, choice.release, folder) ||
        !take_out(adapt, choice.path, KERNEL_LIMIT, out->kernel, err) ||
        !take_modules(adapt, folder, out, err))
        return clo_wrap(err, "kernel %.100s", choice.release);
    adapt_tell(adapt, "kernel: %s, /%s, modules in /%s", choice.release, choice.path, folder);
    return true;
}

/* --- Command line and os-release --- */

/* Of the entry that starts this kernel. */
static bool take_kept(const struct adapt *adapt, const char *release, struct clo_buffer *out,
                      struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_buffer_bytes(adapt->entries));

    while (clo_reader_left(&r) > 4 && out->size == 0) {
        uint32_t size = clo_read_le32(&r);
        if (!clo_bls_cmdline(clo_read_bytes(&r, size), release, out, err))
            return false;
    }
    return true;
}

struct entries {
    const struct adapt *adapt;
    const char *release;
    struct clo_buffer *out;
};

static bool take_entry(void *context, const char *name, struct clo_error *err)
{
    const struct entries *entries = context;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[PATH_SIZE];

    snprintf(path, sizeof path, BOOT_ENTRIES "/%.250s", name);
    if (entries->out->size > 0 || !clo_ends_with(name, ".conf"))
        return true;
    return ext_read(entries->adapt->fs, path, TEXT_LIMIT, &text, err) &&
           clo_bls_cmdline(clo_buffer_bytes(&text), entries->release, entries->out, err);
}

static bool find_in_entries(const struct adapt *adapt, const char *release, struct clo_buffer *out,
                            struct clo_error *err)
{
    struct entries entries = { adapt, release, out };

    if (release[0] == '\0')
        return true;
    return take_kept(adapt, release, out, err) &&
           ext_list(adapt->fs, BOOT_ENTRIES, take_entry, &entries, err);
}

static bool find_in_files(const struct adapt *adapt, const char *release, struct clo_buffer *out,
                          const char **from, struct clo_error *err)
{
    static const struct {
        const char *path; /* NULL: the entries */
        bool (*take)(struct clo_bytes, struct clo_buffer *, struct clo_error *);
    } places[] = {
        { "etc/kernel/cmdline", clo_cmdline_keep },
        { NULL, NULL },
        { "usr/lib/kernel/cmdline", clo_cmdline_keep },
        { "etc/default/grub", clo_grub_cmdline },
    };

    for (size_t i = 0; i < CLO_COUNT(places) && out->size == 0; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        *from = places[i].path == NULL ? BOOT_ENTRIES : places[i].path;
        if (places[i].path == NULL) {
            if (!find_in_entries(adapt, release, out, err))
                return false;
            continue;
        }
        if (ext_exists(adapt->fs, places[i].path) &&
            (!ext_read(adapt->fs, places[i].path, TEXT_LIMIT, &text, err) ||
             !places[i].take(clo_buffer_bytes(&text), out, err)))
            return false;
    }
    return true;
}

static bool find_cmdline(const struct adapt *adapt, const char *release, struct clo_buffer *out,
                         struct clo_error *err)
{
    const char *from = "";

    if (!find_in_files(adapt, release, out, &from, err))
        return false;
    if (out->size > 0) {
        adapt_tell(adapt, "command line: of /%s: %s", from, clo_buffer_string(out));
        return true;
    }
    clo_buffer_text(out, "quiet");
    adapt_tell(adapt, "command line: none was found: %s", "quiet");
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool adapt_find_rest(const struct adapt *adapt, struct adapt_found *out, struct clo_error *err)
{
    static const char *const releases[] = { "etc/os-release", "usr/lib/os-release" };

    for (size_t i = 0; i < CLO_COUNT(releases) && out->osrel[0] == '\0'; i++) {
        if (!ext_exists(adapt->fs, releases[i]))
            continue;
        snprintf(out->osrel, sizeof out->osrel, "%s/os-release.of-root", adapt->scratch);
        if (!take_out(adapt, releases[i], TEXT_LIMIT, out->osrel, err))
            return false;
    }
    if (out->osrel[0] == '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "the root has no os-release: --os-release gives one");
    return find_cmdline(adapt, out->release, &out->cmdline, err);
}
