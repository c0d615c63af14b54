/* cloister verify azure: the quote of a vTPM with the report that vouches for it. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

int cmd_verify_azure(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *hcl = NULL;
    const char *td_quote = NULL;
    const char *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { .name = "--td-quote",
          .argument = "FILE",
          .help = "the TDX quote of the TD in the HCL report",
          .text = &td_quote },
        { .name = "--hcl",
          .argument = "FILE",
          .help = "the HCL report, as NV index 0x01400001 holds it",
          .text = &hcl },
    };
    size_t count = 2;
    verify_add_tpm_options(&files, &ak, table, &count);
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify azure",
        .arguments = "[EVIDENCE | --hcl FILE --quote FILE --signature FILE]",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary = "Checks the evidence of an Azure confidential VM: the hardware report inside "
                   "the HCL\nreport, the vTPM's key that it binds, and the quote by that key. "
                   "EVIDENCE "
                   "is all of it in\none file, as Trustee's clients send it.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify azure --hcl hcl_report.bin --quote quote.msg \\\n"
                   "      --signature quote.sig --pcrs pcrs.json --cert vcek.der --nonce 6368\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (hcl == NULL && operands.count == 0)
        return cli_usage_error(&usage, "--hcl is missing");
    if ((files.quote == NULL) != (files.signature == NULL))
        return cli_usage_error(&usage, "--quote and --signature belong together");
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        (ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        (hcl != NULL && !evidence_file_add(hcl, CLO_EVIDENCE_HCL_REPORT, evidence, &err)) ||
        (td_quote != NULL &&
         !evidence_file_add(td_quote, CLO_EVIDENCE_TDX_QUOTE, evidence, &err)) ||
        !verify_add_tpm(evidence, &files, &err) ||
        (operands.count > 0 &&
         !evidence_file_add(operands.items[0], CLO_EVIDENCE_HCL_REPORT, evidence, &err)))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
