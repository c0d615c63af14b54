#include "image/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <libkmod.h>

#define MODULE_LIMIT ((size_t)64 << 20)
#define DEPTH_MAX    16

static bool has(const struct clo_modules *modules, const char *path)
{
    for (size_t i = 0; i < modules->count; i++)
        if (strcmp(modules->paths[i], path) == 0)
            return true;
    return false;
}

static bool add_module(struct kmod_module *module, struct clo_modules *out, unsigned depth,
                       struct clo_error *err);

static bool add_list(struct kmod_list *list, struct clo_modules *out, unsigned depth,
                     struct clo_error *err)
{
    struct kmod_list *at;

    kmod_list_foreach(at, list)
    {
        struct kmod_module *module = kmod_module_get_module(at);
        bool ok = add_module(module, out, depth, err);
        kmod_module_unref(module);
        if (!ok)
            return false;
    }
    return true;
}

/* Soft dependencies that should go first, hard ones, the module itself. */
static bool add_module(struct kmod_module *module, struct clo_modules *out, unsigned depth,
                       struct clo_error *err)
{
    const char *path = kmod_module_get_path(module);
    struct kmod_list *before = NULL;
    struct kmod_list *after = NULL;

    if (path == NULL || has(out, path))
        return true; /* built in, or there already */
    if (depth > DEPTH_MAX)
        return true; /* a ring of soft dependencies */
    (void)kmod_module_get_softdeps(module, &before, &after);
    struct kmod_list *needed = kmod_module_get_dependencies(module);
    bool ok = add_list(before, out, depth + 1, err) && add_list(needed, out, depth + 1, err);
    kmod_module_unref_list(before);
    kmod_module_unref_list(after);
    kmod_module_unref_list(needed);
    if (!ok)
        return false;
    if (has(out, path))
        return true;
    if (out->count == CLO_MODULES_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d modules", CLO_MODULES_MAX);
    char *copy = strdup(path);
    if (copy == NULL)
        return clo_out_of_memory(err);
    out->paths[out->count++] = copy;
    return true;
}

static bool add_name(struct kmod_ctx *context, const char *name, struct clo_modules *out,
                     struct clo_error *err)
{
    bool is_optional = name[0] == '?';
    struct kmod_list *found = NULL;

    name += is_optional;
    int result = kmod_module_new_from_lookup(context, name, &found);
    if (result < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", name, strerror(-result));
    bool ok = found != NULL ? add_list(found, out, 0, err)
                            : is_optional || clo_fail(err, CLO_ERR_FORMAT,
                                                      "%s: neither a module nor built in", name);
    kmod_module_unref_list(found);
    return ok;
}

bool clo_modules_get(const char *folder, const char *const *names, struct clo_modules *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
    static const char *const no_configuration[] = { NULL };
    char index[4096];

    snprintf(index, sizeof index, "%s/modules.dep.bin", folder);
    if (access(index, R_OK) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not there; run depmod for this kernel first",
                        index);
    struct kmod_ctx *context = kmod_new(folder, no_configuration);
    if (context == NULL || kmod_load_resources(context) < 0) {
        kmod_unref(context);
        return clo_fail(err, CLO_ERR_FORMAT, "%s: cannot be read", folder);
    }
    bool ok = true;
    for (size_t i = 0; ok && names[i] != NULL; i++)
        ok = add_name(context, names[i], &modules, err);
    kmod_unref(context);
    if (!ok)
        return clo_wrap(err, "%s", folder);
    *out = modules;
    modules = (struct clo_modules){ 0 };
    return true;
}

void clo_modules_free(struct clo_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++)
        free(modules->paths[i]);
    *modules = (struct clo_modules){ 0 };
}

bool clo_module_read(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    uint8_t piece[65536];
    la_ssize_t got = -1;

    bool ok = archive != NULL && archive_read_support_filter_all(archive) >= ARCHIVE_WARN &&
              archive_read_support_format_raw(archive) == ARCHIVE_OK &&
              archive_read_open_filename(archive, path, sizeof piece) == ARCHIVE_OK &&
              archive_read_next_header(archive, &entry) == ARCHIVE_OK;
    while (ok && (got = archive_read_data(archive, piece, sizeof piece)) > 0) {
        clo_buffer_append(out, clo_bytes(piece, (size_t)got));
        ok = clo_buffer_ok(out) && out->size <= MODULE_LIMIT;
    }
    ok = ok && got == 0;
    if (!ok) {
        const char *why = archive == NULL ? NULL : archive_error_string(archive);
        clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, why == NULL ? "cannot be read" : why);
    }
    archive_read_free(archive);
    return ok;
}
