/* cloister secureboot mok: the keys that shim's owner adds (MokList, MokListX) put into a variable store. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/written.h"
#include "cloister/shim.h"
#include "cloister/signature_list.h"
#include "device/file.h"

struct mok {
    struct cli_written written;
    const char *input, *output, *list, *list_x;
    struct clo_list keys;
    struct secureboot_file lists, lists_x;
};

static void mok_free(struct mok *mok)
{
    secureboot_file_free(&mok->lists);
    secureboot_file_free(&mok->lists_x);
}

/* MokList: the lists as they are, then each certificate in one of its own, as MokManager adds them. */
static bool read_allowed(struct mok *mok, struct clo_buffer *out, struct clo_error *err)
{
    if (mok->list != NULL && !secureboot_read_lists(mok->list, &mok->lists, err))
        return false;
    clo_buffer_append(out, mok->lists.lists);
    for (size_t i = 0; i < mok->keys.count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(mok->keys.items[i], &certificate, err))
            return false;
        clo_signature_list_x509(&clo_guid_shim_lock, clo_certificate_der(certificate), out);
    }
    return (mok->list_x == NULL || secureboot_read_lists(mok->list_x, &mok->lists_x, err)) &&
           (clo_buffer_ok(out) || clo_out_of_memory(err));
}

static bool put(struct mok *mok, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer allowed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer changed = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_efivar variables[2];
    size_t count = 0;

    if (!read_allowed(mok, &allowed, err) || !cli_read_varstore(mok->input, &file, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&file), &store, err))
        return false;
    if (allowed.size > 0)
        variables[count++] = (struct clo_efivar){ .name = "MokList",
                                                  .vendor = clo_guid_shim_lock,
                                                  .attributes = CLO_EFIVAR_BOOT,
                                                  .data = clo_buffer_bytes(&allowed) };
    if (mok->lists_x.lists.size > 0)
        variables[count++] = (struct clo_efivar){ .name = "MokListX",
                                                  .vendor = clo_guid_shim_lock,
                                                  .attributes = CLO_EFIVAR_BOOT,
                                                  .data = mok->lists_x.lists };
    for (size_t i = 0; i < count; i++)
        if (!clo_signature_lists_check(variables[i].data, NULL, err))
            return clo_wrap(err, "%s", variables[i].name);
    if (!clo_varstore_write(store, variables, count, &changed, err))
        return clo_wrap(err, "%s", mok->output);
    return clo_file_write(mok->output, clo_buffer_bytes(&changed), 0644, err);
}

int cmd_secureboot_mok(int argc, char **argv)
{
    CLO_CLEANUP(mok_free) struct mok mok = { 0 };
    const struct cli_option options[] = {
        { "--varstore", "FILE", "the firmware's variable store", .text = &mok.input,
          .was = "--input" },
        { "--output", "FILE", "where the changed store goes", .text = &mok.output },
        { "--cert", "FILE", "a certificate whose images shim starts (repeatable)",
          .list = &mok.keys, .was = "--key" },
        { "--list", "FILE", "signature lists that go before them into MokList", .text = &mok.list },
        { "--list-x", "FILE", "signature lists of what shim refuses: MokListX",
          .text = &mok.list_x },
        CLI_WRITTEN_OPTION(mok.written),
    };
    const struct cli_usage usage = {
        .command = "secureboot mok",
        .arguments = "--varstore FILE --output FILE --cert FILE",
        .summary = "Puts machine owner keys into a firmware variable store, as MokManager would: "
                   "what shim starts\nbeside what db allows. What MokList and MokListX held before "
                   "is replaced; the others stay.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot mok --varstore vars.fd --output vars.fd --cert mok.crt\n",
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (mok.input == NULL || mok.output == NULL)
        return cli_usage_error(&usage, "--varstore and --output are needed");
    if (mok.keys.count == 0 && mok.list == NULL && mok.list_x == NULL)
        return cli_usage_error(&usage, "--cert, --list or --list-x is needed");
    if (!cli_written_check(&mok.written, mok.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return put(&mok, &err) && cli_written_tell(&mok.written, mok.output, &err) ? CLI_YES
                                                                               : cli_error(&err);
}
