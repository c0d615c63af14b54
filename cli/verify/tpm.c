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
    verify_add_ak_certificate_option(&files, table, &count);
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = {
        .command = "verify tpm",
        .arguments = "[EVIDENCE | --quote FILE --signature FILE] [--ak FILE | --ak-cert FILE]",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary =
                "Checks a TPM's quote against a key that you trust to be a TPM's, or that its "
                "maker's\ncertificate vouches for, and PCR values and event logs against the "
                "quote. It shows nothing\nabout a confidential VM. A key that nobody vouches for "
                "is never more than a warning.\nEVIDENCE is a quote with its signature in one "
                "file, as Trustee's clients and go-tpm-tools\nwrite it.",
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
    if (operands.count == 0 && (files.quote == NULL || files.signature == NULL))
        return cli_usage_error(&usage, "--quote, --signature and --ak are needed");
    if (operands.count == 0 && ak == NULL && files.ak_certificate == NULL)
        return cli_usage_error(&usage, "--ak or --ak-cert is needed");
    if (ak != NULL && files.ak_certificate != NULL)
        return cli_usage_error(&usage,
                               "either --ak or --ak-cert: who gives the key needs no maker");
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        (ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        !verify_add_tpm(evidence, &files, &err) ||
        (operands.count > 0 &&
         !evidence_file_add(operands.items[0], CLO_EVIDENCE_TPM_QUOTE, evidence, &err)))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
