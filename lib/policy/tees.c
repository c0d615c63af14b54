#include "lib/policy/tee.h"

const struct policy_tee *const policy_tees[] = { &policy_tee_snp, &policy_tee_tdx,
                                                 &policy_tee_nitro, NULL };
