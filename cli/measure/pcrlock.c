#include "cli/measure/pcrlock.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/inputs.h"
#include "device/file.h"

#define SUFFIX         ".pcrlock"
#define FOLDER_SUFFIX  ".pcrlock.d"
#define COMPONENTS_MAX 256
#define PATH_LIMIT     4096
#define END            "940-" /* of a system that runs; what comes then, it measures when it goes down */

struct folder {
    struct clo_pcrlock_file files[COMPONENTS_MAX];
    struct clo_buffer texts[COMPONENTS_MAX];
    char names[COMPONENTS_MAX][256];
    size_t count;
};

static void folder_freep(struct folder **folder)
{
    for (size_t i = 0; *folder != NULL && i < (*folder)->count; i++)
        clo_buffer_free(&(*folder)->texts[i]);
    free(*folder);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_ours(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (clo_ends_with(entry->d_name, SUFFIX) || clo_ends_with(entry->d_name, FOLDER_SUFFIX));
}

static bool join(char out[PATH_LIMIT], const char *folder, const char *name, struct clo_error *err)
{
    return snprintf(out, PATH_LIMIT, "%s/%s", folder, name) < PATH_LIMIT ||
           clo_fail(err, CLO_ERR_USAGE, "%s: the path is too long", folder);
}

static bool stem(const char *name, const char *suffix, char out[256], struct clo_error *err)
{
    size_t size = strlen(name) - strlen(suffix);

    if (size == 0 || size >= 256)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a component's name", name);
    memcpy(out, name, size);
    out[size] = '\0';
    return true;
}

static bool add(struct folder *out, const char *path, const char *component, struct clo_error *err)
{
    struct stat status;

    /* Masked, as systemd has it: an empty file, or a link to /dev/null. */
    if (stat(path, &status) == 0 && (S_ISCHR(status.st_mode) || status.st_size == 0))
        return true;
    if (out->count == COMPONENTS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d components", COMPONENTS_MAX);
    if (out->count > 0 && strcmp(out->names[out->count - 1], component) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: there is a folder of that component, too", path);
    struct clo_buffer *text = &out->texts[out->count];
    strcpy(out->names[out->count], component);
    if (!clo_file_read(path, CLO_FILE_LIMIT, text, err)) {
        clo_buffer_free(text);
        return false;
    }
    out->files[out->count].component = out->names[out->count];
    out->files[out->count].json = clo_buffer_bytes(text);
    out->count++;
    return true;
}

static bool is_chosen(const char *name, const struct clo_list *variants)
{
    size_t size = strlen(name) - strlen(SUFFIX);

    for (size_t i = 0; i < variants->count; i++)
        if (strlen(variants->items[i]) == size && strncmp(variants->items[i], name, size) == 0)
            return true;
    return false;
}

/* The only variant, or the one that was named; NULL: none, or it is not said which. */
static const char *choose(struct dirent **entries, int count, const struct clo_list *variants)
{
    const char *chosen = NULL;
    int of = 0;

    for (int i = 0; i < count; i++) {
        if (!clo_ends_with(entries[i]->d_name, SUFFIX) ||
            (count > 1 && !is_chosen(entries[i]->d_name, variants)))
            continue;
        chosen = entries[i]->d_name;
        of++;
    }
    return of == 1 ? chosen : NULL;
}

static bool refuse_choice(const char *component, struct dirent **entries, int count,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer names = { 0 };

    for (int i = 0; i < count; i++)
        clo_buffer_printf(&names, "%s%.*s", i == 0 ? "" : ", ",
                          (int)(strlen(entries[i]->d_name) - strlen(SUFFIX)), entries[i]->d_name);
    const char *list = clo_buffer_string(&names);
    return clo_fail(err, CLO_ERR_USAGE,
                    "component %s has several variants (%.160s): name one of them with "
                    "--variant",
                    component, list == NULL ? "" : list);
}

static bool add_variant(struct folder *out, const char *path, const char *component,
                        const struct clo_list *variants, struct clo_error *err)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_ours, by_bytes);
    char file[PATH_LIMIT];

    if (count < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    const char *chosen = choose(entries, count, variants);
    bool ok = count == 0 ||
              (chosen == NULL ? refuse_choice(component, entries, count, err)
                              : join(file, path, chosen, err) && add(out, file, component, err));
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return ok;
}

static bool add_entry(struct folder *out, const char *folder, const char *name,
                      const struct clo_list *variants, struct clo_error *err)
{
    char path[PATH_LIMIT];
    char component[256];

    if (!join(path, folder, name, err))
        return false;
    return clo_ends_with(name, SUFFIX)
                   ? stem(name, SUFFIX, component, err) && add(out, path, component, err)
                   : stem(name, FOLDER_SUFFIX, component, err) &&
                             add_variant(out, path, component, variants, err);
}

bool pcrlock_load_folder(const char *path, const struct clo_list *variants,
                         struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(folder_freep) struct folder *folder = calloc(1, sizeof *folder);
    struct dirent **entries;
    bool ok = true;

    if (folder == NULL)
        return clo_out_of_memory(err);
    int count = scandir(path, &entries, is_ours, by_bytes);
    if (count < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        bool is_last = strcmp(entries[i]->d_name, END) > 0;
        ok = ok && (is_last || add_entry(folder, path, entries[i]->d_name, variants, err));
        free(entries[i]);
    }
    free(entries);
    if (ok && folder->count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no file of systemd-pcrlock in it", path);
    return ok && (clo_pcrlock_read(cli_base_name(path), folder->files, folder->count, out, err) ||
                  clo_wrap(err, "%s", path));
}

bool pcrlock_is(struct clo_bytes json)
{
    return clo_pcrlock_is_component(json) || clo_pcrlock_is_policy(json);
}

bool pcrlock_read(const char *path, struct clo_bytes json, struct clo_reference **out,
                  struct clo_error *err)
{
    const struct clo_pcrlock_file file = { .component = cli_base_name(path), .json = json };

    return clo_pcrlock_is_policy(json) ? clo_pcrlock_read_policy(file.component, json, out, err)
                                       : clo_pcrlock_read(file.component, &file, 1, out, err);
}

struct saving {
    const char *folder;
    char variant[256];
};

static bool make_folder(const char *path, struct clo_error *err)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool save(void *context, const char *component, struct clo_bytes json, struct clo_error *err)
{
    const struct saving *s = context;
    char folder[PATH_LIMIT];
    char file[PATH_LIMIT];
    char name[64];

    snprintf(name, sizeof name, "%.48s" FOLDER_SUFFIX, component);
    return join(folder, s->folder, name, err) && make_folder(folder, err) &&
           join(file, folder, s->variant, err) && clo_file_write(file, json, 0644, err);
}

bool pcrlock_save(const struct clo_reference *reference, const char *folder, struct clo_error *err)
{
    struct saving saving = { .folder = folder };
    const char *name = clo_reference_name(reference);

    if (strlen(name) + sizeof SUFFIX > sizeof saving.variant || *name == '.' || *name == '\0' ||
        strchr(name, '/') != NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the reference's name \"%.60s\" cannot name a "
                        "file",
                        name);
    snprintf(saving.variant, sizeof saving.variant, "%s" SUFFIX, name);
    return make_folder(folder, err) && clo_pcrlock_write(reference, save, &saving, err);
}
