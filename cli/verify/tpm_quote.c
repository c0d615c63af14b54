/* A quote of a TPM that no hardware report binds: what verify tpm and verify gce share. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

static const char *lacks(const struct verify_quote_form *form, const struct verify_tpm_files *files,
                         const char *ak, bool has_operand)
{
    bool has_quote = files->quote != NULL && files->signature != NULL;

    if (form->is_gce)
        return has_operand || (has_quote && files->ak_certificate != NULL)
                       ? NULL
                       : "--quote, --signature and --ak-cert are needed";
    if (!has_operand && !has_quote)
        return "--quote, --signature and --ak are needed";
    if (!has_operand && ak == NULL && files->ak_certificate == NULL && files->challenge == NULL)
        return "--ak or --ak-cert is needed";
    if (files->challenge != NULL && files->ak_certificate != NULL)
        return "either --challenge or --ak-cert";
    return ak != NULL && files->ak_certificate != NULL
                   ? "either --ak or --ak-cert: who gives the key needs no maker"
                   : NULL;
}

int verify_quote(const struct verify_quote_form *form, int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX];
    size_t count = 0;
    verify_add_tpm_options(&files, &ak, table, &count);
    verify_add_ak_certificate_option(&files, table, &count);
    if (!form->is_gce)
        verify_add_challenge_options(&files, table, &count);
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = { .command = form->command,
                                     .arguments = form->arguments,
                                     .operands = { "at most one file of evidence", 0, 1 },
                                     .summary = form->summary,
                                     .options = table,
                                     .option_count = count,
                                     .example = form->example };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    const char *missing = lacks(form, &files, ak, operands.count > 0);
    if (missing != NULL)
        return cli_usage_error(&usage, "%s", missing);
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        (ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        !verify_load_challenge(&files, &inputs, &err) || !verify_add_tpm(evidence, &files, &err) ||
        (operands.count > 0 &&
         !evidence_file_add(operands.items[0], CLO_EVIDENCE_TPM_QUOTE, evidence, &err)))
        return verify_fail(&err);
    /* There a manifest says whose endorsement key it is; here its certificate does. */
    if (clo_evidence_has(evidence, CLO_EVIDENCE_SVSM_MANIFEST)) {
        clo_fail(&err, CLO_ERR_FORMAT,
                 "the evidence is of an SVSM: 'cloister verify svsm' is for it");
        return verify_fail(&err);
    }
    inputs.inputs.must_be_gce = form->is_gce;
    return verify_run(evidence, &o, &inputs);
}
