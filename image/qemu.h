/* QEMU's command line for one machine: a plain one with Secure Boot and a vTPM, or a confidential one (SEV-SNP, TDX) with
 * what is measured at its launch. Nothing is started here, and nothing of the host is asked. */
#ifndef CLOISTER_IMAGE_QEMU_H
#define CLOISTER_IMAGE_QEMU_H

#include "cloister/base.h"

#define CLO_BOOT_SMBIOS_MAX 8
#define CLO_BOOT_EXTRA_MAX  32

enum clo_qemu_kind {
    CLO_QEMU_PLAIN,
    CLO_QEMU_SNP,
    CLO_QEMU_TDX,
};
const char *clo_qemu_name(enum clo_qemu_kind kind); /* "SEV-SNP" */

/* Of a confidential machine: what goes into its launch measurement, or is bound by it. */
struct clo_qemu_launch {
    const char *igvm;   /* in place of firmware: an SVSM, say */
    const char *kernel; /* handed over by QEMU, with their digests in a measured page (SEV-SNP) */
    const char *initrd;
    const char *cmdline;
    const char *cpu;      /* QEMU's model, which SEV-SNP measures */
    uint64_t policy;      /* SEV-SNP */
    const char *id_block; /* "id-block=…,id-auth=…", as `measure snp --id-block` writes it; NULL */
    const char *host_data; /* base64 of 32 bytes, or MRCONFIGID's 48 of a TD; NULL */
    const char *quotes;    /* of a TD: "unix:PATH" or "vsock:CID:PORT" of the quoting service */
    unsigned address_bit;  /* the C-bit, and how many address bits it takes: the processor's */
    unsigned reduced_bits;
};

struct clo_qemu {
    enum clo_qemu_kind kind;
    bool has_kvm;
    const char *emulator; /* NULL: qemu-system-x86_64 */
    const char *image;
    const char *image_format; /* NULL: raw */
    bool is_alone;            /* it reaches nothing over its network */
    bool snapshot;            /* the disk is not written to */
    const char *firmware;     /* NULL where an IGVM file has it */
    const char *varstore;     /* of a plain machine */
    const char *tpm;          /* of a plain machine: swtpm's socket */
    const char *serial;       /* a file; NULL: standard output */
    const char *report;       /* a file for what the guest reports; NULL: no such port */
    unsigned memory_mib;
    unsigned vcpus;
    struct clo_qemu_launch launch;
    const char *smbios[CLO_BOOT_SMBIOS_MAX];
    size_t smbios_count;
    const char *extra[CLO_BOOT_EXTRA_MAX]; /* arguments of QEMU's own */
    size_t extra_count;
};

struct clo_command_line {
    char **items; /* ends with NULL */
    size_t count;
};
void clo_command_line_free(struct clo_command_line *line); /* for CLO_CLEANUP */

CLO_MUST_USE bool clo_command_line_copy(const char *const *words, size_t count,
                                        struct clo_command_line *out, struct clo_error *err);

CLO_MUST_USE bool clo_qemu_command(const struct clo_qemu *machine, struct clo_command_line *out,
                                   struct clo_error *err);
/* As a shell takes it: quoted where it must be, an option on each line. */
void clo_command_line_write(const struct clo_command_line *line, struct clo_buffer *out);

#endif
