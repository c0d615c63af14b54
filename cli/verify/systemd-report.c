/* cloister verify systemd-report: a signed report of systemd's, signature by signature. */
#include <string.h>

#include "cli/evidence/file.h"
#include "cli/verify/common.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "lib/evidence/systemd_report.h"

struct run {
    const struct verify_options *options;
    struct verify_inputs *inputs;
    const char *ak_certificate;
    json_t *signatures; /* with --json */
    size_t appraised;
    bool is_refused;
};

static bool say(struct run *run, const char *mechanism, const struct clo_appraisal *appraisal,
                struct clo_error *err)
{
    if (!run->options->json) {
        printf("%ssignature: %s\n", run->appraised > 1 ? "\n" : "", mechanism);
        verify_print(appraisal, run->options->quiet);
        return true;
    }
    json_t *json = clo_appraisal_json(appraisal);
    if (json == NULL || json_object_set_new(json, "mechanism", clo_json_text(mechanism)) != 0 ||
        json_array_append_new(run->signatures, json) != 0)
        return clo_out_of_memory(err);
    return true;
}

/* Its key vouches for itself: anyone who changes the report makes another. */
static bool pass_over(struct run *run, const char *mechanism, const char *why,
                      struct clo_error *err)
{
    if (!run->options->json) {
        printf("signature: %s: not looked at: %s\n", mechanism, why);
        return true;
    }
    return json_array_append_new(run->signatures,
                                 json_pack("{s:o, s:s}", "mechanism", clo_json_text(mechanism),
                                           "passed_over", why)) == 0 ||
           clo_out_of_memory(err);
}

/* The key that was given is a TPM's. */
static bool appraise(struct run *run, const char *mechanism, const struct clo_evidence *evidence,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    bool is_tpm = clo_evidence_has(evidence, CLO_EVIDENCE_TPM_AK);
    struct clo_appraise_inputs inputs;

    if (!verify_fetch(run->options, evidence, run->inputs, err))
        return false;
    inputs = run->inputs->inputs;
    if (!is_tpm)
        inputs.ak = NULL;
    if (!clo_appraise(evidence, &inputs, &appraisal, err))
        return false;
    run->appraised++;
    run->is_refused |= clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED;
    return say(run, mechanism, appraisal, err);
}

static bool run_one(struct run *run, const struct systemd_report *report, size_t at,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    const char *mechanism = report->signatures[at].mechanism;

    if (!clo_evidence_new(&evidence, err))
        return false;
    if (!systemd_report_evidence(report, at, evidence, err))
        return err->status == CLO_ERR_UNSUPPORTED && pass_over(run, mechanism, err->text, err);
    if (run->ak_certificate != NULL && clo_evidence_has(evidence, CLO_EVIDENCE_TPM_AK) &&
        !verify_add_ak_certificates(evidence, run->ak_certificate, err))
        return false;
    return appraise(run, mechanism, evidence, err);
}

static bool finish(struct run *run, const struct systemd_report *report, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (run->appraised == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "no signature of the report is one that hardware or a TPM made");
    if (!run->options->json)
        return true;
    json = json_pack("{s:O, s:O}", "report", report->json, "signatures", run->signatures);
    return json != NULL ? cli_print_json(json, err) : clo_out_of_memory(err);
}

static bool run_all(struct run *run, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(systemd_report_free) struct systemd_report report = { .count = 0 };

    if (!clo_file_read(path, CLO_EVIDENCE_LIMIT, &file, err))
        return false;
    if (!systemd_report_parse(clo_buffer_bytes(&file), &report, err))
        return clo_wrap(err, "%s", path);
    for (size_t i = 0; i < report.count; i++)
        if (!run_one(run, &report, i, err))
            return clo_wrap(err, "%s", path);
    return finish(run, &report, err) || clo_wrap(err, "%s", path);
}

int cmd_verify_systemd_report(int argc, char **argv)
{
    struct verify_options o = { 0 };
    const char *ak = NULL, *ak_certificate = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { .name = "--ak",
          .argument = "FILE",
          .help = "the key of the TPM that signs: PEM, JWK, a certificate, TPMT_PUBLIC or its JSON",
          .text = &ak },
        { .name = "--ak-cert",
          .argument = "FILE",
          .help = "its certificate, which the TPM's maker issued: counts up to a --root",
          .text = &ak_certificate },
    };
    size_t count = 2;
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify systemd-report",
        .arguments = "REPORT",
        .operands = { "one report", 1, 1 },
        .summary =
                "Checks a report that systemd-report signed (systemd 262): each signature of "
                "hardware (tsm) and\nof a TPM (tpm2) is appraised by itself. A TPM's are a quote, "
                "certified NvPCRs and the audit of\nthe session in which they were made. --nonce "
                "is a text that must be the value of a metric.",
        .options = table,
        .option_count = count,
        .example = "  systemd-report generate --sign=require-one >report.seq\n"
                   "  cloister verify systemd-report report.seq --ak ak.pem --reference "
                   "demo.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *signatures = json_array();
    struct run run = { &o, &inputs, NULL, signatures, 0, false };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (ak != NULL && ak_certificate != NULL)
        return cli_usage_error(&usage, "either --ak or --ak-cert");
    run.ak_certificate = ak_certificate;
    if (!verify_load(&o, &inputs, &err) || (ak != NULL && !verify_load_ak(ak, &inputs, &err)))
        return verify_fail(&err);
    if (o.nonce != NULL)
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    if (!run_all(&run, operands.items[0], &err))
        return verify_fail(&err);
    return run.is_refused ? CLI_NO : CLI_YES;
}
