/* cloister evidence report and extend: this guest's own hardware report, and its RTMRs. */
#include <string.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "device/file.h"

#include "cli/evidence/hardware.h"

#define NUMBER_UNSET UINT64_MAX

static int fail_with(const char *command, struct clo_error *err)
{
    clo_wrap(err, "%s", command);
    return cli_error(err);
}

/* --- What is shared with collect --- */

const struct evidence_device_options evidence_device_defaults = {
    .tsm = CLO_TSM_ROOT,
    .sev_guest = CLO_SEV_GUEST_DEVICE,
    .tdx_guest = CLO_TDX_GUEST_DEVICE,
    .qgs_port = CLO_QGS_PORT,
    .vmpl = NUMBER_UNSET,
};

void evidence_add_device_options(struct evidence_device_options *o, struct cli_option *out,
                                 size_t *count)
{
    const struct cli_option options[EVIDENCE_DEVICE_OPTIONS] = {
        { "--vmpl", "N", "SEV-SNP: the privilege level, 0 to 3 (the guest's own)",
          .number = &o->vmpl },
        { "--plain", NULL, "SEV-SNP: leave out the host's certificates", .flag = &o->plain },
        { "--tsm", "DIR", "default " CLO_TSM_ROOT, .text = &o->tsm },
        { "--sev-guest", "DEVICE", "default " CLO_SEV_GUEST_DEVICE, .text = &o->sev_guest },
        { "--tdx-guest", "DEVICE", "default " CLO_TDX_GUEST_DEVICE, .text = &o->tdx_guest },
        { "--qgs-port", "N", "TDX: the host's quoting service, on vsock (4050)",
          .number = &o->qgs_port },
    };

    memcpy(out + *count, options, sizeof options);
    *count += EVIDENCE_DEVICE_OPTIONS;
}

struct clo_hardware evidence_hardware(const struct evidence_device_options *o)
{
    return (struct clo_hardware){ .tsm_root = o->tsm,
                                  .sev_guest = o->sev_guest,
                                  .tdx_guest = o->tdx_guest,
                                  .qgs_port =
                                          o->qgs_port > UINT32_MAX ? 0 : (unsigned)o->qgs_port };
}

bool evidence_hardware_request(const struct evidence_device_options *o,
                               struct clo_hardware_request *out, struct clo_error *err)
{
    if (o->vmpl != NUMBER_UNSET && o->vmpl > CLO_TSM_PRIVLEVEL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--vmpl: 0 to %d expected", CLO_TSM_PRIVLEVEL_MAX);
    *out = (struct clo_hardware_request){ .vmpl = o->vmpl == NUMBER_UNSET ? -1 : (int)o->vmpl,
                                          .without_table = o->plain,
                                          .service_manifest_version = -1 };
    return true;
}

bool evidence_report_data(const char *hex, uint8_t out[EVIDENCE_REPORT_DATA_SIZE],
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_hex_read(clo_bytes_text(hex), &bytes, err)) {
        err->status = CLO_ERR_USAGE;
        return clo_wrap(err, "--report-data");
    }
    if (bytes.size == 0 || bytes.size > EVIDENCE_REPORT_DATA_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "--report-data: %zu bytes, 1 to %d expected",
                        bytes.size, EVIDENCE_REPORT_DATA_SIZE);
    memset(out, 0, EVIDENCE_REPORT_DATA_SIZE);
    memcpy(out, bytes.data, bytes.size);
    return true;
}

/* --- report --- */

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
    if (o->service_version != NUMBER_UNSET && o->service_version > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--service-version: too large");
    request.report_data = clo_bytes(data, sizeof data);
    request.service_provider = o->service;
    request.service_guid = o->service_guid;
    request.service_manifest_version =
            o->service_version == NUMBER_UNSET ? -1 : (int)o->service_version;
    return clo_hardware_get(&from, &request, out, err) &&
           clo_file_write(o->output, clo_buffer_bytes(&out->report), 0644, err) &&
           write_optional(o->table, &out->table, "certificate table", err) &&
           write_optional(o->manifest, &out->manifest, "manifest", err);
}

