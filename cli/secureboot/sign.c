/* cloister secureboot sign, verify and apply: authenticated variables. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"
#include "device/file.h"

static int fail_with(const char *command, struct clo_error *err)
{
    clo_wrap(err, "%s", command);
    return cli_error(err);
}

static bool find_variable(const char *name, const char *vendor, struct clo_efi_variable *out,
                          struct clo_error *err)
{
    *out = (struct clo_efi_variable){ .name = name, .attributes = CLO_EFIVAR_SECURE };
    if (vendor != NULL)
        return cli_guid("--vendor", vendor, &out->vendor, err);
    return clo_efi_variable_known(name, &out->vendor) ||
           clo_fail(err, CLO_ERR_USAGE,
                    "--variable %s: PK, KEK, db, dbx or dbt, or name its --vendor", name);
}

/* --- sign --- */

struct sign_options {
    const char *variable, *vendor, *key, *certificate, *time, *output;
    bool append, raw;
};

static bool sign(const struct sign_options *o, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_efi_variable variable;
    uint8_t time[CLO_EFI_TIME_SIZE];
    int64_t when;

    if (!find_variable(o->variable, o->vendor, &variable, err) || !cli_time(o->time, &when, err) ||
        !cli_read_private_key(o->key, &key, err) ||
        !cli_read_certificate(o->certificate, &certificate, err))
        return false;
    if (o->append)
        variable.attributes |= CLO_EFIVAR_APPEND;
    if (o->raw ? !clo_file_read(path, SECUREBOOT_LIST_LIMIT, &file.bytes, err)
               : !secureboot_read(path, o->variable, &file, err))
        return false;
    if (o->raw)
        file.lists = clo_buffer_bytes(&file.bytes);
    clo_efi_time_make(when, time);
    return clo_efi_auth_make(&variable, time, file.lists, key, certificate, &out, err) &&
           clo_file_write(o->output, clo_buffer_bytes(&out), 0644, err);
}

int cmd_secureboot_sign(int argc, char **argv)
{
    struct sign_options o = { 0 };
    const struct cli_option options[] = {
        { "--variable", "NAME", "PK, KEK, db, dbx, … (required)", .text = &o.variable },
        { "--vendor", "GUID", "of a variable with another name", .text = &o.vendor },
        { "--key", "FILE", "PK's for PK and KEK, KEK's for db and dbx (required)", .text = &o.key },
        { "--cert", "FILE", "its certificate (required)", .text = &o.certificate },
        { "--append", NULL, "appends to the variable instead of replacing it", .flag = &o.append },
        { "--time", "TIME", "RFC 3339 (now): a change that replaces must be newer than the last",
          .text = &o.time },
        { "--raw", NULL, "the data is anything, not signature lists", .flag = &o.raw },
        { "--output", "FILE", "the .auth file (required)", .text = &o.output },
    };
    const struct cli_usage usage = {
        .command = "secureboot sign",
        .arguments = "LISTS --variable NAME --key FILE --cert FILE --output FILE",
        .summary =
                "Signs a change of a variable, as firmware and 'efi-updatevar' take it. An empty "
                "file with\n--raw clears the variable.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister secureboot sign dbx.esl --variable dbx --append --key keys/KEK.key \\\n"
                "      --cert keys/KEK.crt --output dbx.auth\n",
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "one file of signature lists expected");
    if (o.variable == NULL || o.key == NULL || o.certificate == NULL || o.output == NULL)
        return cli_usage_error(&usage, "--variable, --key, --cert and --output are needed");
    return sign(&o, operands.items[0], &err) ? CLI_YES : fail_with("secureboot sign", &err);
}

/* --- verify --- */

/* Signed for appending or for replacing: most files do not say which. */
static bool verify_either(const struct secureboot_file *file, struct clo_efi_variable *variable,
                          const struct clo_certificate *anchor, struct clo_certificate **signer,
                          struct clo_error *err)
{
    const struct clo_efi_auth *auth = &file->auth;

