#include "lib/disk/lvm.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

/* The bytes as a label, as a metadata area's header, and as a text whose checksum is right. Segments of what is read lie in
 * order in their volume, and inside of their physical one. */
static uint32_t sum_of(struct clo_bytes in)
{
    return ~clo_crc32(~0xf597a6cfU, in);
}

static void see_volume(const struct clo_lvm *group, const struct clo_lvm_volume *volume)
{
    uint64_t at = 0;

    MUST(volume->name[0] != '\0' && strchr(volume->name, '/') == NULL);
    MUST(volume->count <= group->segment_count);
    for (size_t i = 0; i < volume->count && volume->refusal[0] == '\0'; i++) {
        const struct clo_lvm_segment *segment = &volume->segments[i];
        MUST(segment->at == at && segment->size > 0 && segment->disk < group->disk_count);
        const struct clo_lvm_disk *disk = &group->disks[segment->disk];
        MUST(segment->place <= disk->size && segment->size <= disk->size - segment->place);
        at += segment->size;
    }
    MUST(volume->refusal[0] != '\0' || at == volume->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_lvm *group = malloc(sizeof *group);
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_lvm_label label = { .area_at = 4096, .area_size = 1 << 20 };
    struct clo_lvm_place place;
    struct clo_error err;
    char name[2 * CLO_LVM_NAME * 2];

    MUST(group != NULL);
    (void)!clo_lvm_label(in, &label, &err);
    if (clo_lvm_area(clo_bytes_slice(in, 0, CLO_LVM_AREA), &label, &place, &err) && place.size > 0)
        MUST(place.wrapped < place.size && place.at < label.area_size);
    place = (struct clo_lvm_place){ .size = size, .sum = sum_of(in) };
    if (!clo_lvm_parse(in, &place, group, &err))
        return 0;
    MUST(group->disk_count > 0 && group->disk_count <= CLO_LVM_DISKS);
    for (size_t i = 0; i < group->volume_count; i++) {
        see_volume(group, &group->volumes[i]);
        clo_lvm_mapped_name(group->name, group->volumes[i].name, name);
        MUST(strlen(name) < sizeof name);
    }
    return 0;
}
