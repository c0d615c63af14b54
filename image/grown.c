#include "image/grown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_room(struct clo_bytes head, uint64_t disk_bytes, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);

    if (gpt == NULL)
        return clo_out_of_memory(err);
    return clo_gpt_parse(head, gpt, err) &&
           clo_fail(err, CLO_ERR_USAGE,
                    "--grow: a disk of %llu bytes has no room to grow into: the image's own has "
                    "%llu",
                    (unsigned long long)disk_bytes,
                    (unsigned long long)gpt->disk_sectors * CLO_GPT_SECTOR);
}

bool clo_image_grown_head(struct clo_bytes head, uint64_t disk_bytes, struct clo_buffer *out,
                          struct clo_error *err)
{
    size_t start = out->size;

    return clo_gpt_grow_root(head, disk_bytes, out, err) &&
           (out->size > start || no_room(head, disk_bytes, err));
}

size_t clo_image_reference_stem(const char *reference)
{
    static const char ending[] = ".ref.json";
    size_t length = strlen(reference), end = strlen(ending);

    return length > end && strcmp(reference + length - end, ending) == 0 ? length - end : length;
}

void clo_image_grown_name(const char *reference, uint64_t disk_bytes, char *out, size_t size)
{
    static const char units[] = "GMK";
    size_t stem = clo_image_reference_stem(reference);
    unsigned shift = 30;
    const char *unit = units;

    while (shift > 0 && disk_bytes % ((uint64_t)1 << shift) != 0) {
        shift -= 10;
        unit++;
    }
    snprintf(out, size, "%.*s-%llu%.1s%s", (int)stem, reference,
             (unsigned long long)disk_bytes >> shift, unit, reference + stem);
}
