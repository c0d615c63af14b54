#include "lib/disk/qcow2.h"

#include <inttypes.h>
#include <string.h>

#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define SIZE_MAX_BITS    56
#define OFFSET_MASK      0x00fffffffffffe00ULL
#define COPIED           (1ULL << 63)
#define COMPRESSED       (1ULL << 62)
#define READS_AS_ZERO    1ULL

/* Incompatible features: a reader that does not know one cannot read the disk. */
#define DIRTY       (1ULL << 0) /* counts of references alone: they are not read here */
#define CORRUPT     (1ULL << 1)
#define DATA_FILE   (1ULL << 2)
#define COMPRESSION (1ULL << 3)
#define EXTENDED_L2 (1ULL << 4)

struct header {
    uint64_t backing_at, incompatible;
    uint32_t encryption, header_size;
    uint8_t compression;
};

bool clo_qcow2_guess(struct clo_bytes head)
{
    return clo_bytes_equal(clo_bytes_slice(head, 0, 4), clo_bytes("QFI\xfb", 4));
}

/* The table of "Header" in the specification. */
static void read_header(struct clo_bytes head, struct clo_qcow2 *out, struct header *header,
                        bool *is_whole)
{
    struct clo_reader r = clo_reader(head);

    (void)clo_read_be32(&r);
    out->version = clo_read_be32(&r);
    header->backing_at = clo_read_be64(&r);
    (void)clo_read_be32(&r); /* the length of that name */
    out->cluster_bits = clo_read_be32(&r);
    out->size = clo_read_be64(&r);
    header->encryption = clo_read_be32(&r);
    out->l1_count = clo_read_be32(&r);
    out->l1_at = clo_read_be64(&r);
    clo_read_skip(&r, 24); /* counts of references, snapshots */
    header->header_size = 72;
    if (out->version >= 3) {
        header->incompatible = clo_read_be64(&r);
        clo_read_skip(&r, 20);
        header->header_size = clo_read_be32(&r);
        if (header->header_size > 104)
            header->compression = clo_read_u8(&r);
    }
    *is_whole = clo_reader_ok(&r);
}

static bool check_features(const struct header *header, struct clo_error *err)
{
    const struct {
        bool is_there;
        const char *why;
    } refused[] = {
        { header->backing_at != 0,
          "has a backing file: 'qemu-img convert -O qcow2' joins the two" },
        { header->encryption != 0,
          "is encrypted: 'qemu-img convert' with its key gives a plain one" },
        { (header->incompatible & CORRUPT) != 0,
          "is marked as corrupt: 'qemu-img check -r all' mends it" },
        { (header->incompatible & DATA_FILE) != 0,
          "keeps its data in another file: 'qemu-img convert' joins the two" },
        { (header->incompatible & EXTENDED_L2) != 0,
          "has subclusters: 'qemu-img convert -O qcow2' gives one without" },
        { (header->incompatible & ~(DIRTY | COMPRESSION)) != 0, "has features that are not known" },
        { header->compression > 1, "is compressed in a way that is not known" },
        { header->compression != 0 && (header->incompatible & COMPRESSION) == 0,
          "names a compression without the feature" },
        { header->header_size < 72 || header->header_size % 8 != 0, "has a header of an odd size" },
    };

    for (size_t i = 0; i < CLO_COUNT(refused); i++)
        if (refused[i].is_there)
            return clo_fail(err, i < 7 ? CLO_ERR_UNSUPPORTED : CLO_ERR_FORMAT, "qcow2: %s",
                            refused[i].why);
    return true;
}

/* The tables must be large enough for the disk, and lie in the file. */
static bool check_sizes(const struct clo_qcow2 *image, struct clo_error *err)
{
    if (image->cluster_bits < CLUSTER_BITS_MIN || image->cluster_bits > CLUSTER_BITS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: clusters of 2^%u bytes: 2^9 to 2^21 expected",
                        image->cluster_bits);
    if (image->size == 0 || image->size >> SIZE_MAX_BITS != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: a disk of %" PRIu64 " bytes", image->size);
    unsigned span = image->cluster_bits + image->l2_bits;
    uint64_t needed = ((image->size - 1) >> span) + 1;
    if (image->l1_count > CLO_QCOW2_L1_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "qcow2: a first table of %" PRIu32 " entries, at most %zu", image->l1_count,
                        CLO_QCOW2_L1_MAX);
    if (image->l1_count < needed)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "qcow2: a first table of %" PRIu32 " entries, the disk needs %" PRIu64,
                        image->l1_count, needed);
    if (image->l1_at % 512 != 0 || image->l1_at > image->file_size ||
        image->file_size - image->l1_at < (uint64_t)image->l1_count * 8)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: the first table is not in the file");
    return true;
}

