/* A software TPM (swtpm) made to look like the vTPM that a paravisor gives a confidential VM: its
 * attestation key at 0x81000003, a hardware report that binds it in NV index 0x01400001. */
#ifndef CLOISTER_SIM_VTPM_H
#define CLOISTER_SIM_VTPM_H

#include "sim/platform.h"

/* Fills `folder`, which must not hold a TPM's state yet. */
CLO_MUST_USE bool sim_vtpm_new(const struct sim_platform *platform, const char *folder,
                               struct clo_error *err);

#endif
