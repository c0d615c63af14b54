/* The state that a machine will be in once it boots another UKI: its registers as they are now, and what the other UKI
 * changes in them. No variable store is needed: the log of this boot says what Secure Boot's state is, and whose key
 * started it.
 *
 * Only for a machine whose firmware starts the UKI itself. What this boot does not bear out (a loader between, another
 * number of events) is CLO_ERR_UNSUPPORTED, and nothing is foretold. */
#ifndef CLOISTER_IMAGE_FORETELL_H
#define CLOISTER_IMAGE_FORETELL_H

#include "cloister/eventlog.h"
#include "cloister/pcr.h"

struct clo_present {
    enum clo_hash bank;
    struct clo_digest values[CLO_PCR_COUNT]; /* as the TPM has them */
    struct clo_bytes log;                    /* the firmware's, of this boot */
};

/* Does the UKI carry a signature that leads to a certificate which let this boot start? True where Secure Boot is off. */
CLO_MUST_USE bool clo_foretell_starts(const struct clo_present *present, struct clo_bytes uki,
                                      struct clo_error *err);
/* PCRs 0, 2, 4, 7, 11, 12, 13 and 15 in the phase enter-initrd, by their numbers. */
CLO_MUST_USE bool clo_foretell(const struct clo_present *present, struct clo_bytes uki,
                               struct clo_digest out[CLO_PCR_COUNT], struct clo_error *err);

#endif
