/* cloister verify: a bundle of evidence. */
#include "cli/verify/common.h"
#include "device/file.h"

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
        .summary = "Checks a bundle of evidence: that it is authentic, that its pieces belong "
                   "together,\nand, with reference values and a policy, that it is acceptable. "
                   "Single files are\nfor 'verify snp', 'verify tdx', 'verify azure' and 'verify "
                   "tpm'.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify evidence.json --policy policy.json \\\n"
                   "      --reference demo.ref.json --reference firmware.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "one bundle expected");
    if (!verify_load(&o, &inputs, &err))
        return verify_fail(&err);
    if (!clo_file_read(operands.items[0], CLO_EVIDENCE_LIMIT, &file, &err))
        return verify_fail(&err);
    if (!clo_evidence_parse(clo_buffer_bytes(&file), &evidence, &err)) {
        clo_wrap(&err, "%s", operands.items[0]);
        return verify_fail(&err);
    }
    if (o.nonce != NULL && clo_evidence_has(evidence, CLO_EVIDENCE_RUNTIME_DATA))
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    else if (!verify_load_nonce_hex(&o, &inputs, &err))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
