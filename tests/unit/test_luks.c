/* The header that libcryptsetup makes for us passes our own white list, and both keys open it. */
#include "image/luks.h"

#include <fcntl.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "lib/disk/luks2.h"
#include "test.h"

#define UUID "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11"

static struct clo_scratch scratch;
static char path[4200];

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(path, sizeof path, "%s/disk", scratch.path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 20 << 20), 0);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static bool opens(struct clo_bytes secret, const struct clo_secret *volume_key, int slot)
{
    struct crypt_device *device;
    char found[96];
    size_t size = sizeof found;

    assert_int_equal(crypt_init(&device, path), 0);
    assert_int_equal(crypt_load(device, CRYPT_LUKS2, NULL), 0);
    int got = crypt_volume_key_get(device, CRYPT_ANY_SLOT, found, &size, (const char *)secret.data,
                                   secret.size);
    crypt_free(device);
    return got == slot && clo_bytes_equal(clo_bytes(found, size), clo_secret_bytes(volume_key));
}

static void test_format(void **state)
{
    static const uint8_t disk_key[32] = { 1, 2, 3 };
    const struct clo_luks_spec spec = { .uuid = UUID,
                                        .disk_key = clo_bytes(disk_key, sizeof disk_key),
                                        .recovery_passphrase = clo_bytes_text("horse battery") };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;
    char uuid[41];

    (void)state;
    CHECK(clo_luks_format(path, &spec, &volume_key, uuid, &err), err.text);
    CHECK(strcmp(uuid, UUID) == 0 && clo_secret_size(volume_key) == 64, uuid);
    CHECK(clo_file_read(path, CLO_FILE_LIMIT, &head, &err), err.text);
    CHECK(clo_luks2_check(clo_buffer_bytes(&head), &info, &err), err.text);
    CHECK(info.payload_offset == CLO_LUKS_PAYLOAD_OFFSET && info.keyslot_count == 2, "header");
    CHECK(clo_luks2_parse(clo_buffer_bytes(&head), &info, &metadata, &err), err.text);
    const json_t *slot = json_object_get(json_object_get(metadata, "keyslots"), "1");
    CHECK(strcmp(json_string_value(json_object_get(json_object_get(slot, "kdf"), "type")),
                 "argon2id") == 0,
          "a passphrase is stretched");
    CHECK(opens(spec.disk_key, volume_key, 0), "the disk key");
    CHECK(opens(spec.recovery_passphrase, volume_key, 1), "the passphrase");
    CHECK(!opens(clo_bytes_text("another"), volume_key, 0), "and nothing else");
    CHECK(memmem(head.data, head.size, clo_secret_bytes(volume_key).data, 64) == NULL,
          "the volume key is not on the disk");
}

/* libcryptsetup reads what was made of its header: the segment has tags, and both keys open it. */
static void test_tags(void **state)
{
    static const uint8_t disk_key[64] = { 3, 2, 1 };
    static const struct {
        unsigned sector;
        bool is_gcm;
        const char *integrity;
        unsigned key;
    } forms[] = {
        { 512, false, "hmac(sha256)", 96 },
        { 4096, false, "hmac(sha256)", 96 },
        { 512, true, "aead", 32 },
        { 4096, true, "aead", 32 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(forms); i++) {
        const struct clo_luks_spec spec = { .disk_key = clo_bytes(disk_key, sizeof disk_key),
                                            .recovery_passphrase = clo_bytes_text("battery staple"),
                                            .has_tags = true,
                                            .is_gcm = forms[i].is_gcm,
                                            .sector_size = forms[i].sector };
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *again = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
        struct clo_luks2_info info;
        struct clo_error err;
        char uuid[41];
        CHECK(clo_luks_format(path, &spec, &volume_key, uuid, &err), err.text);
        CHECK(clo_secret_size(volume_key) == forms[i].key, "the volume key");
        CHECK(clo_file_read(path, CLO_FILE_LIMIT, &head, &err), err.text);
        CHECK(clo_luks2_check(clo_buffer_bytes(&head), &info, &err), err.text);
        CHECK(strcmp(info.integrity, forms[i].integrity) == 0 &&
                      info.sector_size == forms[i].sector && info.key_size == forms[i].key &&
                      info.keyslot_count == 2,
              info.integrity);
        CHECK(opens(spec.disk_key, volume_key, 0), "the disk key");
        CHECK(opens(spec.recovery_passphrase, volume_key, 1), "the passphrase");
        CHECK(clo_luks_open(path, spec.disk_key, &again, uuid, &err), err.text);
        CHECK(clo_bytes_equal(clo_secret_bytes(again), clo_secret_bytes(volume_key)), "its key");
    }
}

static void test_refused(void **state)
{
    static const uint8_t disk_key[32];
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_luks_spec spec = { .disk_key = clo_bytes(disk_key, 31) };
    struct clo_error err;
    char uuid[41];

    (void)state;
    CHECK(!clo_luks_format(path, &spec, &volume_key, uuid, &err), "a short key");
    CHECK(strcmp(err.text, "disk key: 31 bytes, 32 to 512 are allowed") == 0, err.text);
    spec.disk_key.size = 32;
    CHECK(!clo_luks_format("/none", &spec, &volume_key, uuid, &err), "no file");
    CHECK(strncmp(err.text, "LUKS2 header: ", 14) == 0 && strlen(err.text) > 14, err.text);
    CHECK(volume_key == NULL, "nothing was given");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
