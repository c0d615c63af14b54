/* cloister secureboot sbat: what an image's SBAT says, and whether a shim's level still allows it. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/pe.h"
#include "cloister/sbat_level.h"
#include "device/file.h"

#define LEVEL_LIMIT 65536

/* The text itself, or the variable as efivarfs shows it: four bytes of attributes in front. */
static bool read_level(const char *path, struct clo_buffer *file, struct clo_bytes *out,
                       struct clo_error *err)
{
    static const uint8_t any_image[] = "sbat,1\n";
    struct clo_sbat_verdict verdict;

    if (!clo_file_read(path, LEVEL_LIMIT, file, err))
        return false;
    *out = clo_buffer_bytes(file);
    if (out->size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path);
    if (out->size > 4 && out->data[0] != 's' && out->data[3] == 0)
        *out = clo_bytes_slice(*out, 4, out->size);
    /* What is wrong with it is said of it, and not of each image. */
    return clo_sbat_check(clo_bytes(any_image, sizeof any_image - 1), *out, &verdict, err) ||
           clo_wrap(err, "%s", path);
}

static bool examine(const char *path, struct clo_bytes level, json_t *to, bool *is_allowed,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_sbat_verdict verdict = { .is_allowed = true };
    struct clo_sbat_entry entry;
    struct clo_pe pe;
    size_t at = 0;

    if (!cli_read_pe(path, &file, err))
        return false;
    if (!clo_pe_parse(clo_buffer_bytes(&file), &pe, err))
        return clo_wrap(err, "%s", path);
    const struct clo_pe_section *section = clo_pe_section_find(&pe, ".sbat");
    struct clo_bytes sbat = section == NULL ? clo_bytes(NULL, 0) : section->data;
    if (level.data != NULL && !clo_sbat_check(sbat, level, &verdict, err))
        return clo_wrap(err, "%s", path);
    *is_allowed = verdict.is_allowed;
    json_t *components = json_array();
    enum clo_next next;
    while ((next = clo_sbat_next(sbat, &at, &entry, err)) == CLO_NEXT_ITEM) {
        json_array_append_new(components, json_pack("{s:s, s:I}", "name", entry.name, "generation",
                                                    (json_int_t)entry.generation));
        if (to == NULL)
            printf("  %-32s %u\n", entry.name, entry.generation);
    }
    if (to != NULL) {
        json_t *item = json_pack("{s:s, s:O}", "file", path, "components", components);
        if (item != NULL && level.data != NULL) {
            json_object_set_new(item, "allowed", json_boolean(verdict.is_allowed));
            json_object_set_new(item, "why", json_string(verdict.text));
        }
        json_array_append_new(to, item);
    } else if (level.data != NULL || section == NULL) {
        printf("%s: %s\n", path, level.data != NULL ? verdict.text : "no .sbat section");
    }
    json_decref(components);
    return next == CLO_NEXT_END || clo_wrap(err, "%s: .sbat", path);
}

/* The exit status that it asks for. One that cannot be read is told, and the others are looked at. */
static int examine_one(const char *path, struct clo_bytes level, json_t *to)
{
    bool is_allowed = true;
    struct clo_error err;

    if (examine(path, level, to, &is_allowed, &err))
        return is_allowed ? CLI_YES : CLI_NO;
    if (to != NULL)
        json_array_append_new(to, json_pack("{s:s, s:s}", "file", path, "unreadable", err.text));
    return cli_fail("secureboot sbat", &err);
}

int cmd_secureboot_sbat(int argc, char **argv)
{
    const char *level_path = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        { "--level", "FILE", "hold them against this SbatLevel: its text, or the efivarfs file",
          .text = &level_path },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "secureboot sbat",
        .arguments = "IMAGE…",
        .operands = { "at least one image", 1, CLO_LIST_MAX },
        .summary = "Shows the SBAT generations of EFI images and, with a level, whether a shim of "
                   "that level\nstarts them. Exit status 1 if it does not start one, 3 if one "
                   "could not be read.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot sbat /boot/efi/EFI/debian/grubx64.efi \\\n"
                   "      --level /sys/firmware/efi/efivars/"
                   "SbatLevelRT-605dab50-e046-4300-abb6-3dd810dd8b23\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_bytes level = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (as_json)
        json = json_pack("{s:[]}", "images");
    if (level_path != NULL && !read_level(level_path, &file, &level, &err))
        return cli_fail("secureboot sbat", &err);
    status = CLI_YES;
    for (size_t i = 0; i < operands.count; i++) {
        int one = examine_one(operands.items[i], level, json_object_get(json, "images"));
        status = one > status ? one : status;
    }
    return !as_json || cli_print_json(json, &err) ? status : cli_error(&err);
}
