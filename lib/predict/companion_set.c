#include "lib/predict/companion_set.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/uki.h"
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

void clo_companion_set_free(struct clo_companion_set *set)
{
    /* All of them: some may have been passed over. */
    for (size_t i = 0; i < CLO_COMPANIONS_MAX; i++)
        clo_buffer_free(&set->files[i]);
    set->count = 0;
}

struct clo_buffer *clo_companion_set_add(struct clo_companion_set *set,
                                         enum clo_companion_place place, const char *name,
                                         struct clo_error *err)
{
    size_t n = set->count;

    if (n == CLO_COMPANIONS_MAX || strlen(name) >= sizeof set->names[n]) {
        clo_fail(err, CLO_ERR_USAGE, "%.64s: more than %d companions, or too long a name", name,
                 CLO_COMPANIONS_MAX);
        return NULL;
    }
    memcpy(set->names[n], name, strlen(name) + 1);
    set->items[n] = (struct clo_companion){ .place = place, .name = set->names[n] };
    set->count++;
    return &set->files[n];
}

void clo_companion_set_take(struct clo_companion_set *set)
{
    set->items[set->count - 1].data = clo_buffer_bytes(&set->files[set->count - 1]);
}

bool clo_companion_place_of(const char *name, enum clo_companion_place *out)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (clo_ends_with(name, kinds[i].suffix)) {
            *out = kinds[i].place;
            return true;
        }
    return false;
}

/* --- From an ESP --- */

struct search {
    struct clo_bytes esp;
    const char *folder;
    const char *suffix; /* NULL: any that the stub takes */
    enum clo_companion_place place;
    struct clo_companion_set *out;
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
    struct clo_buffer *file = clo_companion_set_add(search->out, search->place, name, err);
    snprintf(path, sizeof path, "%s/%s", search->folder, name);
    if (file == NULL || !clo_fat_read(search->esp, path, CLO_BOOT_IMAGE_LIMIT, file, err))
        return false;
    clo_companion_set_take(search->out);
    return true;
}

bool clo_companion_set_find(struct clo_bytes esp, const char *path, struct clo_companion_set *out,
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

/* --- What the stub makes of them --- */

static bool parse_uki(struct clo_bytes bytes, struct clo_uki **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);

    if (uki == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(bytes, uki, err))
        return clo_wrap(err, "UKI");
    *out = CLO_TAKE(uki);
    return true;
}

static void remark(const struct clo_companion *companion, const struct clo_uki *uki,
                   struct clo_buffer *remarks)
{
    if (!clo_companion_is_for(companion, uki))
        clo_buffer_printf(remarks, "%s: its .uname is another kernel's: the stub ignores it\n",
                          companion->name);
}

bool clo_companion_set_check(struct clo_bytes uki_bytes, const struct clo_companion_set *set,
                             struct clo_buffer *remarks, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = NULL;

    if (!parse_uki(uki_bytes, &uki, err))
        return false;
    for (size_t i = 0; i < set->count; i++)
        remark(&set->items[i], uki, remarks);
    return true;
}

bool clo_companion_set_sort(struct clo_bytes uki_bytes, struct clo_companion_set *set,
                            struct clo_buffer *remarks, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = NULL;
    size_t kept = 0;

    if (!parse_uki(uki_bytes, &uki, err))
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (clo_companion_is_taken(&set->items[i], uki->stub_version)) {
            /* The names and bytes stay where they are: what is kept only points to them. */
            set->items[kept++] = set->items[i];
            remark(&set->items[i], uki, remarks);
            continue;
        }
        clo_buffer_printf(remarks, "%s: the UKI's stub (%s) does not look at it there\n",
                          set->items[i].name, uki->stub);
    }
    set->count = kept;
    return true;
}
