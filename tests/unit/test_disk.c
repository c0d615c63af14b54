/* The header: libcryptsetup makes one in a plain file, which stands in for the partition. What needs
 * device-mapper (opening) is for the VM tests. */
#include "guest/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "test.h"

#define DEVICE_SIZE ((off_t)20 << 20)

static struct clo_scratch scratch;
static char device[64];
static char header_file[4200];
static char disk_key[64];
static uint8_t volume_key[64];

static int make_disk(void **state)
{
    struct crypt_device *luks;
    const struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                            .hash = "sha256",
                                            .iterations = 1000,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct crypt_params_luks2 parameters = { .pbkdf = &pbkdf, .sector_size = 4096 };
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    snprintf(device, sizeof device, "%.50s/disk", scratch.path);
    snprintf(header_file, sizeof header_file, "%s/header", scratch.path);
    memset(disk_key, 0x17, sizeof disk_key);
    for (size_t i = 0; i < sizeof volume_key; i++)
        volume_key[i] = (uint8_t)i;
    int fd = open(device, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, DEVICE_SIZE), 0);
    close(fd);
    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_set_data_offset(luks, (16 << 20) / 512), 0);
    assert_int_equal(crypt_format(luks, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
                                  (const char *)volume_key, sizeof volume_key, &parameters),
                     0);
    assert_int_equal(crypt_keyslot_add_by_volume_key(luks, 0, (const char *)volume_key,
                                                     sizeof volume_key, disk_key, sizeof disk_key),
                     0);
    crypt_free(luks);
    return 0;
}

static int remove_disk(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static void open_header(struct clo_disk *disk)
{
    struct clo_error err;

    memcpy(disk->device, device, sizeof device);
    if (!clo_disk_read_header(disk, &err))
        fail_msg("%s", err.text);
}

static void test_volume_key(void **state)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { .device = "" };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *right = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *wrong = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *found = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *none = NULL;
    struct clo_error err;

    (void)state;
    open_header(&disk);
    assert_int_equal(disk.header.size, 16 << 20);
    assert_int_equal(disk.luks.key_size, sizeof volume_key);
    assert_true(clo_secret_copy(clo_bytes(disk_key, sizeof disk_key), &right, &err));
    assert_true(clo_secret_copy(clo_bytes(disk_key, sizeof disk_key - 1), &wrong, &err));
    if (!clo_disk_volume_key(&disk, header_file, right, &found, &err))
        fail_msg("%s", err.text);
    assert_true(clo_bytes_equal(clo_secret_bytes(found), clo_bytes(volume_key, sizeof volume_key)));
    assert_false(clo_disk_volume_key(&disk, header_file, wrong, &none, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "the released key opens no key slot"));
    assert_null(none);
}

static void write_byte(size_t at, uint8_t byte)
{
    int fd = open(device, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* What no key slot uses is not read. Where the copies differ everything is looked at, and they are made one. */
static void test_only_what_is_used(void **state)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { .device = "" };
    CLO_CLEANUP(clo_disk_free) struct clo_disk settled = { .device = "" };
    const size_t unused = 9 << 20, second_magic = 16384, slots = 32768;

    (void)state;
    write_byte(unused, 0x5a);
    open_header(&disk);
    assert_int_equal(disk.luks.keyslots_end, 32768 + 258048);
    assert_int_equal(disk.header.data[unused], 0);
    assert_int_equal(disk.header.data[second_magic], 'S');
    write_byte(second_magic, 0);
    open_header(&settled);
    write_byte(second_magic, 'S');
    write_byte(unused, 0);
    assert_int_equal(settled.header.data[second_magic], 'S');
    assert_int_equal(settled.luks.keyslots_end, disk.luks.keyslots_end);
    assert_memory_equal(settled.header.data + slots, disk.header.data + slots,
                        disk.luks.keyslots_end - slots);
}

/* What the host writes to the disk after the check does not reach the one that opens it. */
static void test_checked_copy_counts(void **state)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { .device = "" };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *right = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *found = NULL;
    static uint8_t saved[4 << 20], zeros[4 << 20];
    struct clo_error err;

    (void)state;
    open_header(&disk);
    int fd = open(device, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, saved, sizeof saved, 0), sizeof saved);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 0), sizeof zeros);
    assert_true(clo_secret_copy(clo_bytes(disk_key, sizeof disk_key), &right, &err));
    bool ok = clo_disk_volume_key(&disk, header_file, right, &found, &err);
    assert_int_equal(pwrite(fd, saved, sizeof saved, 0), sizeof saved);
    close(fd);
    if (!ok)
        fail_msg("%s", err.text);
}

/* A header in a file of its own may be shorter than a disk; a file of nothing is none. */
static void test_detached(void **state)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { .device = "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const size_t sizes[] = { 32768 + 258048, 32768 + 258047, 32768, 0 };
    char file[4300];
    struct clo_error err;

    (void)state;
    memcpy(disk.device, device, sizeof device);
    snprintf(file, sizeof file, "%s/header.luks", scratch.path);
    for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
        assert_true(clo_file_read(device, DEVICE_SIZE, &bytes, &err));
        bytes.size = sizes[i];
        assert_true(clo_file_write(file, clo_buffer_bytes(&bytes), 0600, &err));
        bytes.size = 0;
        disk.header_file = file;
        /* What config says is there for key slots is not in such a file. */
        CHECK(!clo_disk_read_header(&disk, &err), "cut short");
        CHECK(strstr(err.text, file) != NULL, err.text);
    }
    assert_true(clo_file_read(device, DEVICE_SIZE, &bytes, &err));
    bytes.size = 16 << 20;
    assert_true(clo_file_write(file, clo_buffer_bytes(&bytes), 0600, &err));
    CHECK(clo_disk_read_header(&disk, &err), err.text);
    assert_int_equal(disk.header.size, 16 << 20);
}

static void test_refused_headers(void **state)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { .device = "" };
    struct clo_error err;
    char path[4200];

    (void)state;
    snprintf(disk.device, sizeof disk.device, "%.50s/none", scratch.path);
    assert_false(clo_disk_read_header(&disk, &err));
    assert_non_null(strstr(err.text, "No such file or directory"));
    snprintf(path, sizeof path, "%s", disk.device);
    assert_true(clo_file_write(path, clo_bytes_text("short"), 0600, &err));
    assert_false(clo_disk_read_header(&disk, &err));
    assert_non_null(strstr(err.text, "too small"));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, DEVICE_SIZE), 0);
    close(fd);
    assert_false(clo_disk_read_header(&disk, &err));
    assert_non_null(strstr(err.text, "LUKS2"));
    assert_null(disk.header.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volume_key),        cmocka_unit_test(test_checked_copy_counts),
        cmocka_unit_test(test_only_what_is_used), cmocka_unit_test(test_refused_headers),
        cmocka_unit_test(test_detached),
    };

    return cmocka_run_group_tests(tests, make_disk, remove_disk);
}
