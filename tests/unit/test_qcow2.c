#include "lib/disk/qcow2.h"

#include "qcow2_maker.h"
#include "test.h"

static void test_header(void **state)
{
    static const struct {
        const char *name;
        size_t at, size; /* of a big-endian field */
        uint64_t value;
        const char *error; /* NULL: it parses */
    } cases[] = {
        { "as it is", 0, 0, 0, NULL },
        { "version 2", 4, 4, 2, NULL },
        { "version 4", 4, 4, 4, "qcow2: version 4: 2 and 3 are read" },
        { "a backing file", 8, 8, 512,
          "qcow2: has a backing file: 'qemu-img convert -O qcow2' joins the two" },
        { "clusters of 256 bytes", 20, 4, 8, "qcow2: clusters of 2^8 bytes: 2^9 to 2^21 expected" },
        { "clusters of 4 MiB", 20, 4, 22, "qcow2: clusters of 2^22 bytes: 2^9 to 2^21 expected" },
        { "clusters of 2^(2^31) bytes", 20, 4, 1U << 31,
          "qcow2: clusters of 2^2147483648 bytes: 2^9 to 2^21 expected" },
        { "no bytes", 24, 8, 0, "qcow2: a disk of 0 bytes" },
        { "2^56 bytes", 24, 8, 1ULL << 56, "qcow2: a disk of 72057594037927936 bytes" },
        { "encrypted", 32, 4, 2,
          "qcow2: is encrypted: 'qemu-img convert' with its key gives a plain one" },
        { "a first table of 2^32 entries", 36, 4, UINT32_MAX,
          "qcow2: a first table of 4294967295 entries, at most 4194304" },
        { "a first table that is too small", 36, 4, 0,
          "qcow2: a first table of 0 entries, the disk needs 1" },
        { "a first table beyond the end", 40, 8, QCOW2_MAKER_FILE,
          "qcow2: the first table is not in the file" },
        { "a first table at an odd place", 40, 8, 65537,
          "qcow2: the first table is not in the file" },
        { "a first table at 2^64", 40, 8, UINT64_MAX & ~511ULL,
          "qcow2: the first table is not in the file" },
        { "not closed", 72, 8, 1, NULL },
        { "corrupt", 72, 8, 2, "qcow2: is marked as corrupt: 'qemu-img check -r all' mends it" },
        { "another data file", 72, 8, 4,
          "qcow2: keeps its data in another file: 'qemu-img convert' joins the two" },
        { "subclusters", 72, 8, 16,
          "qcow2: has subclusters: 'qemu-img convert -O qcow2' gives one without" },
        { "an unknown feature", 72, 8, 1ULL << 63, "qcow2: has features that are not known" },
        { "zstd without its feature", 104, 1, 1, "qcow2: names a compression without the feature" },
        { "a third compression", 104, 1, 2, "qcow2: is compressed in a way that is not known" },
        { "a header of 71 bytes", 100, 4, 71, "qcow2: has a header of an odd size" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t head[CLO_QCOW2_HEAD_SIZE];
        struct clo_qcow2 image;
        struct clo_error err = { 0 };
        qcow2_maker_head(head);
        qcow2_maker_put(head + cases[i].at, cases[i].size, cases[i].value);
        bool ok = clo_qcow2_parse(clo_bytes(head, sizeof head), QCOW2_MAKER_FILE, &image, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok)
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_cut(void **state)
{
    uint8_t head[CLO_QCOW2_HEAD_SIZE];
    struct clo_qcow2 image;
    struct clo_error err;

    (void)state;
    qcow2_maker_head(head);
    for (size_t size = 0; size < 105; size++)
        CHECK(!clo_qcow2_parse(clo_bytes(head, size), QCOW2_MAKER_FILE, &image, &err), "cut");
    CHECK(clo_qcow2_parse(clo_bytes(head, 105), QCOW2_MAKER_FILE, &image, &err), err.text);
}

static void test_tables(void **state)
{
    static const struct {
        const char *name;
        uint64_t entry, at;
        const char *error;
    } cases[] = {
        { "none", 0, 0, NULL },
        { "one", 1ULL << 63 | 65536, 65536, NULL },
        { "one of a snapshot, too", 65536, 65536, NULL },
        { "reserved bits", 65536 | 2, 0, "qcow2: reserved bits in the first table" },
        { "between clusters", 65536 + 512, 0,
          "qcow2: a table at byte 66048: between two clusters" },
        { "the last cluster", QCOW2_MAKER_FILE - 65536, QCOW2_MAKER_FILE - 65536, NULL },
        { "at the end", QCOW2_MAKER_FILE, 0,
          "qcow2: a table at byte 327680: beyond the file's end" },
        { "far away", 0x00ffffffffff0000ULL, 0,
          "qcow2: a table at byte 72057594037862400: beyond the file's end" },
    };
    uint8_t head[CLO_QCOW2_HEAD_SIZE];
    struct clo_qcow2 image;
    struct clo_error err;

    (void)state;
    qcow2_maker_head(head);
    CHECK(clo_qcow2_parse(clo_bytes(head, sizeof head), QCOW2_MAKER_FILE, &image, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint64_t at = 1;
        bool ok = clo_qcow2_table(&image, cases[i].entry, &at, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok ? at == cases[i].at : strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

#define COMPRESSED(sectors, at) (1ULL << 62 | (uint64_t)(sectors) << 54 | (uint64_t)(at))

static void test_clusters(void **state)
{
    static const struct {
        const char *name;
        uint64_t entry;
        enum clo_qcow2_kind kind;
        uint64_t at, size;
        const char *error;
    } cases[] = {
        { "a hole", 0, CLO_QCOW2_HOLE, 0, 0, NULL },
        { "zeros", 65536 | 1, CLO_QCOW2_HOLE, 0, 0, NULL },
        { "plain", 1ULL << 63 | 131072, CLO_QCOW2_PLAIN, 131072, 65536, NULL },
        { "reserved", 131072 | 4, 0, 0, 0, "qcow2: reserved bits in a second table" },
        { "between", 131072 + 4096, 0, 0, 0,
          "qcow2: a cluster at byte 135168: between two clusters" },
        { "beyond", QCOW2_MAKER_FILE, 0, 0, 0,
          "qcow2: a cluster at byte 327680: beyond the file's end" },
        { "compressed", COMPRESSED(3, 70000), CLO_QCOW2_COMPRESSED, 70000, 4 * 512 - 368, NULL },
        { "compressed, up to the end", COMPRESSED(100, QCOW2_MAKER_FILE - 10), CLO_QCOW2_COMPRESSED,
          QCOW2_MAKER_FILE - 10, 10, NULL },
        { "compressed, beyond", COMPRESSED(0, QCOW2_MAKER_FILE), 0, 0, 0,
          "qcow2: a compressed cluster at byte 327680: beyond the file's end" },
        { "compressed, nowhere", COMPRESSED(0, 0), 0, 0, 0,
          "qcow2: a compressed cluster at byte 0: beyond the file's end" },
    };
    uint8_t head[CLO_QCOW2_HEAD_SIZE];
    struct clo_qcow2 image;
    struct clo_error err;

    (void)state;
    qcow2_maker_head(head);
    CHECK(clo_qcow2_parse(clo_bytes(head, sizeof head), QCOW2_MAKER_FILE, &image, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_qcow2_cluster cluster = { 0 };
        bool ok = clo_qcow2_cluster(&image, cases[i].entry, &cluster, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok) {
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
            continue;
        }
        CHECK(cluster.kind == cases[i].kind && cluster.at == cases[i].at &&
                      cluster.size == cases[i].size,
              cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_clusters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
