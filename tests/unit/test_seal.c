/* What sealing does to a header: key slots, tokens, recovery keys, what goes with --replace, and headers that were cut short. The
 * TPM is pretended: what is sealed is looked at instead. */
#include "image/seal.h"

#include "device/random.h"
#include "luks_disk.h"

static uint8_t sealed[CLO_TPM2_SECRET_MAX]; /* what the last object got */
static size_t sealed_size;

static bool seal_nowhere(void *context, const struct clo_tpm2_sealing *sealing,
                         struct clo_bytes secret, struct clo_tpm2_token *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    (void)context;
    memcpy(sealed, secret.data, secret.size);
    sealed_size = secret.size;
    /* The generator of P-256 as the storage key of a TPM that nobody has. */
    from_hex("0023 000b 00030472 0000 0006 0080 0043 0010 0003 0010 0020"
             "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296 0020"
             "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
             &area);
    return clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, err) &&
           clo_tpm2_sealing_offline(sealing, &parent, 0x81000001, secret, &clo_random_system, out,
                                    err);
}

static bool (*keep_share)(void *context, const struct clo_secret *share, struct clo_error *err);

struct sealing {
    struct clo_seal_disk disk;
    struct clo_seal_result result;
};

static void free_sealing(struct sealing *sealing)
{
    clo_seal_close(&sealing->disk);
    clo_seal_result_free(&sealing->result);
}

static bool seal_with(const void *key, size_t size, enum clo_seal_form form, bool drops_others,
                      bool makes_recovery, struct sealing *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_seal_state state = { .name = "a state", .hint = { .bank = CLO_HASH_SHA256 } };
    struct clo_seal_job job = { .form = form,
                                .sealing = { .bank = CLO_HASH_SHA256, .pcrs = 1U << 11 },
                                .states = &state,
                                .state_count = 1,
                                .drops_others = drops_others,
                                .makes_recovery = makes_recovery,
                                .random = &clo_random_system,
                                .seal = seal_nowhere,
                                .keep_share = keep_share };

    state.hint.pcrs = 1U << 11;
    state.hint.values[11].hash = CLO_HASH_SHA256;
    state.values[0].hash = CLO_HASH_SHA256;
    assert_true(clo_secret_copy(clo_bytes(key, size), &secret, err));
    job.key = secret;
    if (!clo_seal_open(device, true, &out->disk, err))
        fail_msg("%s", err->text);
    return clo_seal(&out->disk, &job, &out->result, err);
}

static void seal(enum clo_seal_form form, bool drops_others, bool makes_recovery,
                 struct sealing *out)
{
    struct clo_error err;

    if (!seal_with(disk_key, sizeof disk_key, form, drops_others, makes_recovery, out, &err))
        fail_msg("%s", err.text);
}

/* Which key slot a key opens; negative: none. */
static int slot_of(struct clo_bytes key)
{
    struct crypt_device *luks;
    char volume_key[64];
    size_t size = sizeof volume_key;

    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_load(luks, CRYPT_LUKS2, NULL), 0);
    int slot = crypt_volume_key_get(luks, CRYPT_ANY_SLOT, volume_key, &size, (const char *)key.data,
                                    key.size);
    crypt_free(luks);
    return slot;
}

static int slot_of_sealed(void)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err;

    assert_true(clo_tpm2_slot_key(clo_bytes(sealed, sealed_size), &key, &err));
    return slot_of(clo_secret_bytes(key));
}

static size_t count_tokens(const char *type)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;
    const char *name;
    json_t *token;
    size_t count = 0;

    assert_true(clo_seal_open(device, false, &disk, &err));
    assert_true(clo_luks2_parse(clo_buffer_bytes(&disk.header), &info, &metadata, &err));
    json_object_foreach (json_object_get(metadata, "tokens"), name, token)
        count += strcmp(json_string_value(json_object_get(token, "type")), type) == 0 ? 1U : 0U;
    return count;
}

static struct clo_bytes the_key(void)
{
    return clo_bytes(disk_key, sizeof disk_key);
}

