/* A hash tree over a volume: where its levels lie, its superblock, and its digests, held against veritysetup's. */
#include "lib/disk/verity.h"

#include <string.h>

#include "test.h"

static const uint8_t salt[CLO_VERITY_SALT] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                               11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                               22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static void test_plan(void **state)
{
    static const struct {
        const char *name;
        uint64_t data;
        unsigned levels;
        uint64_t first, top, tree; /* of level 0, of the last, and all of it */
    } cases[] = {
        { "two blocks", 2, 1, 1, 1, 2 },         { "a full block of digests", 128, 1, 1, 1, 2 },
        { "one more", 129, 2, 2, 1, 4 },         { "two full levels", 16384, 2, 2, 1, 130 },
        { "three levels", 16385, 3, 4, 1, 133 }, { "4 GiB", 1 << 20, 3, 66, 1, 8258 },
    };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_verity verity;
        CHECK(clo_verity_plan(cases[i].data, salt, &verity, &err), cases[i].name);
        CHECK(verity.level_count == cases[i].levels && verity.first[0] == cases[i].first &&
                      verity.first[verity.level_count - 1] == cases[i].top &&
                      verity.tree_blocks == cases[i].tree,
              cases[i].name);
    }
}

static void test_refused(void **state)
{
    static const uint64_t cases[] = { 0, 1, CLO_VERITY_DATA_MAX + 1, UINT64_MAX };
    struct clo_verity verity;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(!clo_verity_plan(cases[i], salt, &verity, &err), "a number of blocks");
        CHECK(strncmp(err.text, "dm-verity: ", 11) == 0, err.text);
    }
}

/* Block i holds its number, 1024 times. `veritysetup format --salt 000102… --uuid 00112233-4455-6677-8899-aabbccddeeff` */
static void fill(uint32_t number, uint8_t block[CLO_VERITY_BLOCK])
{
    for (size_t i = 0; i < CLO_VERITY_BLOCK; i += 4) {
        memset(block + i, 0, 4);
        block[i] = (uint8_t)number;
    }
}

static void test_root_hash(void **state)
{
    static const char expected[] =
            "70f2f455d2b85c3bdd46def995de40f7785052990470caadab3f6ef8ca63d48d";
    uint8_t block[CLO_VERITY_BLOCK], leaves[2][CLO_VERITY_BLOCK] = { 0 };
    uint8_t top[CLO_VERITY_BLOCK] = { 0 }, root[CLO_VERITY_DIGEST];
    char hex[2 * CLO_VERITY_DIGEST + 1];
    struct clo_verity verity;
    struct clo_error err;

    (void)state;
    CHECK(clo_verity_plan(130, salt, &verity, &err), err.text);
    for (uint32_t i = 0; i < 130; i++) {
        fill(i, block);
        clo_verity_digest(&verity, clo_bytes(block, sizeof block),
                          leaves[i / CLO_VERITY_PER_BLOCK] +
                                  i % CLO_VERITY_PER_BLOCK * CLO_VERITY_DIGEST);
    }
    for (size_t i = 0; i < 2; i++)
        clo_verity_digest(&verity, clo_bytes(leaves[i], CLO_VERITY_BLOCK),
                          top + i * CLO_VERITY_DIGEST);
    clo_verity_digest(&verity, clo_bytes(top, sizeof top), root);
    clo_hex_text(clo_bytes(root, sizeof root), hex);
    CHECK(strcmp(hex, expected) == 0, hex);
}

static void test_superblock(void **state)
{
    static const char expected[] = "76657269747900000100000001000000"
                                   "00112233445566778899aabbccddeeff7368613235360000000000000000000"
                                   "000000000000000000000000000000000"
                                   "001000000010000082000000000000002000000000000000000102030405060"
                                   "708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_verity verity;
    struct clo_guid uuid;
    struct clo_error err;
    char hex[2 * 120 + 1];

    (void)state;
    CHECK(clo_guid_read("00112233-4455-6677-8899-aabbccddeeff", &uuid, &err), err.text);
    CHECK(clo_verity_plan(130, salt, &verity, &err), err.text);
    clo_verity_superblock(&verity, &uuid, &out);
    CHECK(out.size == CLO_VERITY_BLOCK, "one block");
    clo_hex_text(clo_bytes_slice(clo_buffer_bytes(&out), 0, 120), hex);
    CHECK(strcmp(hex, expected) == 0, hex);
    CHECK(clo_bytes_all(clo_bytes_slice(clo_buffer_bytes(&out), 120, SIZE_MAX), 0), "the rest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_root_hash),
        cmocka_unit_test(test_superblock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
