/* Unified kernel images (UAPI.5): stub, kernel, initrd and command line in one PE file; and what
 * systemd's stub measures of them into PCR 11 (systemd, src/fundamental/uki.h, TPM2_PCR_MEASUREMENTS). */
#ifndef CLOISTER_UKI_H
#define CLOISTER_UKI_H

#include "cloister/pe.h"

struct clo_uki_parts {
    struct clo_bytes stub;
    struct clo_bytes osrel; /* an empty part is left out; stub and linux must be there */
    struct clo_bytes cmdline;
    struct clo_bytes uname;
    struct clo_bytes initrd;
    struct clo_bytes kernel; /* .linux */
};

/* Appends the unsigned image. The same parts give the same bytes. */
CLO_API CLO_MUST_USE bool clo_uki_build(const struct clo_uki_parts *parts, struct clo_buffer *out,
                                        struct clo_error *err);

struct clo_uki {
    struct clo_pe pe;
    char stub[64];         /* "systemd-stub 257.13-1~deb13u1"; empty if it does not say */
    unsigned stub_version; /* 257; 0 if unknown */
};

/* Views into `in`. A PE file without .linux and .sdmagic is no UKI. */
CLO_API CLO_MUST_USE bool clo_uki_parse(struct clo_bytes in, struct clo_uki *out,
                                        struct clo_error *err);

/* The sections that the stub measures into PCR 11, in its order: gives the n-th that is present
 * and not empty; NULL at the end. Its digest is over `data` when VirtualSize is within the file. */
CLO_API const struct clo_pe_section *clo_uki_measured(const struct clo_uki *uki, size_t index);
CLO_API bool clo_uki_is_measured(unsigned stub_version, const char *section);

/* The release ("6.12.117+deb13-cloud-amd64") that a bzImage names (Documentation/arch/x86/boot.rst,
 * kernel_version); false if it names none. `out` is cut to its size. */
CLO_API bool clo_kernel_release(struct clo_bytes kernel, char *out, size_t size);

#endif
