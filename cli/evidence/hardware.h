/* What the forms of `cloister evidence` that ask the hardware share. */
#ifndef CLOISTER_CLI_HARDWARE_H
#define CLOISTER_CLI_HARDWARE_H

#include "cli/cli.h"
#include "guest/hardware.h"

#define EVIDENCE_REPORT_DATA_SIZE 64
#define EVIDENCE_DEVICE_OPTIONS   6
#define EVIDENCE_UNSET            UINT64_MAX /* a number that no option gave */

struct evidence_device_options {
    const char *tsm, *sev_guest, *tdx_guest;
    uint64_t qgs_port, vmpl;
    bool plain;
};
extern const struct evidence_device_options evidence_device_defaults;

/* Appends EVIDENCE_DEVICE_OPTIONS of them. */
void evidence_add_device_options(struct evidence_device_options *options, struct cli_option *out,
                                 size_t *count);
struct clo_hardware evidence_hardware(const struct evidence_device_options *options);
/* All but its report data. */
CLO_MUST_USE bool evidence_hardware_request(const struct evidence_device_options *options,
                                            struct clo_hardware_request *out,
                                            struct clo_error *err);
/* 1 to 64 bytes in hex, filled up with zeros. */
CLO_MUST_USE bool evidence_report_data(const char *hex, uint8_t out[EVIDENCE_REPORT_DATA_SIZE],
                                       struct clo_error *err);

/* Of a TPM's persistent key, "0x81010001"; NULL is 0. */
CLO_MUST_USE bool evidence_tpm_handle(const char *option, const char *text, uint32_t *out,
                                      struct clo_error *err);

#endif
