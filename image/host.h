/* What this host can start: asked before a confidential machine is, so that all that is missing is said at once. */
#ifndef CLOISTER_IMAGE_HOST_H
#define CLOISTER_IMAGE_HOST_H

#include "image/qemu.h"

/* /dev/kvm may be there and of no use: only with a processor's own virtualization is it taken. */
bool clo_host_has_kvm(void);
/* Of an AMD processor; of another, those of the EPYC models that have SEV-SNP. */
void clo_host_memory_encryption(unsigned *address_bit, unsigned *reduced_bits);

/* Everything that this host lacks for the machine, in one line: CLO_ERR_UNAVAILABLE. `root` is where /dev and /sys are
 * looked for ("": the host's own), `version` what `qemu-system-x86_64 --version` printed. */
CLO_MUST_USE bool clo_host_check(const struct clo_qemu *machine, const char *root,
                                 const char *version, struct clo_error *err);
/* The same of this host. A plain machine runs anywhere. */
CLO_MUST_USE bool clo_host_can_start(const struct clo_qemu *machine, struct clo_error *err);

/* The firmware of a confidential machine must have been built for it: what it says of itself is looked at. */
CLO_MUST_USE bool clo_host_check_firmware(const struct clo_qemu *machine, struct clo_error *err);

#endif
