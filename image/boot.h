/* Starts an image as a cloud would: QEMU (KVM where the processor has it, emulation elsewhere), OVMF
 * with Secure Boot, swtpm as TPM 2.0, a network card. Watches what the machine says until it has
 * reached what was asked for, and leaves no process behind. */
#ifndef CLOISTER_IMAGE_BOOT_H
#define CLOISTER_IMAGE_BOOT_H

#include "cloister/json.h"

#define CLO_BOOT_SMBIOS_MAX 8
#define CLO_BOOT_EXTRA_MAX  32

enum clo_boot_outcome {
    CLO_BOOT_REACHED,
    CLO_BOOT_REFUSED,          /* the guest, or the broker, said no: `reason` */
    CLO_BOOT_FIRMWARE_REFUSED, /* Secure Boot */
    CLO_BOOT_STOPPED,          /* it powered off before */
    CLO_BOOT_TIMEOUT,
};

struct clo_boot_spec {
    const char *image;
    const char *varstore;  /* its own copy: firmware writes to it */
    const char *tpm_state; /* a folder of swtpm's */
    const char *firmware;
    const char *serial_path; /* gets the console; NULL: nowhere */
    const char *report_path; /* gets the guest's report, JSON lines; NULL: nowhere */
    const char *until;       /* a word on the console that ends it well; NULL: none */
    bool until_eventlog;     /* or the guest's first report: its event log */
    bool snapshot;           /* the disk is not written to */
    unsigned memory_mib;
    unsigned timeout_s;
    const char *smbios[CLO_BOOT_SMBIOS_MAX]; /* type 11 strings: what a host may pass in */
    size_t smbios_count;
    const char
            *extra[CLO_BOOT_EXTRA_MAX]; /* arguments of QEMU's own: whatever else a host may do */
    size_t extra_count;
    /* Called for each line of the guest's report; NULL: none. */
    void (*on_report)(void *context, const json_t *line);
    /* Called for each line on the console; NULL: none. */
    void (*on_console)(void *context, const char *line);
    void *context;
};

struct clo_boot_result {
    enum clo_boot_outcome outcome;
    char reason[512];
    double seconds;
    bool is_emulated;
};

/* False if it could not be started at all (CLO_ERR_UNAVAILABLE where QEMU, OVMF or swtpm lack). */
CLO_MUST_USE bool clo_boot(const struct clo_boot_spec *spec, struct clo_boot_result *out,
                           struct clo_error *err);
/* From a signal handler: makes clo_boot() end the machine and return. */
void clo_boot_interrupt(void);

#endif
