/* cloister secureboot verify: an authenticated variable, checked as firmware does. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"

struct verify_options {
    const char *variable, *vendor, *store;
    struct clo_list certificates;
    bool json;
};

static bool verify(const struct verify_options *o, const struct secureboot_file *file,
                   struct clo_efi_variable *variable, struct clo_certificate **signer,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer anchors = { 0 };
    static const struct clo_guid nobody;

    if (!secureboot_find_variable(o->variable, o->vendor, variable, err))
        return false;
    for (size_t i = 0; i < o->certificates.count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(o->certificates.items[i], &certificate, err))
            return false;
        clo_signature_list_x509(&nobody, clo_certificate_der(certificate), &anchors);
    }
    if (!clo_buffer_ok(&anchors))
        return clo_out_of_memory(err);
    return clo_auth_update_verify(&file->update, variable, clo_buffer_bytes(&anchors), signer, err);
}

int cmd_secureboot_verify(int argc, char **argv)
{
    struct verify_options o = { .variable = "dbx" };
    const struct cli_option options[] = {
        { "--variable", "NAME", "which variable it is for (dbx)", .text = &o.variable,
          .values = "PK KEK db dbx" },
        { "--vendor", "GUID", "of a variable with another name", .text = &o.vendor },
        { "--cert", "FILE", "a certificate of KEK, or PK's (repeatable, required)",
          .list = &o.certificates },
        { "--json", NULL, "print one JSON document", .flag = &o.json },
    };
    const struct cli_usage usage = {
        .command = "secureboot verify",
        .arguments = "AUTH --cert FILE",
        .operands = { "one file", 1, 1 },
        .summary =
                "Checks an authenticated variable, such as a dbx update: is it signed by a key of "
                "KEK (or by\none that such a key vouches for), for this variable, time and data? "
                "As firmware does it.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot verify DBXUpdate.bin --cert MicCorKEKCA2011.crt\n",
    };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file file = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *signer = NULL;
    struct clo_efi_variable variable;
    struct clo_list operands;
    struct clo_error err;
    char time[CLO_EFI_TIME_TEXT];
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.certificates.count == 0)
        return cli_usage_error(&usage, "--cert is needed");
    if (!secureboot_read(operands.items[0], NULL, &file, &err))
        return cli_fail("secureboot verify", &err);
    if (!file.is_auth) {
        clo_fail(&err, CLO_ERR_FORMAT, "%s: no authenticated variable", operands.items[0]);
        return cli_fail("secureboot verify", &err);
    }
    if (!verify(&o, &file, &variable, &signer, &err) ||
        !clo_signature_lists_check(file.lists, &count, &err)) {
        clo_wrap(&err, "%s", operands.items[0]);
        return cli_fail("secureboot verify", &err);
    }
    bool is_append = (variable.attributes & CLO_EFIVAR_APPEND) != 0;
    clo_efi_time_text(file.update.auth.time, time);
    if (o.json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:I}", "variable", o.variable, "append",
                                 is_append, "time", time, "signer", clo_certificate_subject(signer),
                                 "entries", (json_int_t)count);
        return cli_print_json(json, &err) ? CLI_YES : cli_fail("secureboot verify", &err);
    }
    printf("%s %s: %zu entries, signed by %s, time %s\n", is_append ? "appends to" : "replaces",
           o.variable, count, clo_certificate_subject(signer), time);
    return CLI_YES;
}
