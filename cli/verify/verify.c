#include <string.h>

#include "device/file.h"

#include "cli/verify/common.h"

static int verify_bundle(int argc, char **argv)
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

int cmd_verify(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } forms[] = {
        { "snp", cmd_verify_snp },
        { "tdx", cmd_verify_tdx },
        { "azure", cmd_verify_azure },
        { "tpm", cmd_verify_tpm },
    };

    for (size_t i = 0; argc > 1 && i < CLO_COUNT(forms); i++)
        if (strcmp(argv[1], forms[i].name) == 0)
            return forms[i].run(argc - 1, argv + 1);
    int status = verify_bundle(argc, argv);
    /* Help, man pages and completions are made from this list. */
    for (size_t i = 0; argc == 2 && strcmp(argv[1], "--help=commands") == 0 && i < CLO_COUNT(forms);
         i++)
        status = forms[i].run(argc, argv);
    return status;
}
