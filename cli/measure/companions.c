#include "cli/measure/companions.h"

#include <string.h>

#include "cli/inputs.h"
#include "device/file.h"

static bool read_file(const char *path, enum clo_companion_place place,
                      struct clo_companion_set *out, struct clo_error *err)
{
    struct clo_buffer *file = clo_companion_set_add(out, place, cli_base_name(path), err);

    if (file == NULL || !clo_file_read(path, CLI_IMAGE_LIMIT, file, err))
        return false;
    clo_companion_set_take(out);
    return true;
}

bool cli_companions_read(const struct clo_list *beside, const struct clo_list *loader,
                         struct clo_companion_set *out, struct clo_error *err)
{
    for (size_t i = 0; i < beside->count; i++)
        if (!read_file(beside->items[i], CLO_COMPANION_BESIDE, out, err))
            return false;
    for (size_t i = 0; i < loader->count; i++) {
        enum clo_companion_place place;
        if (!clo_companion_place_of(loader->items[i], &place))
            return clo_fail(err, CLO_ERR_USAGE,
                            "%s: is named neither .addon.efi, .cred nor .raw: the stub would not "
                            "look at it",
                            loader->items[i]);
        if (!read_file(loader->items[i], place, out, err))
            return false;
    }
    return true;
}

static void print_remarks(struct clo_buffer *remarks)
{
    const char *line = clo_buffer_string(remarks);

    for (size_t size; line != NULL && *line != '\0'; line += size + 1) {
        size = strcspn(line, "\n");
        fprintf(stderr, "warning: %.*s\n", (int)size, line);
    }
}

bool cli_companions_warn(struct clo_bytes uki, const struct clo_companion_set *companions,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer remarks = { 0 };

    if (!clo_companion_set_check(uki, companions, &remarks, err))
        return false;
    print_remarks(&remarks);
    return true;
}

bool cli_disk_boot(struct clo_bytes disk, const char *load_options, struct clo_boot_disk *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer remarks = { 0 };

    bool ok = clo_boot_disk_read(disk, load_options, out, &remarks, err);
    print_remarks(&remarks);
    return ok;
}
