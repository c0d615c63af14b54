#include "device/tpm_seal.h"

#define STEPS_MAX 1024 /* that a generation may be ahead of its counter */

bool clo_tpm_floor(struct clo_tpm *tpm, uint64_t *out, struct clo_error *err)
{
    uint64_t floor = 0;

    if (!clo_tpm_counter_read(tpm, CLO_TPM2_FLOOR_INDEX, &floor, err) &&
        (err->status != CLO_ERR_UNAVAILABLE ||
         !clo_tpm_counter_define(tpm, CLO_TPM2_FLOOR_INDEX, err)))
        return clo_wrap(err, "the floor's counter");
    /* Its first value is above all that this TPM's counters ever had: one that was made anew goes on. */
    if (floor == 0 && (!clo_tpm_counter_raise(tpm, CLO_TPM2_FLOOR_INDEX, err) ||
                       !clo_tpm_counter_read(tpm, CLO_TPM2_FLOOR_INDEX, &floor, err)))
        return clo_wrap(err, "the floor's counter");
    *out = floor;
    return true;
}

bool clo_tpm_floor_raise(struct clo_tpm *tpm, uint64_t generation, struct clo_error *err)
{
    uint64_t floor;

    if (!clo_tpm_floor(tpm, &floor, err))
        return false;
    if (generation > floor && generation - floor > STEPS_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "the floor is %llu, too far below %llu",
                        (unsigned long long)floor, (unsigned long long)generation);
    for (; floor < generation; floor++)
        if (!clo_tpm_counter_raise(tpm, CLO_TPM2_FLOOR_INDEX, err))
            return clo_wrap(err, "the floor's counter");
    return true;
}
