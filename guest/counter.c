#include "guest/counter.h"

#define STEPS_MAX 1024 /* that it may lag by: a disk that was used elsewhere before */

/* A new counter begins above all that this TPM's counters ever had, so it is raised first: the disk's generation goes
 * to where it begins. */
static bool begin(struct clo_tpm *tpm, bool is_there, uint64_t counter, uint64_t *least,
                  struct clo_error *err)
{
    if (!is_there && !clo_tpm_counter_define(tpm, CLO_COUNTER_INDEX, err))
        return false;
    if (counter == 0) {
        if (!clo_tpm_counter_raise(tpm, CLO_COUNTER_INDEX, err) ||
            !clo_tpm_counter_read(tpm, CLO_COUNTER_INDEX, least, err))
            return false;
    } else {
        *least = counter + 1;
    }
    return true;
}

bool clo_counter_check(struct clo_tpm *tpm, uint64_t registered, uint64_t generation,
                       uint64_t *least, struct clo_error *err)
{
    uint64_t counter = 0;

    if (tpm == NULL)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: the image keeps its generation in a TPM that a "
                        "hardware report binds, and there is none");
    bool is_there = clo_tpm_counter_read(tpm, CLO_COUNTER_INDEX, &counter, err);
    if (!is_there && err->status != CLO_ERR_UNAVAILABLE)
        return clo_wrap(err, "disk: counter of generations");
    if (registered == 0)
        return begin(tpm, is_there, counter, least, err) ||
               clo_wrap(err, "disk: counter of generations");
    if (!is_there)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: this TPM has no counter of its generations: another TPM, or one "
                        "that does not outlive a boot");
    if (counter == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: this TPM's counter of generations was made anew: it has counted "
                        "nothing, and the disk was used");
    if (generation < counter)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: generation %llu is older than %llu, which the TPM's counter has "
                        "seen: an old copy of the disk",
                        (unsigned long long)generation, (unsigned long long)counter);
    *least = generation + 1;
    return true;
}

bool clo_counter_follow(struct clo_tpm *tpm, uint64_t generation, struct clo_error *err)
{
    uint64_t counter = 0;

    if (!clo_tpm_counter_read(tpm, CLO_COUNTER_INDEX, &counter, err))
        return clo_wrap(err, "disk: counter of generations");
    for (unsigned i = 0; counter < generation && i < STEPS_MAX; i++)
        if (!clo_tpm_counter_raise(tpm, CLO_COUNTER_INDEX, err) ||
            !clo_tpm_counter_read(tpm, CLO_COUNTER_INDEX, &counter, err))
            return clo_wrap(err, "disk: counter of generations");
    return true;
}
