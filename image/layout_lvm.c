/* Logical volumes among a disk's partitions. What cannot be read does not refuse the disk: it is said where no root is found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/layout.h"

#define GROUPS_MAX 8

struct physical {
    const struct clo_layout_part *part;
    char id[CLO_LVM_ID];
};

struct groups {
    struct physical disks[CLO_LVM_DISKS];
    size_t disk_count;
    struct clo_lvm *items[GROUPS_MAX]; /* the newest text of each */
    size_t count;
};

static void free_groups(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->items[i]);
}

static void refuse(struct clo_layout *layout, const char *text)
{
    if (layout->lvm[0] == '\0')
        snprintf(layout->lvm, sizeof layout->lvm, "%.299s", text);
}

static bool read_part(const struct clo_container *disk, const struct clo_layout_part *part,
                      uint64_t at, void *out, size_t size, struct clo_error *err)
{
    if (at > part->size || size > part->size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "LVM: beyond its partition's end");
    return clo_container_read(disk, part->first + at, out, size, err);
}

static bool read_text(const struct clo_container *disk, const struct clo_layout_part *part,
                      const struct clo_lvm_label *label, const struct clo_lvm_place *place,
                      struct clo_buffer *out, struct clo_error *err)
{
    size_t first = (size_t)(place->size - place->wrapped);

    clo_buffer_zero(out, (size_t)place->size);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    return read_part(disk, part, label->area_at + place->at, out->data, first, err) &&
           read_part(disk, part, label->area_at + CLO_LVM_AREA, out->data + first,
                     (size_t)place->wrapped, err);
}

/* Each physical volume has the text, and an old one may be left on one of them. */
static void keep_newest(struct groups *groups, struct clo_lvm **group)
{
    for (size_t i = 0; i < groups->count; i++)
        if (strcmp(groups->items[i]->id, (*group)->id) == 0) {
            if ((*group)->sequence > groups->items[i]->sequence) {
                free(groups->items[i]);
                groups->items[i] = CLO_TAKE(*group);
            }
            return;
        }
    if (groups->count < GROUPS_MAX)
        groups->items[groups->count++] = CLO_TAKE(*group);
}

static bool take_physical(const struct clo_container *disk, const struct clo_layout_part *part,
                          struct groups *groups, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_lvm *group = malloc(sizeof *group);
    uint8_t head[CLO_LVM_HEAD], area[CLO_LVM_AREA];
    struct clo_lvm_label label;
    struct clo_lvm_place place;

    if (group == NULL)
        return clo_out_of_memory(err);
    if (groups->disk_count == CLO_LVM_DISKS)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "LVM: more than %d physical volumes",
                        CLO_LVM_DISKS);
    if (!read_part(disk, part, 0, head, sizeof head, err) ||
        !clo_lvm_label(clo_bytes(head, sizeof head), &label, err))
        return false;
    struct physical *physical = &groups->disks[groups->disk_count++];
    physical->part = part;
    snprintf(physical->id, sizeof physical->id, "%s", label.id);
    if (label.area_at == 0)
        return true;
    if (!read_part(disk, part, label.area_at, area, sizeof area, err) ||
        !clo_lvm_area(clo_bytes(area, sizeof area), &label, &place, err))
        return false;
    if (place.size == 0)
        return true;
    if (!read_text(disk, part, &label, &place, &text, err) ||
        !clo_lvm_parse(clo_buffer_bytes(&text), &place, group, err))
        return false;
    keep_newest(groups, &group);
    return true;
}

static const struct clo_layout_part *find_physical(const struct groups *groups, const char *id)
{
    for (size_t i = 0; i < groups->disk_count; i++)
        if (strcmp(groups->disks[i].id, id) == 0)
            return groups->disks[i].part;
    return NULL;
}

/* Where its bytes lie on this disk; pieces that follow each other are one. */
static bool find_runs(const struct groups *groups, const struct clo_lvm *group,
                      const struct clo_lvm_volume *volume, struct clo_container_run *runs,
                      size_t *count, const char **why)
{
    *count = 0;
    for (size_t i = 0; i < volume->count; i++) {
        const struct clo_lvm_segment *segment = &volume->segments[i];
        const struct clo_layout_part *part = find_physical(groups, group->disks[segment->disk].id);
        if (part == NULL) {
            *why = "lies on a disk that is not this one: 'pvmove' brings it onto one";
            return false;
        }
        if (segment->place > part->size || segment->size > part->size - segment->place) {
            *why = "lies beyond its partition's end";
            return false;
        }
        uint64_t place = part->first + segment->place;
        struct clo_container_run *last = *count == 0 ? NULL : &runs[*count - 1];
        if (last != NULL && last->place + last->size == place)
            last->size += segment->size;
        else
            runs[(*count)++] = (struct clo_container_run){ segment->at, segment->size, place };
    }
    return true;
}

/* Pieces that lie on each other would make a volume of any size. */
static bool add_volume(struct clo_container *disk, struct clo_layout *layout,
                       const struct groups *groups, const struct clo_lvm *group,
                       const struct clo_lvm_volume *volume, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_container_run *runs = calloc(volume->count + 1, sizeof *runs);
    struct clo_layout_part part = { .size = volume->size };
    const char *why = NULL;
    char text[sizeof layout->lvm];
    size_t count;

    if (runs == NULL)
        return clo_out_of_memory(err);
    snprintf(part.volume, sizeof part.volume, "%.127s/%.127s", group->name, volume->name);
    if (volume->refusal[0] != '\0')
        snprintf(text, sizeof text,
                 "has volume %.100s, which is of the kind \"%s\": linear ones are read "
                 "('lvconvert', "
                 "or a copy onto a linear one)",
                 part.volume, volume->refusal);
    else if (volume->size > disk->size)
        snprintf(text, sizeof text, "has volume %.100s, which is larger than its disk",
                 part.volume);
    else if (!find_runs(groups, group, volume, runs, &count, &why))
        snprintf(text, sizeof text, "has volume %.100s, which %s", part.volume, why);
    else if (count > 0) {
        part.first = runs[0].place;
        return (count == 1 || clo_container_map(disk, runs, count, &part.first, err)) &&
               layout_add(disk, layout, &part, err);
    } else {
        return true;
    }
    refuse(layout, text);
    return true;
}

bool layout_add_volumes(struct clo_container *disk, struct clo_layout *layout,
                        struct clo_error *err)
{
    CLO_CLEANUP(free_groups) struct groups groups = { .count = 0 };
    size_t partitions = layout->count;

    for (size_t i = 0; i < partitions; i++) {
        struct clo_error why;
        if (layout->parts[i].probe.content == CLO_CONTENT_LVM &&
            !take_physical(disk, &layout->parts[i], &groups, &why))
            refuse(layout, why.text);
    }
    for (size_t i = 0; i < groups.count; i++)
        for (size_t k = 0; k < groups.items[i]->volume_count; k++) {
            const struct clo_lvm_volume *volume = &groups.items[i]->volumes[k];
            if (!volume->is_hidden &&
                !add_volume(disk, layout, &groups, groups.items[i], volume, err))
                return clo_wrap(err, "LVM");
        }
    return true;
}
