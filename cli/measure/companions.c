#include "cli/measure/companions.h"

#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cloister/uki.h"
#include "device/file.h"
#include "lib/disk/fat.h"

static const struct {
    const char *suffix;
    const char *folder; /* below loader/ */
    enum clo_companion_place place;
} kinds[] = {
    { ".addon.efi", "addons", CLO_COMPANION_ADDONS },
    { ".cred", "credentials", CLO_COMPANION_CREDENTIALS },
    { ".raw", "extensions", CLO_COMPANION_EXTENSIONS },
};

void cli_companions_free(struct cli_companions *companions)
{
    /* All of them: some may have been passed over. */
    for (size_t i = 0; i < CLI_COMPANIONS_MAX; i++)
        clo_buffer_free(&companions->files[i]);
    companions->count = 0;
}

/* The next free buffer, under this name. */
static struct clo_buffer *add(struct cli_companions *out, enum clo_companion_place place,
                              const char *name, struct clo_error *err)
{
    size_t n = out->count;

    if (n == CLI_COMPANIONS_MAX || strlen(name) >= sizeof out->names[n]) {
        clo_fail(err, CLO_ERR_USAGE, "%.64s: more than %d companions, or too long a name", name,
                 CLI_COMPANIONS_MAX);
        return NULL;
    }
    memcpy(out->names[n], name, strlen(name) + 1);
    out->items[n] = (struct clo_companion){ .place = place, .name = out->names[n] };
    out->count++;
    return &out->files[n];
}

static void set_last(struct cli_companions *out)
{
    out->items[out->count - 1].data = clo_buffer_bytes(&out->files[out->count - 1]);
}

/* --- From files --- */

static bool read_file(const char *path, enum clo_companion_place place, struct cli_companions *out,
                      struct clo_error *err)
{
    const char *slash = strrchr(path, '/');
    struct clo_buffer *file = add(out, place, slash == NULL ? path : slash + 1, err);

    if (file == NULL || !clo_file_read(path, CLI_IMAGE_LIMIT, file, err))
        return false;
    set_last(out);
    return true;
}

bool cli_companions_read(const struct cli_list *beside, const struct cli_list *loader,
                         struct cli_companions *out, struct clo_error *err)
{
    for (size_t i = 0; i < beside->count; i++)
        if (!read_file(beside->items[i], CLO_COMPANION_BESIDE, out, err))
            return false;
    for (size_t i = 0; i < loader->count; i++) {
        size_t kind = 0;
        while (kind < CLO_COUNT(kinds) && !clo_ends_with(loader->items[i], kinds[kind].suffix))
            kind++;
        if (kind == CLO_COUNT(kinds))
            return clo_fail(err, CLO_ERR_USAGE,
                            "%s: is named neither .addon.efi, .cred nor .raw: the stub would not "
                            "look at it",
                            loader->items[i]);
        if (!read_file(loader->items[i], kinds[kind].place, out, err))
            return false;
    }
    return true;
}

/* --- From an ESP --- */

struct search {
    struct clo_bytes esp;
    const char *folder;
    const char *suffix; /* NULL: any that the stub takes */
    enum clo_companion_place place;
    struct cli_companions *out;
};

/* The stub passes over folders and hidden files, and so does this. */
static bool take(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    const struct search *search = context;
    bool is_wanted = false;
    char path[600];

    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        is_wanted = is_wanted || ((search->suffix == NULL || search->suffix == kinds[i].suffix) &&
                                  clo_ends_with(name, kinds[i].suffix));
    if (is_directory || name[0] == '.' || !is_wanted)
        return true;
    struct clo_buffer *file = add(search->out, search->place, name, err);
    snprintf(path, sizeof path, "%s/%s", search->folder, name);
    if (file == NULL || !clo_fat_read(search->esp, path, CLI_IMAGE_LIMIT, file, err))
        return false;
    set_last(search->out);
    return true;
}

bool cli_companions_find(struct clo_bytes esp, const char *path, struct cli_companions *out,
                         struct clo_error *err)
{
    char folder[300];

    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        snprintf(folder, sizeof folder, "loader/%s", kinds[i].folder);
        struct search search = { esp, folder, kinds[i].suffix, kinds[i].place, out };
        if (!clo_fat_list(esp, folder, take, &search, err))
            return false;
    }
    snprintf(folder, sizeof folder, "%s.extra.d", path);
    struct search search = { esp, folder, NULL, CLO_COMPANION_BESIDE, out };
    return clo_fat_list(esp, folder, take, &search, err);
}

static void warn(const struct clo_companion *companion, const struct clo_uki *uki)
{
    if (!clo_companion_is_for(companion, uki))
        fprintf(stderr, "warning: %s: its .uname is another kernel's: the stub ignores it\n",
                companion->name);
}

bool cli_companions_warn(struct clo_bytes uki_bytes, const struct cli_companions *companions,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);

    if (uki == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(uki_bytes, uki, err))
        return clo_wrap(err, "UKI");
    for (size_t i = 0; i < companions->count; i++)
        warn(&companions->items[i], uki);
    return true;
}

bool cli_companions_pass_over(struct clo_bytes uki_bytes, struct cli_companions *companions,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    size_t kept = 0;

    if (uki == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(uki_bytes, uki, err))
        return clo_wrap(err, "UKI");
    for (size_t i = 0; i < companions->count; i++) {
        if (clo_companion_is_taken(&companions->items[i], uki->stub_version)) {
            /* The names and bytes stay where they are: what is kept only points to them. */
            companions->items[kept++] = companions->items[i];
            warn(&companions->items[i], uki);
            continue;
        }
        fprintf(stderr, "warning: %s: the UKI's stub (%s) does not look at it there\n",
                companions->items[i].name, uki->stub);
    }
    companions->count = kept;
    return true;
}
