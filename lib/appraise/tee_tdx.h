/* What the files of TDX share. */
#ifndef CLOISTER_LIB_APPRAISE_TEE_TDX_H
#define CLOISTER_LIB_APPRAISE_TEE_TDX_H

#include "lib/appraise/tee.h"

/* A TD's registers against reference values, the event log against the policy's rules: checks mr_td, rtmr.N,
 * policy.ccel.rtmrN. `td` NULL: its quote is not authentic. */
void tee_tdx_check_registers(struct work *w, const struct clo_tdx_verified *td);

#endif
