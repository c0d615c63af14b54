/* cloister secureboot apply: an authenticated variable, applied to a variable store. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"
#include "device/file.h"

struct apply_options {
    const char *input, *output, *variable;
};

/* The variable after the change, as the firmware would have it: allowed by whom, and newer than what is
 * there. */
static bool change(const struct clo_varstore *store, const struct secureboot_file *update,
                   struct clo_efi_variable *variable, struct clo_buffer *lists,
                   uint8_t time[CLO_EFI_TIME_SIZE], struct clo_error *err)
{
    const struct clo_efi_auth *auth = &update->auth;
    bool is_key = strcmp(variable->name, "PK") == 0 || strcmp(variable->name, "KEK") == 0;
    struct clo_bytes anchors = secureboot_variable(store, is_key ? "PK" : "KEK");
    const struct clo_efivar *old = clo_varstore_find(store, variable->name, &variable->vendor);
    struct clo_bytes base = secureboot_variable(store, variable->name);
    char have[CLO_EFI_TIME_TEXT];
    char wanted[CLO_EFI_TIME_TEXT];
    size_t added;

    if (!secureboot_verify(update, variable, anchors, NULL, err))
        return clo_wrap(err, "by %s of the store", is_key ? "PK" : "KEK");
    memcpy(time, auth->time, CLO_EFI_TIME_SIZE);
    if ((variable->attributes & CLO_EFIVAR_APPEND) != 0) {
        /* An append keeps the newer of the two times. */
        if (old != NULL && clo_efi_time_compare(old->time, time) > 0)
            memcpy(time, old->time, CLO_EFI_TIME_SIZE);
        return clo_signature_lists_append(base, auth->payload, lists, &added, err);
    }
    if (old != NULL && clo_efi_time_compare(auth->time, old->time) <= 0)
        return clo_fail(err, CLO_ERR_REFUSED, "time %s: not newer than the store's %s",
                        clo_efi_time_text(auth->time, wanted), clo_efi_time_text(old->time, have));
    clo_buffer_append(lists, auth->payload);
    return clo_buffer_ok(lists) || clo_out_of_memory(err);
}

static bool apply(const struct apply_options *o, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file store = { 0 };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file update = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_efi_variable variable;
    struct clo_efivar changed = { .attributes = CLO_EFIVAR_SECURE };

    if (!secureboot_find_variable(o->variable, NULL, &variable, err) ||
        !secureboot_read(o->input, NULL, &store, err) || !secureboot_read(path, NULL, &update, err))
        return false;
    if (store.store == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no variable store", o->input);
    if (!update.is_auth)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no authenticated variable", path);
    if (!change(store.store, &update, &variable, &lists, changed.time, err))
        return clo_wrap(err, "%s", path);
    snprintf(changed.name, sizeof changed.name, "%s", o->variable);
    changed.vendor = variable.vendor;
    changed.data = clo_buffer_bytes(&lists);
    return clo_varstore_write(store.store, &changed, 1, &out, err) &&
           clo_file_write(o->output, clo_buffer_bytes(&out), 0644, err);
}

int cmd_secureboot_apply(int argc, char **argv)
{
    struct apply_options o = { .variable = "dbx" };
    const struct cli_option options[] = {
        { "--input", "FILE", "the variable store (required)", .text = &o.input },
        { "--output", "FILE", "where the changed one goes (required)", .text = &o.output },
        { "--variable", "NAME", "which variable the update is for (dbx)", .text = &o.variable },
    };
    const struct cli_usage usage = {
        .command = "secureboot apply",
        .arguments = "AUTH --input FILE --output FILE",
        .summary =
                "Applies an authenticated variable, such as a dbx update, to a variable store as "
                "the firmware\nwould: only if the store's own KEK (or PK) allows it and, unless "
                "it appends, it is newer.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot apply DBXUpdate.bin --input vars.fd --output new.fd\n",
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1 || o.input == NULL || o.output == NULL)
        return cli_usage_error(&usage, "one update, --input and --output are needed");
    return apply(&o, operands.items[0], &err) ? CLI_YES : cli_fail("secureboot apply", &err);
}
