#include "lib/predict/companions.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/predict/handover.h"
#include "lib/uki/stub.h"

#define NAME_MAX_SIZE 255

/* The kinds that are packed, in the order in which the stub packs them. ".raw" takes both extensions'
 * names in stubs that know no configuration extensions yet. */
static const struct {
    enum clo_companion_place place;
    const char *suffix;
    const char *event;
    unsigned pcr;
    enum stub_act by;
    struct stub_folder target;
} kinds[COMPANION_ARCHIVES] = {
    { CLO_COMPANION_BESIDE,
      ".cred",
      "Credentials initrd",
      12,
      STUB_MEASURES,
      { ".extra/credentials", 0500, 0400 } },
    { CLO_COMPANION_CREDENTIALS,
      ".cred",
      "Global credentials initrd",
      12,
      STUB_MEASURES,
      { ".extra/global_credentials", 0500, 0400 } },
    { CLO_COMPANION_BESIDE,
      ".raw",
      "System extension initrd",
      13,
      STUB_MEASURES,
      { ".extra/sysext", 0555, 0444 } },
    { CLO_COMPANION_EXTENSIONS,
      ".raw",
      "Global system extension initrd",
      13,
      STUB_TAKES_ALL_EXTENSIONS,
      { ".extra/global_sysext", 0555, 0444 } },
    { CLO_COMPANION_BESIDE,
      ".confext.raw",
      "Configuration extension initrd",
      12,
      STUB_TAKES_CONFEXTS,
      { ".extra/confext", 0555, 0444 } },
    { CLO_COMPANION_EXTENSIONS,
      ".confext.raw",
      "Global configuration extension initrd",
      12,
      STUB_TAKES_ALL_EXTENSIONS,
      { ".extra/global_confext", 0555, 0444 } },
};

/* The kind of an archive that takes the companion; COMPANION_ARCHIVES: none does. */
static size_t kind_of(const struct clo_companion *item, unsigned stub_version)
{
    for (size_t i = COMPANION_ARCHIVES; i-- > 0;)
        if (kinds[i].place == item->place && stub_does(stub_version, kinds[i].by) &&
            clo_ends_with(item->name, kinds[i].suffix))
            return i;
    return COMPANION_ARCHIVES;
}

static bool is_addon(const struct clo_companion *item, unsigned stub_version)
{
    return (item->place == CLO_COMPANION_ADDONS || item->place == CLO_COMPANION_BESIDE) &&
           clo_ends_with(item->name, ".addon.efi") && stub_does(stub_version, STUB_TAKES_ADDONS);
}

static bool is_plain(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++)
        if (name[i] < ' ' || name[i] > '~' || name[i] == '/')
            return false;
    return size > 0 && size <= NAME_MAX_SIZE && name[0] != '.';
}

/* Global add-ons come first, and all in the order of their names' characters. */
static int compare(const void *a, const void *b)
{
    const struct clo_companion *x = *(const struct clo_companion *const *)a;
    const struct clo_companion *y = *(const struct clo_companion *const *)b;
    bool is_x_global = x->place != CLO_COMPANION_BESIDE;
    bool is_y_global = y->place != CLO_COMPANION_BESIDE;

    return is_x_global != is_y_global ? is_y_global - is_x_global : strcmp(x->name, y->name);
}

/* --- Add-ons --- */

static struct clo_bytes section_of(const struct clo_pe *pe, const char *name)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, name);

    return section == NULL ? clo_bytes(NULL, 0) : section->data;
}

static bool is_for(const struct clo_pe *addon, const struct clo_pe *uki)
{
    struct clo_bytes theirs = section_of(addon, ".uname");
    struct clo_bytes ours = section_of(uki, ".uname");

    return ours.size == 0 || theirs.size == 0 || clo_bytes_equal(ours, theirs);
}

bool clo_companion_is_for(const struct clo_companion *companion, const struct clo_uki *uki)
{
    struct clo_error ignored;
    struct clo_pe addon;

    return !is_addon(companion, uki->stub_version) ||
           !clo_pe_parse(companion->data, &addon, &ignored) || is_for(&addon, &uki->pe);
}

static bool add_addon(const struct clo_uki *uki, const struct clo_companion *item,
                      struct companions *out, struct clo_error *err)
{
    struct companion_addon *addon = &out->addons[out->addon_count];

