#include "device/file.h"

#include "verify.h"

int cmd_verify_snp(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify snp",
        .arguments = "REPORT",
        .summary = "Checks an SEV-SNP report: bare, with a certificate table behind it, or in the "
                   "kernel's\nresponse buffer. AMD's own intermediate certificates are built in.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify snp report.bin --cert vcek.der --policy strict\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct cli_list operands;
    struct clo_bytes report;
    struct clo_bytes certificates;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "one report expected");
    if (!verify_load(&o, &inputs, &err) || !verify_load_nonce_hex(&o, &inputs, &err) ||
        !clo_file_read(operands.items[0], CLO_FILE_LIMIT, &file, &err) ||
        !clo_evidence_new(&evidence, &err))
        return verify_fail(&err);
    if (!clo_snp_unwrap(clo_buffer_bytes(&file), &report, &certificates, &err) ||
        (certificates.size > 0 &&
         !clo_snp_certificates_add(&inputs.certificates, certificates, &err))) {
        clo_wrap(&err, "%s", operands.items[0]);
        return verify_fail(&err);
    }
    if (!clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT, report, &err))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
