/* Which disk it is and how often it was used, on headers that libcryptsetup made in a plain file. */
#include "guest/disk_use.h"

#include "lib/disk/integrity.h"
#include "luks_disk.h"

struct opened {
    struct clo_disk disk;
    struct clo_secret *volume_key;
};

static void close_disk(struct opened *opened)
{
    clo_disk_free(&opened->disk);
    clo_secret_freep(&opened->volume_key);
}

/* As the guest does it at each boot. */
static void open_disk(struct opened *out)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err;

    memcpy(out->disk.device, device, sizeof device);
    assert_true(clo_secret_copy(clo_bytes(disk_key, sizeof disk_key), &key, &err));
    if (!clo_disk_read_header(&out->disk, &err) ||
        !clo_disk_volume_key(&out->disk, header_file, key, &out->volume_key, &err))
        fail_msg("%s", err.text);
}

static struct clo_disk_identity identity(const struct opened *opened)
{
    struct clo_disk_identity found;
    struct clo_error err;

    if (!clo_disk_identity_of(clo_buffer_bytes(&opened->disk.header), opened->volume_key, &found,
                              &err))
        fail_msg("%s", err.text);
    return found;
}

static uint64_t use_once(struct clo_disk_identity *registered)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    struct clo_error err;
    uint64_t generation;

    open_disk(&opened);
    if (!clo_disk_compare(&opened.disk, opened.volume_key, registered, &err) ||
        !clo_disk_raise_generation(&opened.disk, header_file, opened.volume_key, 0, &generation,
                                   &err))
        fail_msg("%s", err.text);
    assert_int_equal(opened.disk.luks.generation.value, generation);
    registered->generation = generation;
    return generation;
}

static void copy_bytes(uint8_t *bytes, bool to_disk)
{
    int fd = open(device, O_RDWR | O_CLOEXEC);
    ssize_t size = to_disk ? pwrite(fd, bytes, (size_t)2 * HEADER, 0)
                           : pread(fd, bytes, (size_t)2 * HEADER, 0);

    assert_int_equal(size, 2 * HEADER);
    close(fd);
}

static void test_used_again(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    struct clo_disk_identity registered;
    static uint8_t old[2 * HEADER];
    struct crypt_device *luks;
    struct clo_error err;
    const char *json;

    (void)state;
    make_disk(7);
    open_disk(&opened);
    registered = identity(&opened);
    assert_int_equal(registered.generation, 0);
    assert_int_equal(use_once(&registered), 1);
    copy_bytes(old, false);
    assert_int_equal(use_once(&registered), 2);
    assert_int_equal(use_once(&registered), 3);
    /* libcryptsetup still takes it, and finds one token. */
    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_load(luks, CRYPT_LUKS2, NULL), 0);
    assert_int_equal(crypt_token_json_get(luks, 0, &json), 0);
    assert_non_null(strstr(json, "\"generation\":3"));
    assert_true(crypt_token_json_get(luks, 1, &json) < 0);
    crypt_free(luks);
    /* The old copy, put back. */
    copy_bytes(old, true);
    close_disk(&opened);
    opened = (struct opened){ .volume_key = NULL };
    open_disk(&opened);
    assert_false(clo_disk_compare(&opened.disk, opened.volume_key, &registered, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text,
                        "disk: generation 1 is older than 3, which was the last one seen: "
                        "an old copy of this disk");
}

/* Its header in a file of its own: it is read there and written there, and what the device shows in its place is nobody's. */
static void test_detached(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    CLO_CLEANUP(close_disk) struct opened again = { .volume_key = NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer others = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer after = { 0 };
    char file[4300];
    struct clo_error err;
    uint64_t generation;

    (void)state;
    snprintf(file, sizeof file, "%s/header.luks", scratch.path);
    make_disk(7);
    CHECK(clo_file_read(device, DEVICE_SIZE, &bytes, &err), err.text);
    bytes.size = CLO_LUKS2_HEADER_MAX;
    CHECK(clo_file_write(file, clo_buffer_bytes(&bytes), 0600, &err), err.text);
    make_disk(9);
    CHECK(clo_file_read(device, DEVICE_SIZE, &others, &err), err.text);
    opened.disk.header_file = file;
    open_disk(&opened);
    assert_int_equal(clo_secret_bytes(opened.volume_key).data[1], 7);
    CHECK(clo_disk_raise_generation(&opened.disk, header_file, opened.volume_key, 0, &generation,
                                    &err),
          err.text);
    CHECK(clo_file_read(device, DEVICE_SIZE, &after, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&after), clo_buffer_bytes(&others)), "the device");
    again.disk.header_file = file;
    open_disk(&again);
    assert_int_equal(again.disk.luks.generation.value, 1);
}