    if (!clo_pe_parse(item->data, &addon->pe, err))
        return clo_wrap(err, "add-on %.64s", item->name);
    if (addon->pe.machine != uki->pe.machine)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "add-on %.64s: is for machine 0x%04x, the UKI "
                        "for 0x%04x",
                        item->name, addon->pe.machine, uki->pe.machine);
    if (section_of(&addon->pe, ".linux").size > 0)
        return clo_fail(err, CLO_ERR_FORMAT, "add-on %.64s: is a whole UKI", item->name);
    /* What becomes of a device tree depends on the one that the machine has. */
    if (section_of(&addon->pe, ".dtb").size > 0 || section_of(&addon->pe, ".dtbauto").size > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "add-on %.64s: a device tree's effect depends on the machine", item->name);
    if (!stub_does(uki->stub_version, STUB_TAKES_ADDON_INITRDS) &&
        (section_of(&addon->pe, ".initrd").size > 0 || section_of(&addon->pe, ".ucode").size > 0))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "add-on %.64s: .initrd and .ucode are for stubs from %u on", item->name,
                        stub_since(STUB_TAKES_ADDON_INITRDS));
    addon->name = item->name;
    addon->is_applied = is_for(&addon->pe, &uki->pe);
    out->addon_count++;
    return true;
}

bool companions_cmdline(const struct companions *companions, struct clo_buffer *out,
                        struct clo_error *err)
{
    for (size_t i = 0; i < companions->addon_count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        const struct companion_addon *addon = &companions->addons[i];
        struct clo_bytes section = section_of(&addon->pe, ".cmdline");
        if (!addon->is_applied || section.size == 0)
            continue;
        if (!handover_section_text(section, stub_since(STUB_TAKES_ADDONS), &text, err))
            return clo_wrap(err, "add-on %.64s", addon->name);
        if (out->size > 0)
            clo_buffer_u8(out, ' ');
        clo_buffer_append(out, clo_buffer_bytes(&text));
        out->failed = out->failed || !clo_buffer_ok(&text);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Sorting out --- */

bool clo_companion_is_taken(const struct clo_companion *companion, unsigned stub_version)
{
    return is_addon(companion, stub_version) ||
           kind_of(companion, stub_version) < COMPANION_ARCHIVES;
}

static bool check(const struct clo_uki *uki, const struct clo_companion *items, size_t count,
                  struct clo_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_plain(items[i].name))
            return clo_fail(err, CLO_ERR_USAGE, "companion \"%.64s\": the stub takes no such name",
                            items[i].name);
        if (!clo_companion_is_taken(&items[i], uki->stub_version))
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "companion %.64s: stub %u does not take it from there", items[i].name,
                            uki->stub_version);
        for (size_t k = 0; k < i; k++)
            if (items[k].place == items[i].place && strcasecmp(items[k].name, items[i].name) == 0)
                return clo_fail(err, CLO_ERR_USAGE, "companion %.64s: is there twice",
                                items[i].name);
    }
    return true;
}

static bool pack(const struct clo_uki *uki, const struct clo_companion *const *sorted, size_t count,
                 struct companions *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct stub_file *files = calloc(count + 1, sizeof *files);

    if (files == NULL)
        return clo_out_of_memory(err);
    for (size_t kind = 0; kind < COMPANION_ARCHIVES; kind++) {
        struct companion_archive *archive = &out->archives[kind];
        size_t used = 0;
        for (size_t i = 0; i < count; i++)
            if (kind_of(sorted[i], uki->stub_version) == kind)
                files[used++] = (struct stub_file){ sorted[i]->name, sorted[i]->data };
        archive->name = kinds[kind].event;
        archive->pcr = kinds[kind].pcr;
        stub_archive_append(&archive->bytes, &kinds[kind].target, files, used);
        if (!clo_buffer_ok(&archive->bytes))
            return clo_out_of_memory(err);
    }
    return true;
}

bool companions_parse(const struct clo_uki *uki, const struct clo_companion *items, size_t count,
                      struct companions *out, struct clo_error *err)
{
    CLO_CLEANUP(companions_free) struct companions found = { 0 };
    CLO_CLEANUP(clo_freep)
    const struct clo_companion **sorted = calloc(count + 1, sizeof *sorted);

    found.addons = calloc(count + 1, sizeof *found.addons);
    if (sorted == NULL || found.addons == NULL)
        return clo_out_of_memory(err);
    if (!check(uki, items, count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &items[i];
    qsort(sorted, count, sizeof(sorted[0]), compare);
    for (size_t i = 0; i < count; i++)
        if (is_addon(sorted[i], uki->stub_version) && !add_addon(uki, sorted[i], &found, err))
            return false;
    if (!pack(uki, sorted, count, &found, err))
        return false;
    *out = found;
    found = (struct companions){ 0 };
    return true;
}

void companions_free(struct companions *companions)
{
    free(companions->addons);
    for (size_t i = 0; i < COMPANION_ARCHIVES; i++)
        clo_buffer_free(&companions->archives[i].bytes);
    *companions = (struct companions){ 0 };
}