static void test_systemd(void **state)
{
    CLO_CLEANUP(free_sealing) struct sealing first = { .disk.fd = -1 };
    CLO_CLEANUP(free_sealing) struct sealing second = { .disk.fd = -1 };

    (void)state;
    make_disk(1);
    seal(CLO_SEAL_SYSTEMD, false, false, &first);
    assert_int_equal(sealed_size, 32);
    assert_int_equal(slot_of_sealed(), 1);
    assert_int_equal(slot_of(the_key()), 0);
    assert_int_equal(count_tokens(CLO_TPM2_TOKEN_SYSTEMD), 1);
    assert_int_equal(count_tokens(CLO_PCR_HINT_TYPE), 1);
    assert_int_equal(first.result.dropped, 0);

    uint8_t before[32];
    memcpy(before, sealed, sizeof before);
    seal(CLO_SEAL_SYSTEMD, true, false, &second);
    assert_int_equal(second.result.dropped, 1);
    assert_int_equal(count_tokens(CLO_TPM2_TOKEN_SYSTEMD), 1);
    assert_int_equal(count_tokens(CLO_PCR_HINT_TYPE), 1);
    assert_int_equal(slot_of_sealed(), 2);
    memcpy(sealed, before, sizeof before);
    assert_true(slot_of_sealed() < 0);
    assert_int_equal(slot_of(the_key()), 0);
}

/* The key that is there, and which disk it is for; also where key slots go or come in the same breath. */
static void test_own(void **state)
{
    (void)state;
    make_disk(2);
    for (size_t i = 0; i < 2; i++) {
        CLO_CLEANUP(free_sealing) struct sealing sealing = { .disk.fd = -1 };
        CLO_CLEANUP(free_sealing) struct sealing before = { .disk.fd = -1 };
        struct clo_disk_identity identity;
        struct clo_digest digest;
        struct clo_error err;
        seal(CLO_SEAL_SYSTEMD, false, false, &before);
        seal(CLO_SEAL_OWN, true, i == 1, &sealing);
        assert_int_equal(sealed_size, sizeof disk_key + 32);
        assert_memory_equal(sealed, disk_key, sizeof disk_key);
        assert_true(clo_disk_identity_of(clo_buffer_bytes(&sealing.disk.header),
                                         sealing.result.volume_key, &identity, &err));
        clo_disk_identity_digest(&identity, &digest);
        assert_memory_equal(sealed + sizeof disk_key, digest.bytes, 32);
        assert_int_equal(count_tokens(CLO_TPM2_TOKEN_SYSTEMD), 0);
        assert_int_equal(count_tokens(CLO_TPM2_TOKEN_OWN), 1);
    }
}

static bool keep_nothing(void *context, const struct clo_secret *share, struct clo_error *err)
{
    (void)context;
    (void)share;
    return clo_fail(err, CLO_ERR_SYSTEM, "no room for the share");
}

/* A share that nobody could keep: the header stays as it was, with what was sealed before. */
static void test_share_not_kept(void **state)
{
    CLO_CLEANUP(free_sealing) struct sealing before = { .disk.fd = -1 };
    CLO_CLEANUP(free_sealing) struct sealing after = { .disk.fd = -1 };
    struct clo_error err;

    (void)state;
    make_disk(7);
    seal(CLO_SEAL_SHARE, false, false, &before);
    keep_share = keep_nothing;
    bool ok = seal_with(disk_key, sizeof disk_key, CLO_SEAL_SHARE, true, false, &after, &err);
    keep_share = NULL;
    assert_false(ok);
    assert_non_null(strstr(err.text, "no room for the share"));
    assert_memory_equal(after.disk.header.data, before.disk.header.data, before.disk.header.size);
}

static void test_share(void **state)
{
    CLO_CLEANUP(free_sealing) struct sealing sealing = { .disk.fd = -1 };

    (void)state;
    make_disk(3);
    seal(CLO_SEAL_SHARE, false, false, &sealing);
    assert_int_equal(sealed_size, sizeof disk_key);
    struct clo_bytes share = clo_secret_bytes(sealing.result.share);
    assert_int_equal(share.size, sizeof disk_key);
    assert_true(slot_of(share) < 0 && slot_of(clo_bytes(sealed, sealed_size)) < 0);
    for (size_t i = 0; i < sealed_size; i++)
        assert_int_equal(sealed[i] ^ share.data[i], (uint8_t)disk_key[i]);
}

