/* The partition table against what the firmware measured of it: by the TPM's log and PCR 5, or by a TD's log (CCEL)
 * and RTMR 1. */
#ifndef CLOISTER_GUEST_GATE_TABLE_H
#define CLOISTER_GUEST_GATE_TABLE_H

#include "device/tdx_guest.h"
#include "device/tpm.h"
#include "lib/disk/gpt.h"

/* Where the logs and registers are; tests bring their own. */
struct clo_table_sources {
    const char *eventlog, *ccel; /* files; one that is not there: nothing was measured */
    const char *measurements;    /* folder of a TD's registers, Linux 6.16 */
    const char *tdx_guest;       /* device that gives TDREPORTs, before that */
    clo_tdx_guest_ioctl *call;   /* in its place; NULL: the device */
    void *context;
};

/* `tpm` NULL: there is none, and a TD's registers count. `bank` is the TPM's. `is_measured` false: the log, if there is
 * one, has no table, and nothing was compared. */
CLO_MUST_USE bool clo_table_compare(const struct clo_table_sources *sources, struct clo_tpm *tpm,
                                    enum clo_hash bank, const struct clo_gpt *gpt,
                                    bool *is_measured, struct clo_error *err);

/* Is the disk's head the one that this boot wrote? */
CLO_MUST_USE bool clo_table_is_written(struct clo_bytes head, struct clo_bytes written,
                                       struct clo_error *err);

#endif
