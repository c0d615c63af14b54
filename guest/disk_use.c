#include "guest/disk_use.h"

static struct clo_tpm *bound_tpm(const struct clo_disk_use *use)
{
    return use->bound != NULL && use->bound->ak != NULL ? use->tpm : NULL;
}

/* What the counter says counts for as much as the way that it comes by. */
static bool check_counter(const struct clo_disk_use *use, uint64_t *least, struct clo_error *err)
{
    struct clo_tpm *tpm = bound_tpm(use);
    struct clo_tpm2_name srk;

    if (!use->has_counter)
        return true;
    if (tpm != NULL && !clo_bound_tpm_audit(use->bound, tpm, use->srk, &srk, err))
        return clo_wrap(err, "disk: counter of generations");
    return clo_counter_check(tpm, use->registered->generation, use->disk->luks.generation.value,
                             least, err);
}

bool clo_disk_use_again(const struct clo_disk_use *use, uint64_t *generation, struct clo_error *err)
{
    uint64_t least = 0;

    if (!clo_disk_compare(use->disk, use->volume_key, use->registered, err))
        return false;
    if (!check_counter(use, &least, err))
        return false;
    return clo_disk_raise_generation(use->disk, use->scratch, use->volume_key, least, generation,
                                     err) &&
           (!use->has_counter || clo_counter_follow(bound_tpm(use), *generation, err));
}
