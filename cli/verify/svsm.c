/* cloister verify svsm: SEV-SNP with a service module at VMPL 0, and the quote of the TPM that it is. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

static bool add_files(const struct verify_tpm_files *files, const char *report,
                      const char *manifest, struct clo_evidence *evidence, struct clo_error *err)
{
    return (report == NULL || evidence_file_add(report, CLO_EVIDENCE_SNP_REPORT, evidence, err)) &&
           (manifest == NULL ||
            verify_add_file(evidence, CLO_EVIDENCE_SVSM_MANIFEST, manifest, err)) &&
           verify_add_tpm(evidence, files, err);
}

int cmd_verify_svsm(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *report = NULL, *manifest = NULL, *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { "--report", "FILE", "the report of VMPL 0", .text = &report },
        { "--manifest", "FILE", "the services' manifest, which it binds", .text = &manifest },
    };
    size_t count = 2;
    verify_add_tpm_options(&files, &ak, table, &count);
    verify_add_challenge_options(&files, table, &count);
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify svsm",
        .arguments = "[EVIDENCE | --report FILE --manifest FILE]",
        .operands = { "at most one file of evidence", 0, 1 },
        .summary =
                "Checks the evidence of an SEV-SNP guest with a service module (SVSM) at VMPL 0: "
                "the\nreport, the manifest of services that it binds together with the nonce, and "
                "the quote of\nthe TPM that the module is. The manifest names that TPM's "
                "endorsement key; that the key\nof the quote is in the same TPM, its answer to "
                "'evidence challenge' shows. EVIDENCE is\nwhat 'evidence collect' wrote.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify svsm evidence.json --challenge challenge.json "
                   "--answer answer\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    bool has_files = report != NULL && manifest != NULL;
    if (operands.count == 0 && !has_files)
        return cli_usage_error(&usage, "EVIDENCE is missing, or --report and --manifest");
    if (operands.count > 0 && (report != NULL || manifest != NULL))
        return cli_usage_error(&usage, "either EVIDENCE or --report and --manifest");
    if ((files.quote == NULL) != (files.signature == NULL))
        return cli_usage_error(&usage, "--quote and --signature belong together");
    if (operands.count > 0 ? !verify_load(&o, &inputs, &err) ||
                                     !verify_load_bundle(operands.items[0], &evidence, &err)
                           : !verify_begin(&o, &inputs, &evidence, &err))
        return verify_fail(&err);
    if (operands.count > 0 && o.nonce != NULL)
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    if ((ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        !verify_load_challenge(&files, &inputs, &err) ||
        !add_files(&files, report, manifest, evidence, &err))
        return verify_fail(&err);
    if (!clo_evidence_has(evidence, CLO_EVIDENCE_SVSM_MANIFEST)) {
        clo_fail(&err, CLO_ERR_FORMAT, "%s: has no manifest of an SVSM's services",
                 operands.items[0]);
        return verify_fail(&err);
    }
    return verify_run(evidence, &o, &inputs);
}
