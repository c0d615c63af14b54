/* cloister secureboot sign: a change of a variable, signed as firmware takes it. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/written.h"
#include "device/file.h"
#include "image/uki/work.h"

struct sign_options {
    struct cli_written written;
    const char *variable, *vendor, *key, *passphrase, *certificate, *time, *output;
    struct clo_list providers;
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

    if (!secureboot_find_variable(o->variable, o->vendor, &variable, err) ||
        !cli_time(o->time, &when, err) ||
        !uki_key_read(o->key, o->passphrase, &o->providers, &key, err) ||
        !clo_certificate_file(o->certificate, &certificate, err))
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
        { "--variable", "NAME", "PK, KEK, db, dbx, … (required)", .text = &o.variable,
          .values = "PK KEK db dbx" },
        { "--vendor", "GUID", "of a variable with another name", .text = &o.vendor },
        { "--key", "FILE|URI",
          "PK's for PK and KEK, KEK's for db and dbx: PEM, or pkcs11:…, handle:… (required)",
          .text = &o.key },
        { "--key-passphrase-file", "FILE", "its passphrase or PIN; \"-\" and pipes will do",
          .text = &o.passphrase },
        { "--provider", "NAME", "an OpenSSL provider to load, for a key elsewhere (repeatable)",
          .list = &o.providers },
        { "--cert", "FILE", "its certificate (required)", .text = &o.certificate },
        { "--append", NULL, "appends to the variable instead of replacing it", .flag = &o.append },
        { "--time", "TIME", "RFC 3339 (now): a change that replaces must be newer than the last",
          .text = &o.time },
        { "--raw", NULL, "the data is anything, not signature lists", .flag = &o.raw },
        { "--output", "FILE", "the .auth file (required)", .text = &o.output },
        CLI_WRITTEN_OPTION(o.written),
    };
    const struct cli_usage usage = {
        .command = "secureboot sign",
        .arguments = "LISTS --variable NAME --key FILE --cert FILE --output FILE",
        .operands = { "one file of signature lists", 1, 1 },
        .summary =
                "Signs a change of a variable, as firmware and 'efi-updatevar' take it. An empty "
                "file with\n--raw clears the variable.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister secureboot sign dbx.esl --variable dbx --append --key keys/KEK.key \\\n"
                "      --cert keys/KEK.crt --output dbx.auth\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.variable == NULL || o.key == NULL || o.certificate == NULL || o.output == NULL)
        return cli_usage_error(&usage, "--variable, --key, --cert and --output are needed");
    if (!cli_written_check(&o.written, o.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return sign(&o, operands.items[0], &err) && cli_written_tell(&o.written, o.output, &err)
                   ? CLI_YES
                   : cli_fail("secureboot sign", &err);
}
