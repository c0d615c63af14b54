/* cloister evidence report: this guest's own hardware report. */
#include "cli/evidence/evidence.h"
#include "cli/evidence/hardware.h"
#include "device/file.h"

struct report_options {
    const char *report_data, *output, *table, *service, *service_guid, *manifest;
    struct evidence_device_options devices;
    uint64_t service_version;
};

static bool write_optional(const char *path, const struct clo_buffer *bytes, const char *what,
                           struct clo_error *err)
{
    if (path == NULL)
        return true;
    if (bytes->size == 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: the host gave none", what);
    return clo_file_write(path, clo_buffer_bytes(bytes), 0644, err);
}

static bool get_report(const struct report_options *o, struct clo_hardware_report *out,
                       struct clo_error *err)
{
    const struct clo_hardware from = evidence_hardware(&o->devices);
    struct clo_hardware_request request;
    uint8_t data[EVIDENCE_REPORT_DATA_SIZE];

    if (!evidence_report_data(o->report_data, data, err) ||
        !evidence_hardware_request(&o->devices, &request, err))
        return false;
    if (o->service_version != EVIDENCE_UNSET && o->service_version > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--service-version: too large");
    request.report_data = clo_bytes(data, sizeof data);
    request.service_provider = o->service;
    request.service_guid = o->service_guid;
    request.service_manifest_version =
            o->service_version == EVIDENCE_UNSET ? -1 : (int)o->service_version;
    return clo_hardware_get(&from, &request, out, err) &&
           clo_file_write(o->output, clo_buffer_bytes(&out->report), 0644, err) &&
           write_optional(o->table, &out->table, "certificate table", err) &&
           write_optional(o->manifest, &out->manifest, "manifest", err);
}

int cmd_evidence_report(int argc, char **argv)
{
    struct report_options o = { .devices = evidence_device_defaults,
                                .service_version = EVIDENCE_UNSET };
    struct cli_option options[8 + EVIDENCE_DEVICE_OPTIONS] = {
        { "--report-data", "HEX", "what the report binds: 1 to 64 bytes, zeros after (required)",
          .text = &o.report_data },
        { "--output", "FILE", "the report or quote (required)", .text = &o.output },
        { "--table", "FILE", "SEV-SNP: the host's certificate table, for 'verify snp --cert'",
          .text = &o.table },
        { "--service", "NAME", "of a service provider next to the guest: svsm", .text = &o.service,
          .values = "svsm" },
        { "--service-guid", "GUID", "one of its services (all)", .text = &o.service_guid },
        { "--service-version", "N", "of its manifest (its first)", .number = &o.service_version },
        { "--manifest", "FILE", "the services' manifest", .text = &o.manifest },
    };
    size_t option_count = 7;
    evidence_add_device_options(&o.devices, options, &option_count);
    const struct cli_usage usage = {
        .command = "evidence report",
        .arguments = "--report-data HEX --output FILE",
        .summary = "Asks, in the guest, for a bare hardware report or quote: by configfs-tsm, else "
                   "by\n/dev/sev-guest, else by /dev/tdx_guest and the host's quoting service.",
        .options = options,
        .option_count = option_count,
        .example = "  cloister evidence report --report-data \"$(openssl rand -hex 64)\" \\\n"
                   "      --output report.bin\n",
    };
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report got = { .provider = "" };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (o.report_data == NULL || o.output == NULL)
        return cli_usage_error(&usage, "--report-data and --output are needed");
    if (o.service == NULL && (o.service_guid != NULL || o.manifest != NULL))
        return cli_usage_error(&usage, "--service-guid and --manifest are for --service");
    if (!get_report(&o, &got, &err))
        return cli_fail("evidence report", &err);
    printf("%s: %zu bytes from %s (%s)\n", o.output, got.report.size, got.source, got.provider);
    return CLI_YES;
}