static void test_recovery(void **state)
{
    CLO_CLEANUP(free_sealing) struct sealing sealing = { .disk.fd = -1 };

    (void)state;
    make_disk(4);
    seal(CLO_SEAL_SYSTEMD, false, true, &sealing);
    struct clo_bytes text = clo_secret_bytes(sealing.result.recovery);
    assert_int_equal(text.size, 71);
    for (size_t i = 0; i < text.size; i++)
        assert_true(i % 9 == 8 ? text.data[i] == '-'
                               : strchr("cbdefghijklnrtuv", text.data[i]) != NULL);
    assert_true(slot_of(text) >= 0);
    assert_int_equal(count_tokens("systemd-recovery"), 1);
}

static void read_disk(struct clo_buffer *out)
{
    struct clo_error err;

    out->size = 0;
    if (!clo_file_read(device, (size_t)DEVICE_SIZE, out, &err))
        fail_msg("%s", err.text);
}

static void write_disk(const struct clo_buffer *bytes)
{
    struct clo_error err;

    if (!clo_file_write(device, clo_buffer_bytes(bytes), 0600, &err))
        fail_msg("%s", err.text);
}

static void test_wrong_key(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer after = { 0 };
    CLO_CLEANUP(free_sealing) struct sealing sealing = { .disk.fd = -1 };
    struct clo_error err;

    (void)state;
    make_disk(5);
    read_disk(&before);
    assert_false(seal_with("another", 7, CLO_SEAL_SYSTEMD, true, true, &sealing, &err));
    assert_string_equal(err.text, "the key opens no key slot");
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    read_disk(&after);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&before), clo_buffer_bytes(&after)));
}

/* Cut short after any write (key slots, then the first header, then the second), and within each: the owner's key opens it, and
 * so does what was sealed before. */
static void test_cut_short(void **state)
{
    static const struct {
        const char *name;
        size_t from, to; /* what of the new headers is there */
        bool has_areas;
    } cuts[] = {
        { "half of the key slots", 0, 0, false },         { "key slots alone", 0, 0, true },
        { "half of the first header", 0, 6000, true },    { "the first header", 0, HEADER, true },
        { "half of the second", 0, HEADER + 6000, true },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer after = { 0 };
    CLO_CLEANUP(free_sealing) struct sealing first = { .disk.fd = -1 };
    CLO_CLEANUP(free_sealing) struct sealing second = { .disk.fd = -1 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err;

    (void)state;
    make_disk(6);
    seal(CLO_SEAL_SYSTEMD, false, false, &first);
    assert_true(clo_tpm2_slot_key(clo_bytes(sealed, sealed_size), &key, &err));
    read_disk(&before);
    seal(CLO_SEAL_SYSTEMD, false, true, &second);
    read_disk(&after);
    for (size_t i = 0; i < CLO_COUNT(cuts); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cut = { 0 };
        CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };
        size_t areas = cuts[i].has_areas ? before.size : (size_t)1 << 20;
        clo_buffer_append(&cut, clo_buffer_bytes(&before));
        memcpy(cut.data + (size_t)2 * HEADER, after.data + (size_t)2 * HEADER,
               areas - (size_t)2 * HEADER);
        memcpy(cut.data + cuts[i].from, after.data + cuts[i].from, cuts[i].to - cuts[i].from);
        write_disk(&cut);
        CHECK(clo_seal_open(device, false, &disk, &err), cuts[i].name);
        /* As the guest takes it: one header, made of the two. */
        memcpy(cut.data, disk.header.data, (size_t)2 * HEADER);
        write_disk(&cut);
        CHECK(slot_of(the_key()) == 0, cuts[i].name);
        CHECK(slot_of(clo_secret_bytes(key)) == 1, cuts[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_systemd),   cmocka_unit_test(test_own),
        cmocka_unit_test(test_share),     cmocka_unit_test(test_share_not_kept),
        cmocka_unit_test(test_recovery),  cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_cut_short),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
