/* What user space measures: the phases of the boot into PCR 11 and the volume key into PCR 15, in
 * every active bank, the way systemd-pcrphase and systemd-cryptsetup do it (systemd,
 * TPM2_PCR_MEASUREMENTS), each with its record in systemd's log. */
#ifndef CLOISTER_GUEST_MEASURE_H
#define CLOISTER_GUEST_MEASURE_H

#include "device/tpm.h"

#define CLO_MEASURE_LOG "/run/log/systemd/tpm2-measure.log"

struct clo_measurer {
    struct clo_tpm *tpm; /* borrowed */
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t bank_count;
    struct clo_buffer log; /* so far, as it is in the file */
    const char *path;      /* NULL: no file */
};

CLO_MUST_USE bool clo_measurer_new(struct clo_tpm *tpm, const char *path, struct clo_measurer *out,
                                   struct clo_error *err);
/* For this machine's TPM, whose driver may still be on the way. No TPM, and no measurer, where there is configfs-tsm: a machine without one
 * may have SNP or TDX of its own. */
CLO_MUST_USE bool clo_measurer_wait(struct clo_tpm **tpm, struct clo_measurer *out,
                                    struct clo_error *err);
void clo_measurer_free(struct clo_measurer *measurer); /* for CLO_CLEANUP */
/* "enter-initrd", "leave-initrd". */
CLO_MUST_USE bool clo_measure_phase(struct clo_measurer *measurer, const char *phase,
                                    struct clo_error *err);
CLO_MUST_USE bool clo_measure_volume_key(struct clo_measurer *measurer,
                                         const struct clo_secret *volume_key, const char *uuid,
                                         struct clo_error *err);

#endif
