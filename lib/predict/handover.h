/* What systemd's stub hands to the kernel, which Linux's own EFI stub measures into PCR 9 (systemd,
 * src/boot/stub.c, initrd.c, util.c; Linux, drivers/firmware/efi/libstub/efi-stub-helper.c). */
#ifndef CLOISTER_REFERENCE_HANDOVER_H
#define CLOISTER_REFERENCE_HANDOVER_H

#include "cloister/uki.h"

struct companions;

/* Appends a command line as the stub cleans it up, UTF-8. */
void handover_clean(struct clo_bytes text, unsigned stub_version, struct clo_buffer *out);
/* The same of a .cmdline section's bytes. */
CLO_MUST_USE bool handover_section_text(struct clo_bytes text, unsigned stub_version,
                                        struct clo_buffer *out, struct clo_error *err);
/* The first character that the stub drops of it, as it is beyond U+FFFF; 0: there is none. */
uint32_t handover_dropped(struct clo_bytes text);
/* That of the UKI itself in a profile, cleaned. A UKI without one is refused: its host would choose. */
CLO_MUST_USE bool handover_cmdline(const struct clo_uki *uki, size_t profile,
                                   struct clo_buffer *out, struct clo_error *err);

/* The initrd in pieces that follow each other; none: there is no initrd, and no event. Views into the
 * UKI, the companions and `archives`. */
struct handover_initrd {
    struct clo_bytes *parts;
    size_t count;
    struct clo_buffer archives;
};
CLO_MUST_USE bool handover_initrd(const struct clo_uki *uki, size_t profile,
                                  const struct companions *companions, struct handover_initrd *out,
                                  struct clo_error *err);
void handover_initrd_free(struct handover_initrd *initrd); /* for CLO_CLEANUP */

#endif
