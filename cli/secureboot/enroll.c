/* cloister secureboot enroll: keys put into a variable store that nobody owns yet. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/written.h"
#include "device/file.h"

static bool add_certificates(const struct clo_list *files, const struct clo_guid *owner,
                             struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(files->items[i], &certificate, err))
            return false;
        clo_signature_list_x509(owner, clo_certificate_der(certificate), out);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

struct enroll {
    const char *input, *output, *dbx, *owner;
    struct clo_list pk, kek, db;
    struct cli_written written;
};

static bool enroll(const struct enroll *in, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer db = { 0 };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file dbx = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer enrolled = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_guid owner;

    if (!cli_guid("--owner", in->owner, &owner, err) ||
        !add_certificates(&in->pk, &owner, &pk, err) ||
        !add_certificates(&in->kek, &owner, &kek, err) ||
        !add_certificates(&in->db, &owner, &db, err) ||
        (in->dbx != NULL && !secureboot_read(in->dbx, "dbx", &dbx, err)) ||
        !cli_read_varstore(in->input, &file, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&file), &store, err))
        return false;
    if (!clo_varstore_enroll(store, clo_buffer_bytes(&pk), clo_buffer_bytes(&kek),
                             clo_buffer_bytes(&db), dbx.lists, &enrolled, err))
        return clo_wrap(err, "%s", in->output);
    return clo_file_write(in->output, clo_buffer_bytes(&enrolled), 0644, err);
}

int cmd_secureboot_enroll(int argc, char **argv)
{
    struct enroll in = { .owner = SECUREBOOT_OWNER };
    const struct cli_option options[] = {
        { "--varstore", "FILE", "the firmware's variable store, such as OVMF_VARS_4M.fd",
          .text = &in.input, .was = "--input" },
        { "--output", "FILE", "where the enrolled store goes", .text = &in.output },
        { "--pk", "FILE", "the platform key's certificate (PEM or DER)", .list = &in.pk },
        { "--kek", "FILE", "a certificate that may change db and dbx (repeatable)",
          .list = &in.kek },
        { "--db", "FILE", "a certificate whose images start (repeatable)", .list = &in.db },
        { "--dbx", "FILE", "what never starts: signature lists, or a dbx update", .text = &in.dbx },
        { "--owner", "GUID", "whose entries these are (default: one GUID for all)",
          .text = &in.owner },
        CLI_WRITTEN_OPTION(in.written),
    };
    static const char example[] =
            "  cloister secureboot enroll --varstore /usr/share/OVMF/OVMF_VARS_4M.fd \\\n"
            "      --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt\n";
    const struct cli_usage usage = {
        .command = "secureboot enroll",
        .arguments = "--varstore FILE --output FILE --pk FILE --kek FILE --db FILE",
        .summary = "Puts keys into a firmware variable store and turns Secure Boot on, without "
                   "booting it.\nWhat PK, KEK and db held before is replaced.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = example,
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (in.input == NULL || in.output == NULL)
        return cli_usage_error(&usage, "--varstore and --output are needed");
    if (in.pk.count != 1)
        return cli_usage_error(&usage, "--pk is needed, once: a machine has one owner");
    if (in.kek.count == 0 || in.db.count == 0)
        return cli_usage_error(&usage, "--kek and --db are needed");
    if (!cli_written_check(&in.written, in.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return enroll(&in, &err) && cli_written_tell(&in.written, in.output, &err) ? CLI_YES
                                                                               : cli_error(&err);
}
