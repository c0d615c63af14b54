/* What clo_encrypt() writes, decrypted a second way: sector by sector with OpenSSL, as dm-crypt reads
 * aes-xts-plain64 with 4096-byte sectors. */
#include "image/encrypt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "device/process.h"
#include "lib/disk/integrity.h"
#include "test.h"

#define SECTOR  4096
#define OFFSET  (1 << 20)
#define PAYLOAD (10 << 20) /* two chunks and a half */

static struct clo_scratch scratch;
static struct clo_secret *key;
static char source[4200];
static char target[4200];

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_secret_new(64, &key, &err));
    for (size_t i = 0; i < 64; i++)
        clo_secret_data(key)[i] = (uint8_t)(i * 7 + 1);
    snprintf(source, sizeof source, "%s/source", scratch.path);
    snprintf(target, sizeof target, "%s/target", scratch.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_secret_freep(&key);
    clo_scratch_free(&scratch);
    return 0;
}

static int open_target(void)
{
    int fd = open(target, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, OFFSET + PAYLOAD), 0);
    return fd;
}

static void read_all(const char *path, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_file_read(path, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
}

static void decrypt(const uint8_t *in, uint64_t sector, uint8_t out[SECTOR])
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t tweak[16] = { 0 };
    uint64_t number = sector * 8; /* counted in 512 bytes, as iv_large_sectors is not set */
    int size;

    for (int i = 0; i < 8; i++)
        tweak[i] = (uint8_t)(number >> (8 * i));
    assert_int_equal(
            EVP_DecryptInit_ex(cipher, EVP_aes_256_xts(), NULL, clo_secret_bytes(key).data, tweak),
            1);
    assert_int_equal(EVP_DecryptUpdate(cipher, out, &size, in, SECTOR), 1);
    EVP_CIPHER_CTX_free(cipher);
}

static struct clo_encrypt_result encrypt(unsigned threads, bool all)
{
    CLO_CLEANUP(clo_fd_close) int fd = open_target();
    const struct clo_encrypt_spec spec = { .source = source,
                                           .target = fd,
                                           .offset = OFFSET,
                                           .size = PAYLOAD,
                                           .volume_key = key,
                                           .threads = threads,
                                           .all = all };
    struct clo_encrypt_result result;
    struct clo_error err;

    if (!clo_encrypt(&spec, &result, &err))
        fail_msg("%s", err.text);
    return result;
}

/* A source that is not a file system: all of it, and zeros up to the payload's end. */
static void test_plain(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    uint8_t sector[SECTOR];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < PAYLOAD - 3 * SECTOR - 100; i++)
        clo_buffer_u8(&plain, (uint8_t)(i * 31 + (i >> 12)));
    CHECK(clo_file_write(source, clo_buffer_bytes(&plain), 0600, &err), err.text);
    size_t whole = plain.size;
    clo_buffer_zero(&plain, PAYLOAD - whole);
    for (unsigned threads = 1; threads <= 3; threads++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
        struct clo_encrypt_result result = encrypt(threads, false);
        CHECK(result.encrypted == PAYLOAD && result.skipped == 0, "all of it");
        read_all(target, &written);
        CHECK(written.size == OFFSET + PAYLOAD, "size");
        CHECK(clo_bytes_all(clo_bytes(written.data, OFFSET), 0), "nothing before the payload");
        for (uint64_t i = 0; i < PAYLOAD / SECTOR; i++) {
            decrypt(written.data + OFFSET + i * SECTOR, i, sector);
            CHECK(memcmp(sector, plain.data + i * SECTOR, SECTOR) == 0, "decrypts");
        }
        if (threads == 1)
            clo_buffer_append(&first, clo_buffer_bytes(&written));
        CHECK(clo_bytes_equal(clo_buffer_bytes(&first), clo_buffer_bytes(&written)),
              "however many threads");
    }
}

static void make_file_system(void)
{
    const char *const mke2fs[] = { "mke2fs", "-q",   "-F",   "-t",   "ext4",
                                   "-b",     "4096", source, "2500", NULL };
    struct clo_error err;

    if (truncate(source, 2500 * SECTOR) != 0 || !clo_process_run(mke2fs, NULL, NULL, &err)) {
        print_message("SKIP: %s\n", err.text);
        skip();
    }
}

