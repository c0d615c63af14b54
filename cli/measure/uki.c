/* cloister measure uki: the PCRs of a boot that starts this unified kernel image. */
#include "cli/measure/measure.h"
#include "cli/measure/pcrs.h"
#include "cli/measure/separator.h"
#include "device/file.h"

static bool read_uki(const char *path, struct measure *options, struct clo_error *err)
{
    struct clo_boot_disk *boot = &options->boot;

    if (options->load_options != NULL &&
        (size_t)snprintf(boot->options, sizeof boot->options, "%s", options->load_options) >=
                sizeof boot->options)
        return clo_fail(err, CLO_ERR_USAGE, "--load-options: too long");
    return cli_read_pe(path, &boot->uki, err) &&
           (options->shim == NULL || cli_read_pe(options->shim, &boot->shim, err)) &&
           cli_companions_read(&options->beside, &options->loader, &boot->companions, err) &&
           (boot->companions.count == 0 ||
            cli_companions_warn(clo_buffer_bytes(&boot->uki), &boot->companions, err));
}

int cmd_measure_uki(int argc, char **argv)
{
    CLO_CLEANUP(measure_free) struct measure options = { 0 };
    const struct cli_option table[] = {
        { "--bank", "NAME", "sha1, sha256, sha384 or sha512 (repeatable); default sha256",
          .list = &options.bank_names, .values = "sha1 sha256 sha384 sha512" },
        { "--varstore", "FILE", "the firmware's variable store: predicts PCR 7 too",
          .text = &options.varstore },
        { "--no-secure-boot", NULL, "without a variable store: Secure Boot will be off",
          .flag = &options.without_secure_boot },
        { "--companion", "FILE",
          "what will lie in the UKI's .extra.d: an add-on, a credential, an extension (repeatable)",
          .list = &options.beside },
        { "--loader-companion", "FILE",
          "what will lie below loader/ on the ESP, by its kind (repeatable)",
          .list = &options.loader },
        { "--load-options", "TEXT", "what the boot entry passes: \"@1\" for the second profile",
          .text = &options.load_options },
        { "--shim", "FILE", "the shim that firmware starts, and that starts the UKI",
          .text = &options.shim },
        { "--mok-list", "FILE", MOK_LIST_HELP, .text = &options.mok_list },
        { "--mok-list-x", "FILE", MOK_LIST_X_HELP, .text = &options.mok_list_x },
        { "--output", "FILE", "write a reference file", .text = &options.output },
        { "--json", NULL, "print one JSON document", .flag = &options.json },
    };
    const struct cli_usage usage = {
        .command = "measure uki",
        .arguments = "UKI",
        .operands = { "one UKI", 1, 1 },
        .summary = "Predicts the PCRs of a boot that starts this unified kernel image from the "
                   "firmware.\nPCR 11 is told for each phase of the boot.",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister measure uki demo.efi --bank sha256 --bank sha384\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_is_no_input("--output", options.output, operands.items[0], &err))
        return cli_usage_error(&usage, "%s", err.text);
    if (options.varstore != NULL && options.without_secure_boot)
        return cli_usage_error(&usage, "--varstore says itself whether Secure Boot is on");
    if (options.shim == NULL && (options.mok_list != NULL || options.mok_list_x != NULL))
        return cli_usage_error(&usage, "--mok-list and --mok-list-x are a shim's: --shim is "
                                       "missing");
    struct clo_prediction from = { .name = cli_base_name(operands.items[0]) };
    bool ok = read_uki(operands.items[0], &options, &err);
    ok = ok &&
         (measure_pcrs(&options, &from, false, &err) || clo_wrap(&err, "%s", operands.items[0]));
    if (ok)
        measure_note_initrd(clo_buffer_bytes(&options.boot.uki));
    return ok ? CLI_YES : cli_fail("measure uki", &err);
}
