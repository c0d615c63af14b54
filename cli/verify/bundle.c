/* cloister verify: a bundle of evidence. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

bool verify_load_bundle(const char *path, struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!evidence_file_import(path, &import, err))
        return false;
    bool is_hardware = import.kind == CLO_IMPORT_EVIDENCE &&
                       (clo_evidence_has(import.evidence, CLO_EVIDENCE_HCL_REPORT) ||
                        clo_evidence_has(import.evidence, CLO_EVIDENCE_SNP_REPORT) ||
                        clo_evidence_has(import.evidence, CLO_EVIDENCE_TDX_QUOTE));
    /* A bundle that lacks it is for the appraisal to refuse. */
    if (!is_hardware && !import.is_bundle)
        return clo_import_refuse(&import, "evidence of a confidential VM", err) ||
               clo_wrap(err, "%s", path);
    *out = CLO_TAKE(import.evidence);
    return true;
}

int cmd_verify_bundle(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify",
        .arguments = "BUNDLE",
        .operands = { "one bundle", 1, 1 },
        .summary = "Checks a bundle of evidence: that it is authentic, that its pieces belong "
                   "together,\nand, with reference values and a policy, that it is acceptable. "
                   "Evidence in the forms of\nother verifiers' clients is taken, too. Single files "
                   "are for 'verify snp', 'tdx',\n'azure', 'gce', 'nitro' and 'tpm'.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify evidence.json --policy policy.json \\\n"
                   "      --reference demo.ref.json --reference firmware.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!verify_load(&o, &inputs, &err))
        return verify_fail(&err);
    if (!verify_load_bundle(operands.items[0], &evidence, &err))
        return verify_fail(&err);
    if (o.nonce != NULL && clo_evidence_has(evidence, CLO_EVIDENCE_RUNTIME_DATA))
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    else if (!verify_load_nonce_hex(&o, &inputs, &err))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
