#include "cli/evidence/hardware.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

const struct evidence_device_options evidence_device_defaults = {
    .tsm = CLO_TSM_ROOT,
    .sev_guest = CLO_SEV_GUEST_DEVICE,
    .tdx_guest = CLO_TDX_GUEST_DEVICE,
    .qgs_port = CLO_QGS_PORT,
    .vmpl = EVIDENCE_UNSET,
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
    if (o->vmpl != EVIDENCE_UNSET && o->vmpl > CLO_TSM_PRIVLEVEL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--vmpl: 0 to %d expected", CLO_TSM_PRIVLEVEL_MAX);
    *out = (struct clo_hardware_request){ .vmpl = o->vmpl == EVIDENCE_UNSET ? -1 : (int)o->vmpl,
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

bool evidence_tpm_handle(const char *option, const char *text, uint32_t *out, struct clo_error *err)
{
    char *end;

    *out = 0;
    if (text == NULL)
        return true;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    if (errno != 0 || *end != '\0' || value >> 24 != 0x81)
        return clo_fail(err, CLO_ERR_USAGE,
                        "%s %s: the handle of a key that the TPM keeps is expected, as 0x81010001",
                        option, text);
    *out = (uint32_t)value;
    return true;
}