static void write_back(const struct clo_buffer *bytes, off_t at)
{
    int fd = open(device, O_RDWR | O_CLOEXEC);

    assert_int_equal(pwrite(fd, bytes->data, bytes->size, at), (ssize_t)bytes->size);
    close(fd);
}

/* As the image builder makes it: a volume key of 96 bytes in a slot of no segment, which then becomes the segment's. */
static void make_tagged_disk(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_integrity integrity;
    struct clo_luks2_info info;
    struct crypt_device *luks;
    struct clo_error err;
    char key[96];

    make_disk(7);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (char)i;
    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_load(luks, CRYPT_LUKS2, NULL), 0);
    assert_int_equal(crypt_set_pbkdf_type(luks, &quick_pbkdf), 0);
    assert_int_equal(crypt_keyslot_destroy(luks, 0), 0);
    assert_int_equal(crypt_keyslot_add_by_key(luks, 0, key, sizeof key, disk_key, sizeof disk_key,
                                              CRYPT_VOLUME_KEY_NO_SEGMENT),
                     0);
    crypt_free(luks);
    CHECK(clo_file_read(device, DEVICE_SIZE, &header, &err), err.text);
    header.size = 2 * HEADER;
    CHECK(clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, &err), err.text);
    json_t *digests = json_object_get(metadata, "digests");
    json_t *digest = json_object_get(digests, "1");
    json_object_set_new(digest, "segments", json_pack("[s]", "0"));
    json_object_set(digests, "0", digest);
    json_object_del(digests, "1");
    json_object_set_new(json_object_get(json_object_get(metadata, "segments"), "0"), "integrity",
                        json_pack("{s:s, s:s, s:s}", "type", CLO_LUKS2_HMAC, "journal_encryption",
                                  "none", "journal_integrity", "none"));
    CHECK(clo_luks2_write(&header, metadata, &err), err.text);
    write_back(&header, 0);
    CHECK(clo_integrity_plan(DEVICE_SIZE - (16 << 20), 4096, 32, &integrity, &err), err.text);
    CHECK(clo_integrity_write(&integrity, &superblock, &err), err.text);
    write_back(&superblock, 16 << 20);
}