bool clo_qcow2_parse(struct clo_bytes head, uint64_t file_size, struct clo_qcow2 *out,
                     struct clo_error *err)
{
    struct clo_qcow2 image = { .file_size = file_size };
    struct header header = { 0 };
    bool is_whole;

    if (!clo_qcow2_guess(head))
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: \"QFI\\xfb\" is missing");
    read_header(head, &image, &header, &is_whole);
    if (!is_whole)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: the header is cut short");
    if (image.version != 2 && image.version != 3)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "qcow2: version %" PRIu32 ": 2 and 3 are read",
                        image.version);
    image.is_zstd = header.compression == 1;
    image.l2_bits = image.cluster_bits - 3;
    if (!check_features(&header, err) || !check_sizes(&image, err))
        return false;
    *out = image;
    return true;
}

/* A table or a cluster, which begins at a cluster's start and is whole. The last one of a file may end with it. */
static bool check_place(const struct clo_qcow2 *image, uint64_t at, uint64_t size, const char *what,
                        struct clo_error *err)
{
    if (at % ((uint64_t)1 << image->cluster_bits) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: %s at byte %" PRIu64 ": between two clusters",
                        what, at);
    if (at > image->file_size || image->file_size - at < size)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: %s at byte %" PRIu64 ": beyond the file's end",
                        what, at);
    return true;
}

bool clo_qcow2_table(const struct clo_qcow2 *image, uint64_t entry, uint64_t *at,
                     struct clo_error *err)
{
    uint64_t place = entry & OFFSET_MASK;

    if ((entry & ~(OFFSET_MASK | COPIED)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: reserved bits in the first table");
    if (place != 0 &&
        !check_place(image, place, (uint64_t)1 << image->cluster_bits, "a table", err))
        return false;
    *at = place;
    return true;
}

/* "Compressed Clusters Descriptor": offset in the low bits, further 512-byte sectors above it. */
static bool compressed(const struct clo_qcow2 *image, uint64_t entry, struct clo_qcow2_cluster *out,
                       struct clo_error *err)
{
    unsigned bits = 62 - (image->cluster_bits - 8);
    uint64_t at = entry & (((uint64_t)1 << bits) - 1);
    uint64_t sectors = ((entry & (COMPRESSED - 1)) >> bits) + 1;
    uint64_t size = sectors * 512 - at % 512;

    if (at == 0 || at >= image->file_size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "qcow2: a compressed cluster at byte %" PRIu64 ": beyond the file's end",
                        at);
    if (size > image->file_size - at)
        size = image->file_size - at;
    *out = (struct clo_qcow2_cluster){ CLO_QCOW2_COMPRESSED, at, size };
    return true;
}

bool clo_qcow2_cluster(const struct clo_qcow2 *image, uint64_t entry, struct clo_qcow2_cluster *out,
                       struct clo_error *err)
{
    uint64_t zero = image->version >= 3 ? READS_AS_ZERO : 0;
    uint64_t at = entry & OFFSET_MASK;

    if ((entry & COMPRESSED) != 0)
        return compressed(image, entry & ~COPIED, out, err);
    if ((entry & ~(OFFSET_MASK | COPIED | zero)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "qcow2: reserved bits in a second table");
    if (at == 0 || (entry & zero) != 0) {
        *out = (struct clo_qcow2_cluster){ .kind = CLO_QCOW2_HOLE };
        return true;
    }
    /* Tools cut the last cluster of a file where its data end. */
    uint64_t size = (uint64_t)1 << image->cluster_bits;
    if (!check_place(image, at, 1, "a cluster", err))
        return false;
    if (size > image->file_size - at)
        size = image->file_size - at;
    *out = (struct clo_qcow2_cluster){ CLO_QCOW2_PLAIN, at, size };
    return true;
}
