#include "lib/base/put.h"
#include "lib/unpack/unpack.h"

#include <lz4.h>
#include <lz4hc.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "test.h"

#define PLAIN_SIZE  300000 /* more than one chunk */
#define PACKED_SIZE 600000

/* Text that packs, but not to nothing. */
static void make_plain(uint8_t *out)
{
    uint32_t state = 12345;

    for (size_t i = 0; i < PLAIN_SIZE; i++) {
        state = state * 1103515245 + 12345;
        out[i] = (uint8_t)('a' + (state >> 16) % 7);
    }
}

static size_t pack_gzip(const uint8_t *plain, uint8_t *packed)
{
    z_stream stream = { 0 };

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
    stream.next_in = (z_const Bytef *)(uintptr_t)plain;
    stream.avail_in = PLAIN_SIZE;
    stream.next_out = packed;
    stream.avail_out = PACKED_SIZE;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return PACKED_SIZE - stream.avail_out;
}

static size_t pack_xz(const uint8_t *plain, uint8_t *packed)
{
    size_t size = 0;

    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, plain, PLAIN_SIZE, packed,
                                             &size, PACKED_SIZE),
                     LZMA_OK);
    return size;
}

static size_t pack_lzma(const uint8_t *plain, uint8_t *packed)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;

    lzma_lzma_preset(&options, 1);
    assert_int_equal(lzma_alone_encoder(&stream, &options), LZMA_OK);
    stream.next_in = plain;
    stream.avail_in = PLAIN_SIZE;
    stream.next_out = packed;
    stream.avail_out = PACKED_SIZE;
    assert_int_equal(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    size_t size = PACKED_SIZE - stream.avail_out;
    lzma_end(&stream);
    return size;
}

static size_t pack_zstd(const uint8_t *plain, uint8_t *packed)
{
    return ZSTD_compress(packed, PACKED_SIZE, plain, PLAIN_SIZE, 3);
}

static size_t pack_lz4(const uint8_t *plain, uint8_t *packed)
{
    int size = LZ4_compress_default((const char *)plain, (char *)packed + 8, PLAIN_SIZE,
                                    PACKED_SIZE - 8);

    clo_put_le32(packed, 0x184c2102);
    clo_put_le32(packed + 4, (uint32_t)size);
    return (size_t)size + 8;
}

static const struct {
    const char *name;
    size_t (*pack)(const uint8_t *plain, uint8_t *packed);
    enum clo_compression compression;
} kinds[] = {
    { "gzip", pack_gzip, CLO_COMPRESSION_GZIP }, { "xz", pack_xz, CLO_COMPRESSION_XZ },
    { "lzma", pack_lzma, CLO_COMPRESSION_LZMA }, { "zstd", pack_zstd, CLO_COMPRESSION_ZSTD },
    { "lz4", pack_lz4, CLO_COMPRESSION_LZ4 },
};

static uint8_t plain[PLAIN_SIZE];
static uint8_t packed[PACKED_SIZE];

/* One stream, and how long it is, with something else after it; whatever room there was before. */
static void one_stream(size_t room)
{
    make_plain(plain);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        clo_buffer_reserve(&out, room);
        struct clo_error err;
        size_t used, size = kinds[i].pack(plain, packed);
        memset(packed + size, 0, 16);
        struct clo_bytes in = clo_bytes(packed, size + 16);
        CHECK(clo_compression_of(in) == kinds[i].compression, kinds[i].name);
        CHECK(strcmp(clo_compression_name(kinds[i].compression), kinds[i].name) == 0,
              kinds[i].name);
        CHECK(clo_unpack(in, &out, &used, &err), kinds[i].name);
        CHECK(used == size, kinds[i].name);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out), clo_bytes(plain, PLAIN_SIZE)), kinds[i].name);
    }
}

static void test_one_stream(void **state)
{
    (void)state;
    one_stream(0);
    one_stream(1);
    one_stream(PLAIN_SIZE - 1);
    one_stream(PLAIN_SIZE);
    one_stream((size_t)3 * PLAIN_SIZE);
}

static void test_cut_short(void **state)
{
    (void)state;
    make_plain(plain);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        size_t size = kinds[i].pack(plain, packed);
        for (size_t cut = 0; cut < size; cut += cut < 64 || size - cut < 64 ? 1 : 4999) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
            struct clo_error err;
            size_t used;
            CHECK(!clo_unpack(clo_bytes(packed, cut), &out, &used, &err), kinds[i].name);
            CHECK(strstr(err.text, "damaged or cut short") != NULL ||
                          strstr(err.text, "not compressed in a way") != NULL,
                  err.text);
        }
    }
}

static void test_ceiling(void **state)
{
    (void)state;
    make_plain(plain);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { .limit = PLAIN_SIZE - 1 };
        struct clo_error err;
        size_t used, size = kinds[i].pack(plain, packed);
        CHECK(!clo_unpack(clo_bytes(packed, size), &out, &used, &err), kinds[i].name);
        CHECK(strcmp(err.text, "unpacks to more than 0 MiB") == 0, err.text);
    }
}

static void test_not_unpacked(void **state)
{
    static const struct {
        const char *name, *bytes, *error;
    } cases[] = {
        { "bzip2", "BZh91AY", "compressed with bzip2, which is not unpacked here" },
        { "lzo", "\x89LZO\0\r\n", "compressed with lzo, which is not unpacked here" },
        { "text", "plain text", "not compressed in a way that is known" },
        { "lz4 that is not a block", "\x02\x21\x4c\x18\x03\0\0\0\xff\xff\xff",
          "lz4: damaged or cut short at byte 4" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        size_t used, size = i == 3 ? 11 : 7;
        CHECK(!clo_unpack(clo_bytes(cases[i].bytes, size), &out, &used, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_stream),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_not_unpacked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
