/* cloister verify gce: the quote of a vTPM of Google's, whose key Google vouches for. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

int cmd_verify_gce(int argc, char **argv)
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
        .command = "verify gce",
        .arguments = "[EVIDENCE | --quote FILE --signature FILE --ak-cert FILE]",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary = "Checks a quote of a GCE instance's vTPM: the certificate of its key up to "
                   "Google's root,\nwhich instance it names, the quote, PCR values and event log. "
                   "GCE's vTPM lies outside of the\nconfidential VM, also on SEV-SNP and TDX "
                   "machines: the result is the word of the cloud and\nnever better than a "
                   "warning. EVIDENCE is what go-tpm-tools write. Issuers of the\ncertificate are "
                   "given with --cert.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify gce attestation.pb --cert ek_ak_ca.pem --nonce 6368\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count == 0 &&
        (files.quote == NULL || files.signature == NULL || files.ak_certificate == NULL))
        return cli_usage_error(&usage, "--quote, --signature and --ak-cert are needed");
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        (ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        !verify_add_tpm(evidence, &files, &err) ||
        (operands.count > 0 &&
         !evidence_file_add(operands.items[0], CLO_EVIDENCE_TPM_QUOTE, evidence, &err)))
        return verify_fail(&err);
    inputs.inputs.must_be_gce = true;
    return verify_run(evidence, &o, &inputs);
}
