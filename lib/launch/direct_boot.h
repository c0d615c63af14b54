/* Linux kernels as QEMU hands them to firmware with -kernel (Linux, Documentation/arch/x86/boot.rst;
 * QEMU, hw/i386/x86-common.c): the boot protocol's fields that it fills in, and so what is measured. */
#ifndef CLOISTER_LIB_DIRECT_BOOT_H
#define CLOISTER_LIB_DIRECT_BOOT_H

#include "cloister/base.h"

/* What QEMU's q35 machine keeps for ACPI tables at the end of low memory. */
#define CLO_QEMU_ACPI_DATA_SIZE 0x28000U

struct clo_direct_boot {
    struct clo_bytes kernel;
    uint64_t initrd_size; /* 0: none */
    uint64_t memory;      /* in bytes: where the initrd goes depends on it below 0xb0000000 */
    const char *cmdline;  /* for "vga="; NULL: none */
};

/* Appends the kernel's file with the setup header filled in. CLO_ERR_FORMAT for what is not a bzImage,
 * CLO_ERR_USAGE for an initrd that does not fit into the memory. */
CLO_MUST_USE bool clo_direct_boot_kernel(const struct clo_direct_boot *from, struct clo_buffer *out,
                                         struct clo_error *err);

#endif
