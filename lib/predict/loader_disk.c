#include "lib/predict/loader_disk.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/disk/fat.h"

#define CONF_LIMIT ((size_t)64 << 10)
#define UKIS       "EFI/Linux"
#define ENTRIES    "loader/entries"

void loader_choice_free(struct loader_choice *choice)
{
    clo_buffer_free(&choice->conf);
}

struct search {
    const char *suffix;
    const char *wanted; /* "": any */
    size_t count, matches;
    char first[LOADER_ID], match[LOADER_ID];
};

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);

    return size > end && strcasecmp(name + size - end, suffix) == 0;
}

static bool look(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    struct search *search = context;

    if (is_directory || name[0] == '.' || strncasecmp(name, "auto-", 5) == 0 ||
        !ends_in(name, search->suffix))
        return true;
    if (strlen(name) >= LOADER_ID)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%.64s…: too long a name", name);
    if (search->count++ == 0)
        snprintf(search->first, sizeof search->first, "%s", name);
    if (strcasecmp(name, search->wanted) == 0 && search->matches++ == 0)
        snprintf(search->match, sizeof search->match, "%s", name);
    return true;
}

static bool read_entry(struct clo_bytes esp, const char *name, struct loader_choice *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    snprintf(out->path, sizeof out->path, ENTRIES "/%s", name);
    if (!clo_fat_read(esp, out->path, CONF_LIMIT, &file, err) ||
        !loader_entry_parse(clo_buffer_bytes(&file), &out->entry, err))
        return clo_wrap(err, "%s", out->path);
    snprintf(out->path, sizeof out->path, "%s", out->entry.linux_path + 1);
    return true;
}

/* A pattern, or a word with "@", is matched by rules that no boot has shown. */
static bool check_wanted(const char *wanted, struct clo_error *err)
{
    return strpbrk(wanted, "*?[@") == NULL ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "loader.conf: default \"%.64s\": which of several entries that is, is not "
                    "predicted; the whole name of one is",
                    wanted);
}

bool loader_choose(struct clo_bytes esp, struct loader_choice *out, struct clo_error *err)
{
    char wanted[LOADER_ID];
    struct search ukis = { .suffix = ".efi", .wanted = wanted };
    struct search entries = { .suffix = ".conf", .wanted = wanted };
    struct clo_error ignored;

    if (!clo_fat_read(esp, "loader/loader.conf", CONF_LIMIT, &out->conf, &ignored))
        clo_buffer_free(&out->conf);
    if (!loader_conf_default(clo_buffer_bytes(&out->conf), wanted, err) ||
        !clo_fat_list(esp, UKIS, look, &ukis, err) ||
        !clo_fat_list(esp, ENTRIES, look, &entries, err))
        return false;
    size_t count = ukis.count + entries.count;
    if (count > 1 && !check_wanted(wanted, err))
        return false;
    if (count == 0 || (count > 1 && ukis.matches + entries.matches != 1))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "systemd-boot: %zu entries, and loader.conf names none of them as the "
                        "default: which is started is not predicted",
                        count);
    out->is_uki = count == 1 ? ukis.count == 1 : ukis.matches == 1;
    if (out->is_uki)
        snprintf(out->path, sizeof out->path, UKIS "/%s", count == 1 ? ukis.first : ukis.match);
    return out->is_uki || read_entry(esp, count == 1 ? entries.first : entries.match, out, err);
}
