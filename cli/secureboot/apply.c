/* cloister secureboot apply: an authenticated variable, applied to a variable store. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/written.h"
#include "device/file.h"

struct apply_options {
    const char *input, *output, *variable;
    struct cli_written written;
};

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
    if (!clo_auth_update_apply(store.store, &update.update, &variable, &lists, changed.time, err))
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
        { "--varstore", "FILE", "the variable store (required)", .text = &o.input,
          .was = "--input" },
        { "--output", "FILE", "where the changed one goes (required)", .text = &o.output },
        { "--variable", "NAME", "which variable the update is for (dbx)", .text = &o.variable,
          .values = "PK KEK db dbx" },
        CLI_WRITTEN_OPTION(o.written),
    };
    const struct cli_usage usage = {
        .command = "secureboot apply",
        .arguments = "AUTH --varstore FILE --output FILE",
        .operands = { "one update", 1, 1 },
        .summary =
                "Applies an authenticated variable, such as a dbx update, to a variable store as "
                "the firmware\nwould: only if the store's own KEK (or PK) allows it and, unless "
                "it appends, it is newer.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot apply DBXUpdate.bin --varstore vars.fd --output new.fd\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.input == NULL || o.output == NULL)
        return cli_usage_error(&usage, "--varstore and --output are needed");
    if (!cli_written_check(&o.written, o.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return apply(&o, operands.items[0], &err) && cli_written_tell(&o.written, o.output, &err)
                   ? CLI_YES
                   : cli_fail("secureboot apply", &err);
}