int cmd_evidence_report(int argc, char **argv)
{
    struct report_options o = { .devices = evidence_device_defaults,
                                .service_version = NUMBER_UNSET };
    struct cli_option options[8 + EVIDENCE_DEVICE_OPTIONS] = {
        { "--report-data", "HEX", "what the report binds: 1 to 64 bytes, zeros behind (required)",
          .text = &o.report_data },
        { "--output", "FILE", "the report or quote (required)", .text = &o.output },
        { "--table", "FILE", "SEV-SNP: the host's certificate table, for 'verify snp --cert'",
          .text = &o.table },
        { "--service", "NAME", "of a service provider beside the guest: svsm", .text = &o.service },
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
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0 || o.report_data == NULL || o.output == NULL)
        return cli_usage_error(&usage, "--report-data and --output are needed");
    if (o.service == NULL && (o.service_guid != NULL || o.manifest != NULL))
        return cli_usage_error(&usage, "--service-guid and --manifest are for --service");
    if (!get_report(&o, &got, &err))
        return fail_with("evidence report", &err);
    printf("%s: %zu bytes from %s (%s)\n", o.output, got.report.size, got.source, got.provider);
    return CLI_YES;
}

/* --- extend --- */

static bool find_digest(const char *hex, const char *file, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    *out = (struct clo_digest){ .hash = CLO_HASH_SHA384 };
    if (file != NULL) {
        if (!clo_file_read(file, CLO_FILE_LIMIT, &bytes, err))
            return false;
        clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&bytes), out);
        return true;
    }
    if (!clo_hex_read(clo_bytes_text(hex), &bytes, err)) {
        err->status = CLO_ERR_USAGE;
        return clo_wrap(err, "--digest");
    }
    if (bytes.size != CLO_TDX_GUEST_MR_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "--digest: %zu bytes, 48 expected (SHA-384)",
                        bytes.size);
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

int cmd_evidence_extend(int argc, char **argv)
{
    uint64_t rtmr = NUMBER_UNSET;
    const char *hex = NULL;
    const char *file = NULL;
    const char *folder = CLO_TDX_GUEST_MEASUREMENTS;
    const struct cli_option options[] = {
        { "--rtmr", "N", "which, 0 to 3: 3 is left to applications (required)", .number = &rtmr },
        { "--digest", "HEX", "what to extend it with: a SHA-384 digest", .text = &hex },
        { "--file", "FILE", "or a file, by its SHA-384 digest", .text = &file },
        { "--measurements", "DIR", "default " CLO_TDX_GUEST_MEASUREMENTS, .text = &folder },
    };
    const struct cli_usage usage = {
        .command = "evidence extend",
        .arguments = "--rtmr N --digest HEX",
        .summary =
                "Extends, in a TDX guest with Linux 6.16 or newer, a run-time register: quotes "
                "show it\nfrom then on, and nothing takes it back. Prints the digest and the new "
                "value.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister evidence extend --rtmr 3 --file /etc/app.conf\n",
    };
    uint8_t value[CLO_TDX_GUEST_MR_SIZE];
    char name[32];
    char text[2 * CLO_TDX_GUEST_MR_SIZE + 1];
    struct clo_digest digest;
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0 || rtmr >= CLO_TDX_GUEST_RTMRS)
        return cli_usage_error(&usage, "--rtmr is 0 to 3");
    if ((hex == NULL) == (file == NULL))
        return cli_usage_error(&usage, "either --digest or --file");
    snprintf(name, sizeof name, "rtmr%u:sha384", (unsigned)rtmr);
    if (!find_digest(hex, file, &digest, &err) ||
        !clo_tdx_guest_extend(folder, (unsigned)rtmr, clo_digest_bytes(&digest), &err) ||
        !clo_tdx_guest_read(folder, name, value, &err))
        return fail_with("evidence extend", &err);
    printf("digest  %s\n", clo_hex_text(clo_digest_bytes(&digest), text));
    printf("rtmr%u   %s\n", (unsigned)rtmr, clo_hex_text(clo_bytes(value, sizeof value), text));
    return CLI_YES;
}
