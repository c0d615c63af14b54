/* Starts an image as a cloud would: QEMU (KVM where the processor has it, emulation elsewhere), OVMF
 * with Secure Boot, swtpm as TPM 2.0, a network card; or a confidential machine, where the host has them.
 * Watches what the machine says until it has reached what was asked for, and leaves no process behind. */
#ifndef CLOISTER_IMAGE_BOOT_H
#define CLOISTER_IMAGE_BOOT_H

#include "cloister/json.h"
#include "image/qemu.h"

#define CLO_BOOT_FIRMWARE "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"

enum clo_boot_outcome {
    CLO_BOOT_REACHED,
    CLO_BOOT_REFUSED,          /* the guest, or the broker, said no: `reason` */
    CLO_BOOT_FIRMWARE_REFUSED, /* Secure Boot */
    CLO_BOOT_STOPPED,          /* it powered off before */
    CLO_BOOT_TIMEOUT,
};

struct clo_boot_spec {
    enum clo_qemu_kind kind;
    struct clo_qemu_launch launch; /* of a confidential machine */
    const char *emulator;          /* NULL: qemu-system-x86_64 */
    const char *image;
    const char *image_format; /* QEMU's word for it; NULL: raw */
    const char *varstore;     /* a plain machine's own copy: firmware writes to it */
    const char *tpm_state;    /* a plain machine's: a folder of swtpm's */
    const char *firmware;
    const char *serial_path; /* gets the console; NULL: nowhere */
    const char *report_path; /* gets the guest's report, JSON lines; NULL: nowhere */
    const char *until;       /* a word on the console that ends it well; NULL: none */
    const char *until_kind;  /* or a kind of line in the guest's report; NULL: none */
    const char *
            until_not; /* a word on the console by which the guest was refused what it asked for; NULL: none */
    bool is_alone; /* it reaches nothing over its network */
    bool snapshot; /* the disk is not written to */
    unsigned memory_mib;
    unsigned vcpus;
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
    /* Called about once a second while nothing is decided; NULL: none. */
    void (*on_wait)(void *context, double seconds);
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
/* What would be started, as a shell takes it: QEMU, and before it the TPM of a plain machine. Asks nothing of the host
 * but its processor; console and report go where the spec says. */
CLO_MUST_USE bool clo_boot_command(const struct clo_boot_spec *spec, struct clo_buffer *out,
                                   struct clo_error *err);
/* From a signal handler: makes clo_boot() end the machine and return. */
void clo_boot_interrupt(void);
bool clo_boot_was_interrupted(void);

#endif
