/* What other makers' programs in an initrd would ask the TPM for, where it is the host's. */
#ifndef CLOISTER_GUEST_INITRD_PLUGINS_H
#define CLOISTER_GUEST_INITRD_PLUGINS_H

#include "cloister/base.h"

/* Takes libcryptsetup's plug-in for systemd's tokens out of the initrd below `root` ("" for /), so that none of them is tried.
 * A line of crypttab that asks systemd-cryptsetup for the TPM by itself (tpm2-device=) is CLO_ERR_REFUSED. */
CLO_MUST_USE bool clo_initrd_without_tpm(const char *root, struct clo_error *err);

#endif
