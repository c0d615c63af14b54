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

/* What is collected, and for which devices: aliases, or NULL for always. */
struct collecting {
    struct kmod_ctx *context;
    struct clo_modules *out;
    json_t *devices;
    struct clo_error *err;
};

/* --- For which devices --- */

/* Buses whose devices the kernel lists before its first program runs. */
static const char *const early_buses[] = { "pci:", "virtio:", "acpi", "of:" };

/* And two that fill later: who wants them is known by what they hang on. */
static const struct {
    const char *bus;
    const char *carriers[3];
} late_buses[] = { { "vmbus:", { "hv_vmbus" } }, { "scsi:", { "virtio_scsi", "hv_storvsc" } } };

static bool add_devices(struct kmod_ctx *context, const char *name, unsigned depth, json_t *out);

static bool add_carriers(struct kmod_ctx *context, size_t bus, unsigned depth, json_t *out)
{
    for (size_t i = 0; late_buses[bus].carriers[i] != NULL; i++)
        if (!add_devices(context, late_buses[bus].carriers[i], depth + 1, out))
            return false;
    return true;
}

static bool add_alias(struct kmod_ctx *context, const char *alias, unsigned depth, uint32_t *buses,
                      json_t *out)
{
    for (size_t i = 0; i < CLO_COUNT(early_buses); i++)
        if (strncmp(alias, early_buses[i], strlen(early_buses[i])) == 0)
            return json_array_append_new(out, json_string(alias)) == 0;
    for (size_t i = 0; i < CLO_COUNT(late_buses); i++)
        if ((*buses >> i & 1) == 0 &&
            strncmp(alias, late_buses[i].bus, strlen(late_buses[i].bus)) == 0) {
            *buses |= 1U << i;
            return add_carriers(context, i, depth, out);
        }
    return true;
}

/* False: nobody can say beforehand who wants it. A carrier that this kernel lacks brings no device. */
static bool add_devices(struct kmod_ctx *context, const char *name, unsigned depth, json_t *out)
{
    struct kmod_list *found = NULL;
    struct kmod_list *list = NULL;
    struct kmod_list *at;
    uint32_t buses = 0;
    bool ok = depth < DEPTH_MAX && kmod_module_new_from_lookup(context, name, &found) >= 0;

    if (!ok || found == NULL)
        return ok && depth > 0;
    struct kmod_module *module = kmod_module_get_module(found);
    size_t before = json_array_size(out);
    ok = kmod_module_get_path(module) != NULL && kmod_module_get_info(module, &list) >= 0;
    kmod_list_foreach(at, list)
    {
        if (ok && strcmp(kmod_module_info_get_key(at), "alias") == 0)
            ok = add_alias(context, kmod_module_info_get_value(at), depth, &buses, out);
    }
    kmod_module_info_free_list(list);
    kmod_module_unref(module);
    kmod_module_unref_list(found);
    return ok && json_array_size(out) > before;
}

/* Wanted for one more reason. */
static bool widen(json_t **devices, const json_t *more)
{
    json_t *alias;
    size_t i;

    if (*devices == NULL)
        return true;
    if (more == NULL) {
        json_decref(*devices);
        *devices = NULL;
        return true;
    }
    json_array_foreach (more, i, alias) {
        bool is_there = false;
        for (size_t k = 0; k < json_array_size(*devices) && !is_there; k++)
            is_there = json_equal(json_array_get(*devices, k), alias) == 1;
        if (!is_there && json_array_append(*devices, alias) != 0)
            return false;
    }
    return true;
}

/* --- Which ones --- */

static bool add_module(struct kmod_module *module, const struct collecting *to, unsigned depth);

static bool add_list(struct kmod_list *list, const struct collecting *to, unsigned depth)
{
    struct kmod_list *at;

    kmod_list_foreach(at, list)
    {
        struct kmod_module *module = kmod_module_get_module(at);
        bool ok = add_module(module, to, depth);
        kmod_module_unref(module);
        if (!ok)
            return false;
    }
    return true;
}

static bool add_path(const char *path, const struct collecting *to)
{
    struct clo_modules *out = to->out;
    json_t *devices = NULL;

    for (size_t i = 0; i < out->count; i++)
        if (strcmp(out->paths[i], path) == 0)
            return widen(&out->devices[i], to->devices) || clo_out_of_memory(to->err);
    if (out->count == CLO_MODULES_MAX)
        return clo_fail(to->err, CLO_ERR_UNSUPPORTED, "more than %d modules", CLO_MODULES_MAX);
    char *copy = strdup(path);
    if (copy == NULL || (to->devices != NULL && (devices = json_copy(to->devices)) == NULL)) {
        free(copy);
        return clo_out_of_memory(to->err);
    }
    out->devices[out->count] = devices;
    out->paths[out->count++] = copy;
    return true;
}

/* Soft dependencies that should go first, hard ones, the module itself. */
static bool add_module(struct kmod_module *module, const struct collecting *to, unsigned depth)
{
    const char *path = kmod_module_get_path(module);
    struct kmod_list *before = NULL;
    struct kmod_list *after = NULL;

    if (path == NULL)
        return true; /* built in */
    if (depth > DEPTH_MAX)
        return true; /* a ring of soft dependencies */
    (void)kmod_module_get_softdeps(module, &before, &after);
    struct kmod_list *needed = kmod_module_get_dependencies(module);
    bool ok = add_list(before, to, depth + 1) && add_list(needed, to, depth + 1);
    kmod_module_unref_list(before);
    kmod_module_unref_list(after);
    kmod_module_unref_list(needed);
    return ok && add_path(path, to);
}

static bool add_name(const char *name, struct collecting *to)
{
    CLO_CLEANUP(clo_json_freep) json_t *devices = NULL;
    bool is_optional = name[0] == '?';
    bool is_for_devices = name[is_optional] == '@';
    struct kmod_list *found = NULL;

    name += is_optional + is_for_devices;
    int result = kmod_module_new_from_lookup(to->context, name, &found);
    if (result < 0)
        return clo_fail(to->err, CLO_ERR_FORMAT, "%s: %s", name, strerror(-result));
    if (is_for_devices && (devices = json_array()) == NULL) {
        kmod_module_unref_list(found);
        return clo_out_of_memory(to->err);
    }
    to->devices = devices != NULL && add_devices(to->context, name, 0, devices) ? devices : NULL;
    bool ok = found != NULL ? add_list(found, to, 0)
                            : is_optional || clo_fail(to->err, CLO_ERR_FORMAT,
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
    struct collecting to = { .context = context, .out = &modules, .err = err };
    bool ok = true;
    for (size_t i = 0; ok && names[i] != NULL; i++)
        ok = add_name(names[i], &to);
    kmod_unref(context);
    if (!ok)
        return clo_wrap(err, "%s", folder);
    *out = modules;
    modules = (struct clo_modules){ 0 };
    return true;
}

void clo_modules_free(struct clo_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        free(modules->paths[i]);
        json_decref(modules->devices[i]);
    }
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
