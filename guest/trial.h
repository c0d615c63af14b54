/* Was this boot asked for once (BootNext), by an entry that stands in no boot order? Then another boot is not the same one again. */
#ifndef CLOISTER_GUEST_TRIAL_H
#define CLOISTER_GUEST_TRIAL_H

#include "cloister/base.h"

/* False where the variables do not say. The host may have written them: what depends on it is only whether the machine goes down
 * or starts again. */
bool clo_boot_is_trial(const char *efivars);

#endif