    if (file->has_attributes) {
        variable->attributes = file->attributes;
        return clo_efi_auth_verify(auth, variable, anchor, signer, err);
    }
    variable->attributes = CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND;
    if (clo_efi_auth_verify(auth, variable, anchor, signer, err))
        return true;
    if (err->status != CLO_ERR_REFUSED)
        return false; /* signed for appending, by somebody else */
    variable->attributes = CLO_EFIVAR_SECURE;
    return clo_efi_auth_verify(auth, variable, anchor, signer, err);
}

bool secureboot_verify(const struct secureboot_file *file, struct clo_efi_variable *variable,
                       struct clo_bytes anchors, struct clo_certificate **signer,
                       struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(anchors);
    struct clo_signature_entry entry;
    struct clo_error why = { 0 };

    clo_fail(&why, CLO_ERR_REFUSED, "there is no certificate that could allow it");
    while (clo_signature_next(&walk, &entry, err)) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_error ignored;
        if (clo_guid_equal(&entry.type, &clo_guid_cert_x509) &&
            clo_certificate_parse(entry.data, &certificate, &ignored) &&
            verify_either(file, variable, certificate, signer, &why))
            return true;
    }
    if (err->status == CLO_OK)
        *err = why;
    return false;
}

struct verify_options {
    const char *variable, *vendor, *store;
    struct cli_list certificates;
    bool json;
};

static bool verify(const struct verify_options *o, const struct secureboot_file *file,
                   struct clo_efi_variable *variable, struct clo_certificate **signer,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer anchors = { 0 };
    static const struct clo_guid nobody;

    if (!find_variable(o->variable, o->vendor, variable, err))
        return false;
    for (size_t i = 0; i < o->certificates.count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!cli_read_certificate(o->certificates.items[i], &certificate, err))
            return false;
        clo_signature_list_x509(&nobody, clo_certificate_der(certificate), &anchors);
    }
    if (!clo_buffer_ok(&anchors))
        return clo_out_of_memory(err);
    return secureboot_verify(file, variable, clo_buffer_bytes(&anchors), signer, err);
}

int cmd_secureboot_verify(int argc, char **argv)
{
    struct verify_options o = { .variable = "dbx" };
    const struct cli_option options[] = {
        { "--variable", "NAME", "which variable it is for (dbx)", .text = &o.variable },
        { "--vendor", "GUID", "of a variable with another name", .text = &o.vendor },
        { "--cert", "FILE", "a certificate of KEK, or PK's (repeatable, required)",
          .list = &o.certificates },
        { "--json", NULL, "print one JSON document", .flag = &o.json },
    };
    const struct cli_usage usage = {
        .command = "secureboot verify",
        .arguments = "AUTH --cert FILE",
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
    struct cli_list operands;
    struct clo_error err;
    char time[CLO_EFI_TIME_TEXT];
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1 || o.certificates.count == 0)
        return cli_usage_error(&usage, "one file and --cert are needed");
    if (!secureboot_read(operands.items[0], NULL, &file, &err))
        return fail_with("secureboot verify", &err);
    if (!file.is_auth) {
        clo_fail(&err, CLO_ERR_FORMAT, "%s: no authenticated variable", operands.items[0]);
        return fail_with("secureboot verify", &err);
    }
    if (!verify(&o, &file, &variable, &signer, &err) ||
        !clo_signature_lists_check(file.lists, &count, &err)) {
        clo_wrap(&err, "%s", operands.items[0]);
        return fail_with("secureboot verify", &err);
    }
    bool is_append = (variable.attributes & CLO_EFIVAR_APPEND) != 0;
    clo_efi_time_text(file.auth.time, time);
    if (o.json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:I}", "variable", o.variable, "append",
                                 is_append, "time", time, "signer", clo_certificate_subject(signer),
                                 "entries", (json_int_t)count);
        return cli_print_json(json, &err) ? CLI_YES : fail_with("secureboot verify", &err);
    }
    printf("%s %s: %zu entries, signed by %s, time %s\n", is_append ? "appends to" : "replaces",
           o.variable, count, clo_certificate_subject(signer), time);
    return CLI_YES;
}

/* --- apply --- */

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

    if (!find_variable(o->variable, NULL, &variable, err) ||
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
    return apply(&o, operands.items[0], &err) ? CLI_YES : fail_with("secureboot apply", &err);
}
