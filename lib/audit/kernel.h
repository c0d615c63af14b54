/* What a kernel image carries: the kernel proper, unpacked, and the configuration inside it. */
#ifndef CLOISTER_LIB_KERNEL_H
#define CLOISTER_LIB_KERNEL_H

#include "cloister/base.h"

#define CLO_KERNEL_LIMIT ((size_t)512 << 20) /* a kernel, unpacked */

/* The kernel proper out of a bzImage (Documentation/arch/x86/boot.rst, payload_offset), an EFI zboot
 * image, or a compressed one; what is none of these is given back as it is. `plain` owns what was
 * unpacked. */
CLO_MUST_USE bool clo_kernel_unpack(struct clo_bytes kernel, struct clo_buffer *plain,
                                    struct clo_bytes *out, struct clo_error *err);
/* Appends the configuration that a kernel (as clo_kernel_unpack() gives it) carries between IKCFG_ST and
 * IKCFG_ED. `*found` is false, without an error, if it carries none. */
CLO_MUST_USE bool clo_kernel_config(struct clo_bytes kernel, struct clo_buffer *out, bool *found,
                                    struct clo_error *err);

#endif
