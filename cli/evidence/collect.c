/* cloister evidence collect: what this machine can show for itself, for a verifier elsewhere. */
#include <string.h>

#include "cli/evidence/evidence.h"
#include "cli/evidence/hardware.h"
#include "cloister/resource.h"
#include "device/file.h"
#include "device/nsm.h"
#include "guest/measure.h"
#include "guest/platform.h"
#include "guest/unlock.h"
#include "net/imds.h"

struct collect_options {
    const char *nonce, *report_data, *resource, *tpm, *eventlog, *imds, *output;
    const char *platform, *sysroot, *ak, *ek;
    bool only_detect, json;
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

/* What fits the machine, bound to the runtime data. Where a processor's report is expected and does not come, nothing lesser is put in
 * its place. */
static bool collect_for(const struct collect_options *options, enum clo_platform platform,
                        const struct clo_collector *collector, struct clo_bytes runtime_data,
                        struct clo_evidence **out, struct clo_error *err)
{
    struct clo_tpm_identity identity = { .ek = 0 };

    if (!evidence_tpm_handle("--ak", options->ak, &identity.ak, err) ||
        !evidence_tpm_handle("--ek", options->ek, &identity.ek, err))
        return false;
    switch (platform) {
    case CLO_PLATFORM_ENCLAVE:
    case CLO_PLATFORM_NITRO_TPM:
        return clo_collect_nitro(collector, runtime_data, out, err);
    case CLO_PLATFORM_SVSM:
        return clo_collect_svsm(collector, runtime_data, &identity, out, err);
    case CLO_PLATFORM_GCE:
    case CLO_PLATFORM_TPM:
        return clo_collect_tpm(collector, runtime_data, &identity, platform == CLO_PLATFORM_GCE,
                               out, err);
    default:
        return clo_collect(collector, runtime_data, out, err);
    }
}

/* Bound to a nonce; or the hardware's word alone over given data. */
static bool collect_from(const struct collect_options *options, enum clo_platform platform,
                         const struct clo_collector *collector, struct clo_evidence **out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime_data = { 0 };
    uint8_t data[EVIDENCE_REPORT_DATA_SIZE];

    if (options->report_data != NULL)
        return evidence_report_data(options->report_data, data, err) &&
               clo_collect_bare(collector, clo_bytes(data, sizeof data), out, err);
    return make_runtime_data(options->nonce, options->resource, &runtime_data, err) &&
           collect_for(options, platform, collector, clo_buffer_bytes(&runtime_data), out, err);
}

/* What was found, or what the caller says. */
static bool find_platform(const struct collect_options *options, struct clo_tpm *tpm,
                          struct clo_platform_found *out, struct clo_error *err)
{
    if (options->platform == NULL) {
        clo_platform_find(options->sysroot, tpm, out);
        return true;
    }
    *out = (struct clo_platform_found){ .reason_count = 1 };
    snprintf(out->reasons[0], sizeof out->reasons[0], "--platform says so");
    return clo_platform_from_name(options->platform, &out->platform) ||
           clo_fail(err, CLO_ERR_USAGE, "--platform %s: unknown", options->platform);
}

static bool open_tpm(const struct collect_options *options, struct clo_tpm **out,
                     struct clo_error *err)
{
    return options->report_data != NULL || clo_tpm_open(options->tpm, out, err) ||
           err->status == CLO_ERR_UNAVAILABLE;
}

static bool collect(const struct collect_options *options, struct clo_platform_found *found,
                    struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer userlog = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_hardware_request request;
    struct clo_error ignored;
    char nsm[4200];

    snprintf(nsm, sizeof nsm, "%s" CLO_NSM_DEVICE, options->sysroot);
    if (!evidence_hardware_request(&options->devices, &request, err) ||
        !open_tpm(options, &tpm, err) || !find_platform(options, tpm, found, err))
        return false;
    if (options->only_detect)
        return true;
    if (!clo_file_read(CLO_MEASURE_LOG, CLO_FILE_LIMIT, &userlog, &ignored))
        userlog.size = 0; /* nothing was measured by user space */
    const struct clo_collector collector = { .tpm = tpm,
                                             .hardware = evidence_hardware(&options->devices),
                                             .request = &request,
                                             .eventlog = options->eventlog,
                                             .ccel = CLO_COLLECT_CCEL,
                                             .nsm = found->platform == CLO_PLATFORM_ENCLAVE ? nsm
                                                                                            : NULL,
                                             .imds = options->imds,
                                             .userlog = clo_buffer_bytes(&userlog) };
    return collect_from(options, found->platform, &collector, &evidence, err) &&
           clo_evidence_write(evidence, out, err);
}

/* What it was taken for, and why; not where the bundle itself goes to standard output. */
static bool tell(const struct collect_options *options, const struct clo_platform_found *found,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (options->json) {
        json = clo_platform_json(found);
        return json != NULL ? cli_print_json(json, err) : clo_out_of_memory(err);
    }
    printf("%s: %s\n", clo_platform_name(found->platform), clo_platform_title(found->platform));
    for (size_t i = 0; i < found->reason_count; i++)
        printf("  %s\n", found->reasons[i]);
    return true;
}

static const char *lacks(const struct collect_options *o)
{
    bool has_nonce = o->nonce != NULL && o->nonce[0] != '\0';

    if (o->only_detect)
        return o->nonce != NULL || o->report_data != NULL || o->output != NULL
                       ? "--detect collects nothing: neither --nonce, --report-data nor --output"
                       : NULL;
    if (has_nonce == (o->report_data != NULL))
        return "either --nonce or --report-data is needed";
    if (o->json && o->output == NULL)
        return "--json says what was found: the bundle needs --output then";
    if (o->report_data != NULL && o->platform != NULL)
        return "--platform needs --nonce: report data ask the hardware alone";
    return o->resource != NULL && o->nonce == NULL
                   ? "--resource needs --nonce: report data bind nothing else"
                   : NULL;
}

int cmd_evidence_collect(int argc, char **argv)
{
    struct collect_options o = { .tpm = CLO_TPM_DEVICE,
                                 .eventlog = CLO_COLLECT_EVENTLOG,
                                 .imds = CLO_IMDS_URL,
                                 .sysroot = "",
                                 .devices = evidence_device_defaults };
    struct cli_option options[13 + EVIDENCE_DEVICE_OPTIONS] = {
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
        { "--platform", "NAME", "what this machine is, instead of finding it out",
          .text = &o.platform, .values = "azure nitro-enclave svsm snp tdx nitro-tpm gce tpm" },
        { "--detect", NULL, "say what this machine is, and why, and collect nothing",
          .flag = &o.only_detect },
        { "--json", NULL, "say it as one JSON document", .flag = &o.json },
        { "--sysroot", "DIR", "look for /sys and /dev there", .text = &o.sysroot },
        { "--ak", "HANDLE", "a TPM alone: its attestation key (0x81000003, else one that is made)",
          .text = &o.ak },
        { "--ek", "HANDLE", "and its endorsement key (0x81010001 and others)", .text = &o.ek },
    };
    size_t option_count = 13;
    evidence_add_device_options(&o.devices, options, &option_count);
    const struct cli_usage usage = {
        .command = "evidence collect",
        .arguments = "--nonce TEXT",
        .summary =
                "Finds out, in the guest, what kind of machine this is, and collects what proves "
                "it, "
                "bound to\nthe nonce: the hardware report from the vTPM, a report or quote of the "
                "hardware's own, that\nof an SVSM and its manifest, a document of AWS's, or what a "
                "TPM alone says, with certificates\nand event logs. What was found decides only "
                "what is collected; what it is worth is for\n'cloister verify' to say, elsewhere.",
        .options = options,
        .option_count = option_count,
        .example = "  cloister evidence collect --nonce \"$NONCE\" --output evidence.json\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    struct clo_platform_found found = { .platform = CLO_PLATFORM_NONE };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    const char *missing = lacks(&o);
    if (missing != NULL)
        return cli_usage_error(&usage, "%s", missing);
    bool ok = collect(&o, &found, &bundle, &err);
    if (ok && o.output != NULL)
        ok = clo_file_write(o.output, clo_buffer_bytes(&bundle), 0644, &err);
    if (ok && (o.only_detect || o.output != NULL))
        ok = tell(&o, &found, &err);
    if (!ok)
        return cli_fail("evidence collect", &err);
    if (o.output == NULL && !o.only_detect) {
        cli_print(clo_buffer_bytes(&bundle));
        (void)putchar('\n');
    }
    return CLI_YES;
}
