/* configfs-tsm: how Linux 6.7 and newer hands out hardware reports (SEV-SNP, TDX, SVSM), after
 * Documentation/ABI/testing/configfs-tsm-report.
 *
 * What comes out is evidence, to be verified elsewhere. The folder is shared by everybody on the
 * machine, so the generation is read before and after: a report that somebody else asked for in
 * between is refused, not handed out as ours. */
#ifndef CLOISTER_DEVICE_TSM_H
#define CLOISTER_DEVICE_TSM_H

#include "cloister/base.h"

#define CLO_TSM_ROOT       "/sys/kernel/config/tsm/report"
#define CLO_TSM_INBLOB_MAX 64

struct clo_tsm_report {
    char provider[32];         /* "sev_guest", "tdx_guest" */
    struct clo_buffer outblob; /* the report or quote */
    struct clo_buffer auxblob; /* SEV-SNP: the certificate table, if the host gave one */
    uint64_t generation;
};

/* Asks for one report over `inblob`. `privlevel` is the VMPL to ask for, or -1 to leave it.
 * No such folder, or no provider behind it, is CLO_ERR_UNAVAILABLE. */
CLO_MUST_USE bool clo_tsm_get(const char *root, struct clo_bytes inblob, int privlevel,
                              struct clo_tsm_report *out, struct clo_error *err);
void clo_tsm_report_free(struct clo_tsm_report *report); /* for CLO_CLEANUP: leaves it empty */

#endif
