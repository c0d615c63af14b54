#include "lib/disk/qcow2.h"

#include "fuzz.h"

/* What parses has tables in the file; what an entry names lies in it, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t file_size = (uint64_t)1 << 20;
    struct clo_qcow2 image;
    struct clo_qcow2_cluster cluster;
    struct clo_error err;
    uint64_t at;

    if (!clo_qcow2_parse(clo_bytes(data, size), file_size, &image, &err))
        return 0;
    MUST(image.l1_at <= file_size && file_size - image.l1_at >= (uint64_t)image.l1_count * 8);
    struct clo_reader r = clo_reader(clo_bytes(data, size));
    while (clo_reader_left(&r) >= 8) {
        uint64_t entry = clo_read_be64(&r);
        if (clo_qcow2_table(&image, entry, &at, &err) && at != 0)
            MUST(at < file_size && file_size - at >= (uint64_t)1 << image.cluster_bits);
        if (clo_qcow2_cluster(&image, entry, &cluster, &err) && cluster.kind != CLO_QCOW2_HOLE)
            MUST(cluster.at < file_size && cluster.size > 0 &&
                 file_size - cluster.at >= cluster.size);
    }
    return 0;
}
