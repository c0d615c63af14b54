/* A disk of a guest, made by libcryptsetup in a plain file: for tests of what is done with its header. */
#ifndef CLOISTER_TEST_LUKS_DISK_H
#define CLOISTER_TEST_LUKS_DISK_H

#include <fcntl.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "test.h"

#define DEVICE_SIZE ((off_t)20 << 20)
#define HEADER      16384 /* one copy, as libcryptsetup makes it */
#define UUID        "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11"

static struct clo_scratch scratch;
static char device[64];
static char header_file[4200];
static const char disk_key[64] = "the disk key of both";

/* libcryptsetup's own choice takes seconds for each slot, and times them. */
static const struct crypt_pbkdf_type quick_pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                                     .hash = "sha256",
                                                     .iterations = 1000,
                                                     .flags = CRYPT_PBKDF_NO_BENCHMARK };

/* A disk under the one disk key, with a volume key of its own. */
static inline void make_disk(uint8_t filler)
{
    struct crypt_params_luks2 parameters = { .pbkdf = &quick_pbkdf, .sector_size = 4096 };
    struct crypt_device *luks;
    char key[64];

    memset(key, filler, sizeof key);
    key[0] = 1; /* XTS wants two different halves */
    (void)unlink(device);
    int fd = open(device, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, DEVICE_SIZE), 0);
    close(fd);
    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_set_data_offset(luks, (16 << 20) / 512), 0);
    assert_int_equal(crypt_format(luks, CRYPT_LUKS2, "aes", "xts-plain64", UUID, key, sizeof key,
                                  &parameters),
                     0);
    assert_int_equal(
            crypt_keyslot_add_by_volume_key(luks, 0, key, sizeof key, disk_key, sizeof disk_key),
            0);
    crypt_free(luks);
}

static inline int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    snprintf(device, sizeof device, "%.50s/disk", scratch.path);
    snprintf(header_file, sizeof header_file, "%s/header", scratch.path);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

#endif
