/* cloister verify tpm: a TPM's quote alone. */
#include "cli/verify/common.h"

int cmd_verify_tpm(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_tpm_options(&files, &ak, table, &count);
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = {
        .command = "verify tpm",
        .arguments = "--quote FILE --signature FILE --ak FILE",
        .summary =
                "Checks a TPM's quote against a key that you trust to be a TPM's, and PCR values "
                "and\nevent logs against the quote. It shows nothing about a confidential VM.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify tpm --quote quote.msg --signature quote.sig --ak ak.pem \\\n"
                   "      --pcrs pcrs.json --eventlog binary_bios_measurements --nonce 6368\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "takes no arguments");
    if (files.quote == NULL || files.signature == NULL || ak == NULL)
        return cli_usage_error(&usage, "--quote, --signature and --ak are needed");
    if (!verify_load(&o, &inputs, &err) || !verify_load_nonce_hex(&o, &inputs, &err) ||
        !verify_load_ak(ak, &inputs, &err) || !clo_evidence_new(&evidence, &err) ||
        !verify_add_tpm(evidence, &files, &err))
        return verify_fail(&err);
    inputs.inputs.ak = inputs.ak;
    return verify_run(evidence, &o, &inputs);
}
