/* What a boot through shim measures: of its own variables, and of what it starts. */
#ifndef CLOISTER_REFERENCE_PREDICT_SHIM_H
#define CLOISTER_REFERENCE_PREDICT_SHIM_H

#include "cloister/shim.h"
#include "lib/predict/predict.h"

/* As shim sees its variables: those with the wrong attributes it deletes. */
struct shim_boot {
    struct clo_shim shim;
    struct clo_bytes mok_list, mok_list_x; /* the variables */
    struct clo_buffer allowed, forbidden;  /* MokListRT and MokListXRT: with what shim carries */
    struct clo_bytes sb_state, policy;     /* MokSBState, MokPolicy; empty: absent */
    struct clo_bytes level;                /* SbatLevel, as this boot leaves it */
    bool is_trusted_absent;                /* MokListTrusted: absent means yes */
    bool ignores_db;
    bool verifies; /* what it starts: Secure Boot is on, and nobody turned shim's own check off */
    struct authorities authorities;
};

CLO_MUST_USE bool shim_boot_read(struct prediction *p, struct shim_boot **out,
                                 struct clo_error *err);
void shim_boot_free(struct shim_boot *boot);

/* PCR 7: SbatLevel, and MokSBState where there is one. */
CLO_MUST_USE bool shim_measure_variables(struct prediction *p, struct clo_error *err);
/* PCR 7: whose key lets shim start this image. `is_optional_sbat`: as for add-ons, which systemd's stub
 * hands to shim. Refused where shim would refuse it. */
CLO_MUST_USE bool shim_measure_authority(struct prediction *p, const struct clo_pe *pe,
                                         const char *name, bool is_optional_sbat,
                                         struct clo_error *err);
/* PCR 14: MokList, MokListX and what else its owner set. */
void shim_measure_lists(struct prediction *p);

#endif
