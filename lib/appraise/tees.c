#include "lib/appraise/tee.h"

const struct tee *const tees[] = { &tee_hcl,   &tee_svsm,   &tee_snp, &tee_tdx,
                                   &tee_nitro, &tee_sample, &tee_tpm, NULL };
