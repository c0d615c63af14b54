#include <string.h>

#include "cloister/hcl.h"
#include "device/file.h"

#include "verify.h"

static int fail_with(struct clo_error *err)
{
    clo_wrap(err, "verify");
    return cli_error(err);
}

static int verify_bundle(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = {
        .command = "verify",
        .arguments = "BUNDLE",
        .summary = "Checks a bundle of evidence: that it is authentic, that its pieces belong "
                   "together,\nand, with reference values and a policy, that it is acceptable. "
                   "Single files are\nfor 'verify snp', 'verify azure' and 'verify tpm'.",
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
        return fail_with(&err);
    if (!clo_file_read(operands.items[0], CLO_EVIDENCE_LIMIT, &file, &err))
        return fail_with(&err);
    if (!clo_evidence_parse(clo_buffer_bytes(&file), &evidence, &err)) {
        clo_wrap(&err, "%s", operands.items[0]);
        return fail_with(&err);
    }
    if (o.nonce != NULL && clo_evidence_has(evidence, CLO_EVIDENCE_RUNTIME_DATA))
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    else if (!verify_load_nonce_hex(&o, &inputs, &err))
        return fail_with(&err);
    return verify_run(evidence, &o, &inputs);
}

static int verify_snp(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_options(&o, table, &count);
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
        return fail_with(&err);
    if (!clo_snp_unwrap(clo_buffer_bytes(&file), &report, &certificates, &err) ||
        (certificates.size > 0 &&
         !clo_snp_certificates_add(&inputs.certificates, certificates, &err))) {
        clo_wrap(&err, "%s", operands.items[0]);
        return fail_with(&err);
    }
    if (!clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT, report, &err))
        return fail_with(&err);
    return verify_run(evidence, &o, &inputs);
}

static void add_tpm_options(struct verify_tpm_files *files, const char **ak,
                            struct cli_option *table, size_t *count)
{
    const struct cli_option options[] = {
        { .name = "--quote", .argument = "FILE", .help = "TPMS_ATTEST", .text = &files->quote },
        { .name = "--signature",
          .argument = "FILE",
          .help = "TPMT_SIGNATURE, or a bare RSASSA signature with SHA-256",
          .text = &files->signature },
        { .name = "--ak",
          .argument = "FILE",
          .help = "the attestation key: PEM, a certificate or TPMT_PUBLIC",
          .text = ak },
        { .name = "--pcrs",
          .argument = "FILE",
          .help = "PCR values, JSON: {\"sha256\": {\"0\": HEX}} or an array",
          .text = &files->pcrs },
        { .name = "--eventlog",
          .argument = "FILE",
          .help = "the firmware's event log",
          .text = &files->eventlog },
        { .name = "--userspace-log",
          .argument = "FILE",
          .help = "systemd's tpm2-measure.log",
          .text = &files->userspace_log },
    };

    memcpy(table + *count, options, sizeof options);
    *count += CLO_COUNT(options);
}

static int verify_azure(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *hcl = NULL;
    const char *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { .name = "--hcl",
          .argument = "FILE",
          .help = "the HCL report, as NV index 0x01400001 holds it",
          .text = &hcl },
    };
    size_t count = 1;
    add_tpm_options(&files, &ak, table, &count);
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = {
        .command = "verify azure",
        .arguments = "--hcl FILE --quote FILE --signature FILE",
        .summary = "Checks the evidence of an Azure confidential VM: the hardware report inside "
                   "the HCL\nreport, the vTPM's key that it binds, and the quote by that key.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify azure --hcl hcl_report.bin --quote quote.msg \\\n"
                   "      --signature quote.sig --pcrs pcrs.json --cert vcek.der --nonce 6368\n",
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
    if (hcl == NULL)
        return cli_usage_error(&usage, "--hcl is missing");
    if ((files.quote == NULL) != (files.signature == NULL))
        return cli_usage_error(&usage, "--quote and --signature belong together");
    if (!verify_load(&o, &inputs, &err) || !verify_load_nonce_hex(&o, &inputs, &err) ||
        (ak != NULL && !verify_load_ak(ak, &inputs, &err)) || !clo_evidence_new(&evidence, &err) ||
        !verify_add_file(evidence, CLO_EVIDENCE_HCL_REPORT, hcl, &err) ||
        !verify_add_tpm(evidence, &files, &err))
        return fail_with(&err);
    inputs.inputs.ak = inputs.ak;
    return verify_run(evidence, &o, &inputs);
}

static int verify_tpm(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    add_tpm_options(&files, &ak, table, &count);
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
        return fail_with(&err);
    inputs.inputs.ak = inputs.ak;
    return verify_run(evidence, &o, &inputs);
}

int cmd_verify(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } forms[] = {
        { "snp", verify_snp },
        { "azure", verify_azure },
        { "tpm", verify_tpm },
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
