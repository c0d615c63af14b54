#include "guest/disk_use.h"

bool clo_disk_use_again(const struct clo_disk_use *use, uint64_t *generation, struct clo_error *err)
{
    uint64_t least = 0;

    if (!clo_disk_compare(use->disk, use->volume_key, use->registered, err))
        return false;
    if (use->has_counter && !clo_counter_check(use->tpm, use->registered->generation,
                                               use->disk->luks.generation.value, &least, err))
        return false;
    return clo_disk_raise_generation(use->disk, use->scratch, use->volume_key, least, generation,
                                     err) &&
           (!use->has_counter || clo_counter_follow(use->tpm, *generation, err));
}
