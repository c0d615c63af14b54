#include <stdio.h>
#include <string.h>

#include "cloister/audit.h"
#include "lib/unpack/cpio.h"

#define INITRD_LIMIT ((size_t)1 << 30)
#define NAME_LIMIT   128

/* "…/dm-crypt.ko.xz" is dm_crypt: the kernel makes no difference between "-" and "_". False if it is no
 * module. */
static bool module_name(const char *path, size_t size, char out[NAME_LIMIT])
{
    static const char *const endings[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

    for (size_t i = 0; i < CLO_COUNT(endings); i++) {
        size_t ending = strlen(endings[i]);
        if (size <= ending || memcmp(path + size - ending, endings[i], ending) != 0)
            continue;
        size_t end = size - ending;
        size_t start = end;
        while (start > 0 && path[start - 1] != '/')
            start--;
        if (end == start || end - start >= NAME_LIMIT)
            return false;
        for (size_t k = start; k < end; k++)
            out[k - start] = path[k] == '-' ? '_' : path[k];
        out[end - start] = '\0';
        return true;
    }
    return false;
}

static bool add(json_t *modules, const char *path, size_t size, const char *how,
                struct clo_error *err)
{
    char name[NAME_LIMIT];

    if (!module_name(path, size, name) || json_object_get(modules, name) != NULL)
        return true;
    /* A name that is not UTF-8 is not a module's. */
    return json_object_set_new_nocheck(modules, name, json_string(how)) == 0 ||
           clo_out_of_memory(err);
}

/* modules.builtin: a path a line. */
static bool add_builtin(json_t *modules, struct clo_bytes text, struct clo_error *err)
{
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        if (!add(modules, (const char *)text.data, size, "built in", err))
            return false;
        text = clo_bytes_slice(text, size + 1, text.size);
    }
    return true;
}

static bool visit(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    static const char builtin[] = "/modules.builtin";
    json_t *modules = context;
    size_t size = strlen(entry->name);
    bool is_file = (entry->mode & 0170000) == 0100000;

    if (is_file && size > strlen(builtin) &&
        strcmp(entry->name + size - strlen(builtin), builtin) == 0)
        return add_builtin(modules, entry->data, err);
    /* Links lead to one that is there, or nowhere. */
    return !is_file || add(modules, entry->name, size, "module", err);
}

bool clo_audit_modules(struct clo_bytes initrd, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *modules = json_object();

    if (modules == NULL)
        return clo_out_of_memory(err);
    if (!clo_initrd_walk(initrd, INITRD_LIMIT, visit, modules, err))
        return false;
    *out = CLO_TAKE(modules);
    return true;
}