/* An ext4: what it uses decrypts to what was there; the rest stays a hole, unless asked for. */
static void test_ext4(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sparse = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    uint8_t sector[SECTOR];
    uint64_t holes = 0;

    (void)state;
    make_file_system();
    read_all(source, &plain);
    clo_buffer_zero(&plain, PAYLOAD - plain.size);
    struct clo_encrypt_result result = encrypt(2, false);
    read_all(target, &sparse);
    for (uint64_t i = 0; i < PAYLOAD / SECTOR; i++) {
        const uint8_t *at = sparse.data + OFFSET + i * SECTOR;
        if (clo_bytes_all(clo_bytes(at, SECTOR), 0)) {
            CHECK(clo_bytes_all(clo_bytes(plain.data + i * SECTOR, SECTOR), 0), "data left out");
            holes++;
            continue;
        }
        decrypt(at, i, sector);
        CHECK(memcmp(sector, plain.data + i * SECTOR, SECTOR) == 0, "decrypts");
    }
    CHECK(holes > 0 && result.skipped == holes * SECTOR &&
                  result.encrypted == PAYLOAD - result.skipped,
          "counted");
    result = encrypt(2, true);
    CHECK(result.encrypted == PAYLOAD && result.skipped == 0, "all, when asked for");
    read_all(target, &whole);
    for (uint64_t i = 0; i < PAYLOAD / SECTOR; i++)
        CHECK(!clo_bytes_all(clo_bytes(whole.data + OFFSET + i * SECTOR, SECTOR), 0), "no hole");
}

static void test_refused(void **state)
{
    CLO_CLEANUP(clo_fd_close) int fd = open_target();
    CLO_CLEANUP(clo_fd_close) int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *short_key = NULL;
    struct clo_encrypt_spec usual = {
        .source = source, .target = fd, .offset = OFFSET, .size = PAYLOAD, .volume_key = key
    };
    struct clo_encrypt_result result;
    struct clo_error err;

    (void)state;
    CHECK(clo_secret_new(32, &short_key, &err), err.text);
    struct clo_encrypt_spec spec = usual;
    spec.volume_key = short_key;
    CHECK(!clo_encrypt(&spec, &result, &err) && err.status == CLO_ERR_USAGE, "a short key");
    spec = usual;
    spec.size = PAYLOAD - 1;
    CHECK(!clo_encrypt(&spec, &result, &err) && err.status == CLO_ERR_USAGE, "no whole sectors");
    spec = usual;
    spec.size = SECTOR;
    CHECK(!clo_encrypt(&spec, &result, &err) && err.status == CLO_ERR_USAGE, "too small a payload");
    spec = usual;
    spec.source = "/none";
    CHECK(!clo_encrypt(&spec, &result, &err) && err.status == CLO_ERR_FORMAT, "no source");
    CHECK(strcmp(err.text, "/none: No such file or directory") == 0, err.text);
    spec = usual;
    spec.target = read_only;
    spec.offset = 1;
    CHECK(!clo_encrypt(&spec, &result, &err) && err.status == CLO_ERR_SYSTEM, "cannot be written");
    CHECK(strncmp(err.text, "writing the image: ", 19) == 0, err.text);
}

/* Each sector has a tag, those of holes too, over what lies on the disk; content and tags are where dm-integrity looks. */
static void test_tags(void **state)
{
    static const unsigned sizes[] = { 512, 4096 };

    (void)state;
    make_file_system();
    for (size_t s = 0; s < CLO_COUNT(sizes); s++) {
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *pair = NULL;
        CLO_CLEANUP(clo_fd_close) int fd = open_target();
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
        struct clo_integrity integrity;
        struct clo_encrypt_result result;
        struct clo_error err;
        CHECK(clo_secret_new(96, &pair, &err), err.text);
        for (size_t i = 0; i < 96; i++)
            clo_secret_data(pair)[i] = (uint8_t)(i * 7 + 1);
        CHECK(clo_integrity_plan(PAYLOAD + (2 << 20), sizes[s], 32, &integrity, &err), err.text);
        assert_int_equal(ftruncate(fd, OFFSET + PAYLOAD + (2 << 20)), 0);
        const struct clo_encrypt_spec spec = { .source = source,
                                               .target = fd,
                                               .offset = OFFSET,
                                               .size = integrity.provided,
                                               .volume_key = pair,
                                               .sector_size = sizes[s],
                                               .integrity = &integrity };
        CHECK(clo_encrypt(&spec, &result, &err), err.text);
        CHECK(result.skipped > 0 && result.encrypted + result.skipped == integrity.provided,
              "holes");
        read_all(target, &written);
        for (uint64_t at = 0; at < integrity.provided; at += sizes[s]) {
            const uint8_t *data = written.data + OFFSET + clo_integrity_data_at(&integrity, at);
            uint8_t text[24 + SECTOR] = { 0 }, tag[32];
            for (int k = 0; k < 8; k++)
                text[k] = text[8 + k] = (uint8_t)(at / 512 >> (8 * k));
            memcpy(text + 24, data, sizes[s]);
            HMAC(EVP_sha256(), clo_secret_bytes(pair).data + 64, 32, text, 24 + sizes[s], tag,
                 NULL);
            CHECK(memcmp(tag, written.data + OFFSET + clo_integrity_tag_at(&integrity, at), 32) ==
                          0,
                  "tag");
        }
        const struct clo_encrypt_spec short_key = { .source = source,
                                                    .target = fd,
                                                    .size = PAYLOAD,
                                                    .volume_key = key,
                                                    .integrity = &integrity };
        CHECK(!clo_encrypt(&short_key, &result, &err), "tags without a key of theirs");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_ext4),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
