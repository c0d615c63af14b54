#include "lib/base/put.h"
#include "lib/launch/firmware.h"

#include "fuzz.h"

static void walk_sections(struct clo_bytes file)
{
    struct clo_volume_section section;
    struct clo_error err;
    size_t at = 0;

    for (size_t before = 0; clo_volume_section_next(file, &at, &section, &err) == CLO_NEXT_ITEM;
         before = at) {
        MUST(at > before);
        MUST(lies_within(section.data, file) && section.offset + section.data.size <= file.size);
    }
}

/* Files and sections lie inside, and come one after the other. */
static void walk(struct clo_bytes in)
{
    struct clo_volume volume;
    struct clo_volume_file file, found;
    struct clo_error err;
    size_t at = 0;

    if (!clo_volume_parse(in, &volume, &err))
        return;
    MUST(lies_within(volume.bytes, in));
    for (size_t before = 0; clo_volume_file_next(&volume, &at, &file, &err) == CLO_NEXT_ITEM;
         before = at) {
        MUST(at > before);
        MUST(lies_within(file.data, volume.bytes));
        MUST(file.offset + file.data.size <= volume.bytes.size);
        MUST(clo_volume_find(&volume, &file.name, &found) && found.offset <= file.offset);
        walk_sections(file.data);
    }
}

/* A volume; and the same with the header's sum made right, since no mutation would get past it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer copy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer unpacked = { 0 };
    struct clo_firmware firmware;
    struct clo_error err;
    uint16_t sum = 0;

    walk(clo_bytes(data, size));
    walk_sections(clo_bytes(data, size));
    clo_buffer_append(&copy, clo_bytes(data, size));
    if (size < 56 || !clo_buffer_ok(&copy))
        return 0;
    size_t header = (size_t)(copy.data[48] | copy.data[49] << 8);
    if (header > size)
        return 0;
    clo_put_le16(copy.data + 50, 0);
    for (size_t at = 0; at + 2 <= header; at += 2)
        sum = (uint16_t)(sum + (copy.data[at] | copy.data[at + 1] << 8));
    clo_put_le16(copy.data + 50, (uint16_t)-sum);
    walk(clo_buffer_bytes(&copy));
    if (clo_firmware_unpack(clo_buffer_bytes(&copy), &unpacked, &firmware, &err))
        MUST(lies_within(firmware.pei.bytes, clo_buffer_bytes(&unpacked)) &&
             lies_within(firmware.dxe.bytes, clo_buffer_bytes(&unpacked)));
    return 0;
}
