/* The end of the initrd in a TDX guest that proves itself by its own quote: RTMR 3 is extended with
 * SHA-384 of the phase's name, as PCR 11 is in a TPM. A policy that says nothing of RTMR 3 wants it
 * untouched, so that nothing which runs later gets a key. */
#ifndef CLOISTER_GUEST_MEASURE_RTMR_H
#define CLOISTER_GUEST_MEASURE_RTMR_H

#include "cloister/base.h"

enum clo_rtmr_need {
    CLO_RTMR_REQUIRED,
    CLO_RTMR_OPTIONAL, /* not a TDX guest, or its image does without */
};

/* `folder`: CLO_TDX_GUEST_MEASUREMENTS. */
CLO_MUST_USE bool clo_measure_rtmr(const char *folder, const char *phase, enum clo_rtmr_need need,
                                   struct clo_error *err);

#endif
