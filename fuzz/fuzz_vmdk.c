#include "lib/disk/vmdk.h"

#include <string.h>

#include "fuzz.h"

/* A header, and what may be entries of its tables; or a description. What parses lies in the file. */
static void try_text(struct clo_bytes in)
{
    struct clo_vmdk_text text;
    struct clo_error err;

    if (!clo_vmdk_parse_text(in, &text, &err))
        return;
    MUST(text.size > 0 && text.size % 512 == 0);
    MUST(!text.is_flat || (text.name[0] != '\0' && strchr(text.name, '/') == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t file_size = (uint64_t)1 << 20;
    struct clo_vmdk vmdk;
    struct clo_error err;
    uint64_t at;
    size_t packed;

    try_text(clo_bytes(data, size));
    if (!clo_vmdk_parse(clo_bytes(data, size), file_size, &vmdk, &err))
        return 0;
    MUST((uint64_t)vmdk.table_count * CLO_VMDK_TABLE * vmdk.grain >= vmdk.size);
    MUST(vmdk.is_at_end || (vmdk.directory_at <= file_size &&
                            file_size - vmdk.directory_at >= (uint64_t)vmdk.table_count * 4));
    MUST(vmdk.descriptor_at <= file_size && file_size - vmdk.descriptor_at >= vmdk.descriptor_size);
    for (struct clo_reader r = clo_reader(clo_bytes(data, size)); clo_reader_left(&r) >= 4;) {
        uint32_t entry = clo_read_le32(&r);
        if (clo_vmdk_table(&vmdk, entry, &at, &err))
            MUST(at <= file_size && (at == 0 || file_size - at >= CLO_VMDK_TABLE * 4));
        if (!clo_vmdk_grain(&vmdk, entry, &at, &err) || at == 0)
            continue;
        MUST(file_size - at >= (vmdk.is_compressed ? CLO_VMDK_MARKER_SIZE : vmdk.grain));
        struct clo_bytes marker = clo_bytes_slice(clo_bytes(data, size), 0, CLO_VMDK_MARKER_SIZE);
        if (clo_vmdk_marker(&vmdk, marker, 0, at, &packed, &err))
            MUST(packed > 0 && file_size - at - CLO_VMDK_MARKER_SIZE >= packed);
    }
    return 0;
}
