#include "cli/inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/stranger.h"
#include "cloister/corim.h"
#include "cloister/efivar.h"
#include "cloister/pe.h"
#include "device/file.h"

#define VARSTORE_LIMIT ((size_t)64 << 20)

bool cli_read_varstore(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;

    if (!clo_file_read(path, VARSTORE_LIMIT, out, err))
        return false;
    return clo_varstore_parse(clo_buffer_bytes(out), &store, err) || clo_wrap(err, "%s", path) ||
           cli_stranger(path, "a variable store", "a firmware volume", err);
}

bool cli_read_pe(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);

    if (pe == NULL)
        return clo_out_of_memory(err);
    if (!clo_file_read(path, CLI_IMAGE_LIMIT, out, err))
        return false;
    return clo_pe_parse(clo_buffer_bytes(out), pe, err) || clo_wrap(err, "%s", path) ||
           cli_stranger(path, "an EFI image", "an EFI image", err);
}

/* Like the JSON, its bringer's word; one that is signed is converted first, with the key that it needs. */
static bool read_corim(struct clo_bytes file, struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    int64_t now;

    if (clo_cose_is_sign1(file))
        return clo_fail(
                err, CLO_ERR_USAGE,
                "a signed CoRIM: 'key put' and 'key terms' take it with --reference-key, and "
                "'measure convert --public-key FILE --to json' makes a file of it");
    return cli_time(NULL, &now, err) && clo_corim_read(file, NULL, now, &json, err) &&
           clo_corim_to_reference(json, out, err);
}

bool cli_read_reference_file(const char *path, struct clo_buffer *file, struct clo_reference **out,
                             struct clo_error *err)
{
    struct clo_bytes in;

    if (!clo_file_read(path, CLO_FILE_LIMIT, file, err))
        return false;
    in = clo_buffer_bytes(file);
    if (!clo_corim_is(in))
        return clo_reference_parse(in, out, err) || clo_wrap(err, "%s", path) ||
               cli_stranger(path, "reference values", "reference values", err);
    if (!read_corim(in, out, err))
        return clo_wrap(err, "%s", path);
    clo_buffer_free(file);
    return clo_reference_write(*out, file, err);
}

bool cli_read_signed_reference(const char *path, const struct clo_public_key *key,
                               struct clo_buffer *file, struct clo_reference **out,
                               struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    int64_t now;

    if (!clo_file_read(path, CLO_FILE_LIMIT, file, err) || !cli_time(NULL, &now, err))
        return false;
    if (!clo_corim_is(clo_buffer_bytes(file)))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: not a CoRIM, and one that is signed is wanted",
                        path);
    if (!clo_corim_read(clo_buffer_bytes(file), key, now, &json, err) ||
        !clo_corim_to_reference(json, out, err))
        return clo_wrap(err, "%s", path);
    clo_buffer_free(file);
    return clo_reference_write(*out, file, err);
}

bool cli_read_reference(const char *path, struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return cli_read_reference_file(path, &file, out, err);
}

void cli_references_free(struct cli_references *references)
{
    for (size_t i = 0; i < references->count; i++)
        clo_reference_free(references->items[i]);
}

bool cli_references_load(const struct clo_list *paths, struct cli_references *out,
                         struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (!cli_read_reference(paths->items[i], &out->items[i], err))
            return false;
        out->count++;
    }
    return true;
}

const struct clo_reference *const *cli_references_view(const struct cli_references *references)
{
    return (const struct clo_reference *const *)references->items;
}

const char *cli_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

bool cli_guid(const char *option, const char *text, struct clo_guid *out, struct clo_error *err)
{
    struct clo_error ignored;

    return clo_guid_read(text, out, &ignored) ||
           clo_fail(err, CLO_ERR_USAGE, "%s %s: expected a GUID", option, text);
}

bool cli_size(const char *option, const char *text, uint64_t *out, struct clo_error *err)
{
    static const char units[] = "KMGT";
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
    bool is_size = *text >= '0' && *text <= '9' && (*end == '\0' || (unit != NULL && end[1] == 0));
    if (!is_size || errno != 0 || number > UINT64_MAX >> shift || number == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s %s: expected a size, like 2G or 2048M", option,
                        text);
    *out = (uint64_t)number << shift;
    return true;
}

bool cli_is_no_input(const char *option, const char *output, const char *input,
                     struct clo_error *err)
{
    struct stat a, b;

    if (output == NULL || stat(output, &a) != 0 || stat(input, &b) != 0 || !S_ISREG(a.st_mode) ||
        a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return true;
    return clo_fail(err, CLO_ERR_USAGE, "%s %s: is what is read", option, output);
}