/* Generations stand in the header: where sectors have tags, they count and refuse as they do where there are none. */
static void test_tags(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    CLO_CLEANUP(close_disk) struct opened old_one = { .volume_key = NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer zeros = { 0 };
    struct clo_disk evil = { .device = "" };
    struct clo_disk_identity registered;
    static uint8_t old[2 * HEADER];
    struct clo_error err;

    (void)state;
    make_tagged_disk();
    open_disk(&opened);
    assert_int_equal(opened.disk.luks.key_size, 96);
    registered = identity(&opened);
    assert_int_equal(use_once(&registered), 1);
    copy_bytes(old, false);
    assert_int_equal(use_once(&registered), 2);
    copy_bytes(old, true);
    open_disk(&old_one);
    CHECK(!clo_disk_compare(&old_one.disk, old_one.volume_key, &registered, &err), "an old copy");
    assert_string_equal(err.text,
                        "disk: generation 1 is older than 2, which was the last one seen: "
                        "an old copy of this disk");
    clo_buffer_zero(&zeros, CLO_INTEGRITY_SUPERBLOCK);
    write_back(&zeros, 16 << 20);
    memcpy(evil.device, device, sizeof device);
    CHECK(!clo_disk_read_header(&evil, &err), "a superblock of zeros");
    assert_non_null(strstr(err.text, ": integrity: no superblock"));
    clo_disk_free(&evil);
}

static void test_another_disk(void **state)
{
    CLO_CLEANUP(close_disk) struct opened first = { .volume_key = NULL };
    CLO_CLEANUP(close_disk) struct opened second = { .volume_key = NULL };
    struct clo_disk_identity registered;
    struct clo_error err;

    (void)state;
    make_disk(7);
    open_disk(&first);
    registered = identity(&first);
    make_disk(8);
    open_disk(&second); /* the disk key opens it */
    assert_false(clo_disk_compare(&second.disk, second.volume_key, &registered, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text,
                        "disk: the volume key is not the one that was registered: another "
                        "disk under the same disk key");
}

/* The power goes at any moment of a write: the disk is of the old generation or of the new one. */
static void test_cut_short(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    static uint8_t old[2 * HEADER], new[2 * HEADER], mixed[2 * HEADER];
    struct clo_disk_identity registered;

    (void)state;
    make_disk(7);
    open_disk(&opened);
    registered = identity(&opened);
    use_once(&registered);
    copy_bytes(old, false);
    use_once(&registered);
    copy_bytes(new, false);
    registered.generation = 1; /* the broker was not told */
    for (size_t cut = 0; cut <= sizeof mixed; cut += 512) {
        CLO_CLEANUP(close_disk) struct opened again = { .volume_key = NULL };
        struct clo_disk_identity found = registered;
        char name[32];
        snprintf(name, sizeof name, "cut at %zu", cut);
        memcpy(mixed, new, cut);
        memcpy(mixed + cut, old + cut, sizeof mixed - cut);
        copy_bytes(mixed, true);
        open_disk(&again);
        uint64_t generation = identity(&again).generation;
        CHECK(generation == 1 || generation == 2, name);
        CHECK(cut < HEADER || generation == 2, name);
        CHECK(use_once(&found) == generation + 1, name);
    }
}

/* The TPM's counter may ask for more than the next one; where it is asked for and there is none, nothing is written. */
static void test_counter(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    struct clo_error err;
    uint64_t generation;

    (void)state;
    make_disk(7);
    open_disk(&opened);
    const struct clo_disk_identity registered = identity(&opened);
    const struct clo_disk_use use = { .disk = &opened.disk,
                                      .scratch = header_file,
                                      .volume_key = opened.volume_key,
                                      .registered = &registered,
                                      .has_counter = true };
    CHECK(!clo_disk_use_again(&use, &generation, &err), "a counter without a TPM");
    assert_non_null(strstr(err.text, "keeps its generation in a TPM"));
    /* A TPM that is there, and that no report binds, is the host's: it is not asked. */
    static char nobodys;
    static const struct clo_bound_tpm none = { .ak = NULL };
    struct clo_disk_use of_host = use;
    of_host.tpm = (struct clo_tpm *)(void *)&nobodys;
    of_host.bound = &none;
    CHECK(!clo_disk_use_again(&of_host, &generation, &err), "a counter of the host's TPM");
    assert_non_null(strstr(err.text, "keeps its generation in a TPM"));
    assert_int_equal(opened.disk.luks.generation.value, 0);
    assert_true(clo_disk_raise_generation(&opened.disk, header_file, opened.volume_key, 9,
                                          &generation, &err));
    assert_int_equal(generation, 9);
    assert_int_equal(opened.disk.luks.generation.value, 9);
    assert_true(clo_disk_raise_generation(&opened.disk, header_file, opened.volume_key, 3,
                                          &generation, &err));
    assert_int_equal(generation, 10);
}

static void test_no_room_to_write(void **state)
{
    CLO_CLEANUP(close_disk) struct opened opened = { .volume_key = NULL };
    struct clo_error err;
    uint64_t generation;

    (void)state;
    make_disk(7);
    open_disk(&opened);
    snprintf(opened.disk.device, sizeof opened.disk.device, "%.50s/none", scratch.path);
    assert_false(clo_disk_raise_generation(&opened.disk, header_file, opened.volume_key, 0,
                                           &generation, &err));
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
    assert_int_equal(opened.disk.luks.generation.value, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detached),
        cmocka_unit_test(test_used_again),
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_another_disk),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_no_room_to_write),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
