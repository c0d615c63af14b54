/* What the parts of a TDX prediction share: inputs as they were read, and the lists of events. */
#ifndef CLOISTER_REFERENCE_PREDICT_TDX_H
#define CLOISTER_REFERENCE_PREDICT_TDX_H

#include "cloister/efivar.h"
#include "cloister/reference.h"
#include "cloister/tdvf.h"
#include "lib/predict/record.h"

struct tdx_prediction {
    const struct clo_tdx_prediction *inputs;
    struct clo_tdvf *tdvf;      /* NULL: no firmware image */
    struct clo_varstore *store; /* NULL: no variables */
    struct clo_bytes cfv;       /* the volume that holds them; empty: none */
    struct clo_error no_store;  /* why the firmware's own volume holds none */
    struct clo_reference *pcrs; /* what the UKI's boot measures, by PCR; NULL: no UKI */
    uint64_t memory;            /* as given, or as the log's TD HOB has it; 0: unknown */
    bool kernel_measures;       /* the kernel itself, through the firmware's CC protocol */
    bool stub_measures;
    bool stub_measures_smbios; /* into RTMR 0 */
    bool stub_hands_secret;    /* to the kernel, in its initrd */
    bool is_calibration;       /* all of it is taken from the log, and that is said once */
    struct record record;
};

/* All events that the UKI's boot measures into this PCR before user space, but those of the types
 * `but` (NULL: none is left out) or with `only` just those. */
void tdx_take_pcr(struct tdx_prediction *p, unsigned rtmr, unsigned pcr, const char *but,
                  const char *only);
/* As the log has it, and said so. */
void tdx_take_logged(struct tdx_prediction *p, unsigned rtmr, const struct clo_event *event);

/* The next event of the given log that is measured into this RTMR, from *at on, which goes after it;
 * NULL at the end. */
const struct clo_event *tdx_logged(const struct tdx_prediction *p, unsigned rtmr, size_t *at);

/* 0: none gives the TD HOB that was logged. */
uint64_t tdx_find_memory(const struct tdx_prediction *p, const struct clo_event *logged);
CLO_MUST_USE bool tdx_predict_rtmr0(struct tdx_prediction *p, struct clo_error *err);
CLO_MUST_USE bool tdx_predict_rtmr1(struct tdx_prediction *p, struct clo_error *err);
CLO_MUST_USE bool tdx_predict_rtmr2(struct tdx_prediction *p, struct clo_error *err);

#endif
