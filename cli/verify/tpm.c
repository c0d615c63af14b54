/* cloister verify tpm: a TPM's quote alone. */
#include "cli/evidence/file.h"
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
        .arguments = "[EVIDENCE | --quote FILE --signature FILE] --ak FILE",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary =
                "Checks a TPM's quote against a key that you trust to be a TPM's, and PCR values "
                "and\nevent logs against the quote. It shows nothing about a confidential VM. "
                "EVIDENCE is a quote\nwith its signature in one file, as Trustee's clients and "
                "go-tpm-tools write it.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify tpm --quote quote.msg --signature quote.sig --ak ak.pem \\\n"
                   "      --pcrs pcrs.json --eventlog binary_bios_measurements --nonce 6368\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (ak == NULL || (operands.count == 0 && (files.quote == NULL || files.signature == NULL)))
        return cli_usage_error(&usage, "--quote, --signature and --ak are needed");
    if (!verify_load(&o, &inputs, &err) || !verify_load_nonce_hex(&o, &inputs, &err) ||
        !verify_load_ak(ak, &inputs, &err) || !clo_evidence_new(&evidence, &err) ||
        !verify_add_tpm(evidence, &files, &err) ||
        (operands.count > 0 &&
         !evidence_file_add(operands.items[0], CLO_EVIDENCE_TPM_QUOTE, evidence, &err)))
        return verify_fail(&err);
    inputs.inputs.ak = inputs.ak;
    return verify_run(evidence, &o, &inputs);
}
