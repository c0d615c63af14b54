/* cloister evidence collect: what this machine can show for itself, for a verifier elsewhere. */
#include <string.h>

#include "cli/evidence/evidence.h"
#include "cli/evidence/hardware.h"
#include "cloister/resource.h"
#include "device/file.h"
#include "guest/measure.h"
#include "guest/unlock.h"
#include "net/imds.h"

struct collect_options {
    const char *nonce, *report_data, *resource, *tpm, *eventlog, *imds, *output;
    struct evidence_device_options devices;
};

/* A nonce needs a key next to it: one that nobody keeps. */
static bool make_runtime_data(const char *nonce, const char *resource, struct clo_buffer *out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    return (resource == NULL || clo_resource_template_check(resource, err)) &&
           clo_private_key_new(CLO_KEY_P256, 0, &key, err) &&
           clo_unlock_runtime_data(nonce, resource, key, &json, out, err);
}

/* Bound to a nonce, with whatever vTPM there is; or the hardware's word alone over given data. */
static bool collect_from(const struct collect_options *options,
                         const struct clo_collector *collector, struct clo_evidence **out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime_data = { 0 };
    uint8_t data[EVIDENCE_REPORT_DATA_SIZE];

    if (options->report_data != NULL)
        return evidence_report_data(options->report_data, data, err) &&
               clo_collect_bare(collector, clo_bytes(data, sizeof data), out, err);
    return make_runtime_data(options->nonce, options->resource, &runtime_data, err) &&
           clo_collect(collector, clo_buffer_bytes(&runtime_data), out, err);
}

static bool collect(const struct collect_options *options, struct clo_buffer *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer userlog = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_hardware_request request;
    struct clo_error ignored;

    if (!evidence_hardware_request(&options->devices, &request, err))
        return false;
    if (options->report_data == NULL && !clo_tpm_open(options->tpm, &tpm, err) &&
        err->status != CLO_ERR_UNAVAILABLE)
        return false;
    if (!clo_file_read(CLO_MEASURE_LOG, CLO_FILE_LIMIT, &userlog, &ignored))
        userlog.size = 0; /* nothing was measured by user space */
    const struct clo_collector collector = { .tpm = tpm,
                                             .hardware = evidence_hardware(&options->devices),
                                             .request = &request,
                                             .eventlog = options->eventlog,
                                             .ccel = CLO_COLLECT_CCEL,
                                             .imds = options->imds,
                                             .userlog = clo_buffer_bytes(&userlog) };
    return collect_from(options, &collector, &evidence, err) &&
           clo_evidence_write(evidence, out, err);
}

int cmd_evidence_collect(int argc, char **argv)
{
    struct collect_options o = { .tpm = CLO_TPM_DEVICE,
                                 .eventlog = CLO_COLLECT_EVENTLOG,
                                 .imds = CLO_IMDS_URL,
                                 .devices = evidence_device_defaults };
    struct cli_option options[10 + EVIDENCE_DEVICE_OPTIONS] = {
        { "--nonce", "TEXT", "what the verifier gave out, as it gave it", .text = &o.nonce },
        { "--report-data", "HEX",
          "instead: what the hardware report binds, 1 to 64 bytes; no vTPM is asked",
          .text = &o.report_data },
        { "--resource", "PATH",
          "with --nonce: the broker's resource that the evidence is to open; default none",
          .text = &o.resource },
        { "--output", "FILE", "where the bundle goes; default standard output", .text = &o.output },
        { "--tpm", "DEVICE", "default " CLO_TPM_DEVICE, .text = &o.tpm },
        { "--eventlog", "FILE", "the firmware's log; default the kernel's copy",
          .text = &o.eventlog },
        { "--imds", "URL",
          "Azure's metadata service, asked in Azure's guests only; default " CLO_IMDS_URL,
          .text = &o.imds },
    };
    size_t option_count = 7;
    evidence_add_device_options(&o.devices, options, &option_count);
    const struct cli_usage usage = {
        .command = "evidence collect",
        .arguments = "--nonce TEXT",
        .summary =
                "Collects, in the guest, what proves it: the hardware report from the vTPM, or a "
                "report\nor quote of the hardware's own, certificates, a TPM quote, event logs; "
                "bound to the nonce.\nWhat it is worth is for 'cloister verify' to say, elsewhere.",
        .options = options,
        .option_count = option_count,
        .example = "  cloister evidence collect --nonce \"$NONCE\" --output evidence.json\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if ((o.nonce == NULL) == (o.report_data == NULL) || (o.nonce != NULL && o.nonce[0] == '\0'))
        return cli_usage_error(&usage, "either --nonce or --report-data is needed");
    if (o.resource != NULL && o.nonce == NULL)
        return cli_usage_error(&usage, "--resource needs --nonce: report data bind nothing else");
    bool ok = collect(&o, &bundle, &err);
    if (ok && o.output != NULL)
        ok = clo_file_write(o.output, clo_buffer_bytes(&bundle), 0644, &err);
    if (!ok)
        return cli_fail("evidence collect", &err);
    if (o.output == NULL) {
        cli_print(clo_buffer_bytes(&bundle));
        (void)putchar('\n');
    }
    return CLI_YES;
}
