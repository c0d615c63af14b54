#include "lib/launch/ovmf.h"

#include "fuzz.h"

/* Entries lie in the image, one before the other, and each is found by its GUID; what metadata a
 * firmware points to reaches to the end of the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_ovmf ovmf;
    struct clo_error err;

    if (!clo_ovmf_parse(in, &ovmf, &err))
        return 0;
    MUST(ovmf.count <= CLO_OVMF_ENTRIES_MAX);
    for (size_t i = 0; i < ovmf.count; i++) {
        const struct clo_ovmf_entry *entry = &ovmf.entries[i];
        struct clo_bytes metadata;
        MUST(lies_within(entry->data, in));
        MUST(i == 0 || entry->data.data + entry->data.size + 18 == ovmf.entries[i - 1].data.data);
        MUST(clo_ovmf_find(&ovmf, &entry->guid) == entry);
        if (clo_ovmf_metadata(&ovmf, &entry->guid, &metadata, &err))
            MUST(lies_within(metadata, in) && metadata.size > 0 &&
                 metadata.data + metadata.size == data + size);
    }
    return 0;
}
