/* A disk whose key a software TPM keeps: enrolled after an attested boot, opened without anybody, refused in another state. */
#include "guest/tpm_tokens.h"

#include "device/random.h"
#include "guest/disk_identity.h"
#include "lib/disk/pcr_hint.h"
#include "luks_disk.h"
#include "swtpm.h"

static char last[1024]; /* the last refusal */
static size_t refusals;

static void on_refusal(void *context, const char *why)
{
    (void)context;
    refusals++;
    snprintf(last, sizeof last, "%s", why);
}

struct opened {
    struct clo_disk disk;
    struct clo_secret *key, *volume_key;
};

static void close_disk(struct opened *opened)
{
    clo_disk_free(&opened->disk);
    clo_secret_freep(&opened->key);
    clo_secret_freep(&opened->volume_key);
}

static void open_disk(struct opened *out)
{
    struct clo_error err;

    memcpy(out->disk.device, device, sizeof device);
    assert_true(clo_secret_copy(clo_bytes(disk_key, sizeof disk_key), &out->key, &err));
    if (!clo_disk_read_header(&out->disk, &err) ||
        !clo_disk_volume_key(&out->disk, header_file, out->key, &out->volume_key, &err))
        fail_msg("%s", err.text);
}

static void extend(unsigned pcr)
{
    enum clo_hash banks[CLO_HASH_COUNT];
    struct clo_digest digests[CLO_HASH_COUNT];
    struct clo_error err;
    size_t count;

    assert_true(clo_tpm_banks(tpm, banks, &count, &err));
    for (size_t i = 0; i < count; i++)
        clo_hash(banks[i], clo_bytes_text("something else"), &digests[i]);
    assert_true(clo_tpm_pcr_extend(tpm, pcr, digests, count, &err));
}

/* As the next boot does it, from the device alone. */
static bool unlock(bool wants_share, struct clo_tpm_found *key, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { 0 };
    const struct clo_unseal with = { 0 };
    const struct clo_tpm_search search = { .tpm = tpm,
                                           .with = &with,
                                           .needs_latch = true,
                                           .wants_share = wants_share,
                                           .on_refusal = on_refusal };

    refusals = 0;
    memcpy(disk.device, device, sizeof device);
    assert_true(clo_disk_read_header(&disk, err));
    return clo_tpm_search(&search, &disk, key, err);
}

static void must_refuse(bool wants_share, const char *words)
{
    CLO_CLEANUP(clo_tpm_found_free) struct clo_tpm_found key = { .key = NULL };
    struct clo_error err;

    assert_false(unlock(wants_share, &key, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    CHECK(strstr(err.text, words) != NULL, err.text);
}

/* The volume key, as the next boot gets it. */
static bool open_by_tpm(struct clo_secret **volume_key, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { 0 };
    const struct clo_unseal with = { 0 };
    const struct clo_tpm_search search = { .tpm = tpm, .with = &with };

    memcpy(disk.device, device, sizeof device);
    assert_true(clo_disk_read_header(&disk, err));
    return clo_tpm_volume_key(&search, &disk, header_file, volume_key, err);
}

static void must_open(void)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_error err;

    open_disk(&opened);
    if (!open_by_tpm(&volume_key, &err))
        fail_msg("%s", err.text);
    assert_true(clo_bytes_equal(clo_secret_bytes(volume_key), clo_secret_bytes(opened.volume_key)));
}

static void present(struct clo_tpm2_name *out)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_error err;

    assert_true(clo_tpm_srk(tpm, &area, &err) &&
                clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, &err));
    clo_tpm2_name_of(parent.public_part, out);
}

static bool enrol_to(struct opened *opened, const struct clo_tpm2_name *srk, struct clo_error *err)
{
    const struct clo_tpm_enrolment to = { .tpm = tpm, .bank = CLO_HASH_SHA256, .srk = srk };

    return clo_tpm_enrol(&to, &opened->disk, header_file, opened->volume_key, opened->key, err);
}

static void enrol(void)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    struct clo_tpm2_name ours;
    struct clo_error err;

    open_disk(&opened);
    present(&ours);
    if (!enrol_to(&opened, &ours, &err))
        fail_msg("%s", err.text);
}

/* The storage key that the TPM shows is its word: the disk key goes to one whose TPM a report binds, or whose name the image has. */
static void test_enrol_elsewhere(void **state)
{
    static const struct clo_tpm2_name other = { .bytes = { 0, 0x0b, 1, 2, 3 } };
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    struct clo_tpm2_name ours;
    struct clo_error err;

    (void)state;
    make_disk(14);
    open_disk(&opened);
    assert_false(enrol_to(&opened, NULL, &err));
    assert_string_equal(err.text, "sealing to the TPM: neither a hardware report nor the image "
                                  "says which TPM this is");
    assert_false(enrol_to(&opened, &other, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text, "sealing to the TPM: the image names its TPM: storage key: "
                                  "the TPM has another one");
    must_refuse(false, "TPM: the disk has no key for a TPM");
    present(&ours);
    if (!enrol_to(&opened, &ours, &err))
        fail_msg("%s", err.text);
    must_open();
}

/* The name that is trusted, and not what a TPM says when it is asked again. */
static void test_note(void **state)
{
    static const struct clo_tpm2_name named = { .bytes = { 0, 0x0b, 1, 2, 3 } };
    char path[4300];

    (void)state;
    snprintf(path, sizeof path, "%s/note", scratch.path);
    for (int is_own = 0; is_own <= 1; is_own++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        if (!clo_tpm_note(&named, is_own == 1, path, &err) ||
            !clo_file_read(path, 256, &text, &err))
            fail_msg("%s", err.text);
        const char *line = clo_buffer_string(&text);
        assert_int_equal(strncmp(line, "000b010203", 10), 0);
        assert_int_equal(strlen(line), 68 + (is_own == 1 ? 4 : 0));
        assert_int_equal(strcmp(line + 68, is_own == 1 ? " own" : ""), 0);
    }
}

/* First boot by attestation, then unattended; in another state refused, by the register's name, until it is enrolled anew. */
static void test_enrol(void **state)
{
    static const unsigned registers[] = { 0, 2, 4, 7, 11, 12, 13, 15 };

    (void)state;
    make_disk(7);
    must_refuse(false, "TPM: the disk has no key for a TPM");
    enrol();
    must_open();
    must_open();
    for (size_t i = 0; i < CLO_COUNT(registers); i++) {
        char words[80];
        extend(registers[i]);
        snprintf(words, sizeof words,
                 "the PCRs are not those that it was sealed for: PCR %u differs", registers[i]);
        must_refuse(false, words);
        enrol();
        must_open();
    }
}

/* What the broker registered is not changed by it. */
static void test_identity(void **state)
{
    CLO_CLEANUP(close_disk) struct opened before = { 0 };
    CLO_CLEANUP(close_disk) struct opened after = { 0 };
    struct clo_disk_identity registered;
    struct clo_error err;

    (void)state;
    make_disk(8);
    open_disk(&before);
    assert_true(clo_disk_identity_of(clo_buffer_bytes(&before.disk.header), before.volume_key,
                                     &registered, &err));
    enrol();
    enrol();
    open_disk(&after);
    if (!clo_disk_compare(&after.disk, after.volume_key, &registered, &err))
        fail_msg("%s", err.text);
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    assert_true(clo_luks2_parse(clo_buffer_bytes(&after.disk.header), &info, &metadata, &err));
    assert_int_equal(json_object_size(json_object_get(metadata, "tokens")), 2);
}

/* Seals with a choice of its own, and writes that token alone. */
static void write_token(uint32_t pcrs, bool is_share, bool is_other_tpm, struct clo_bytes secret)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *hint = NULL;
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_tpm_pcrs now;
    struct clo_error err;
    size_t count = 0;

    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, pcrs, &now, &err));
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((pcrs >> i & 1) != 0)
            values[count++] = now.values[i];
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = pcrs,
                                              .values = values,
                                              .is_own = true,
                                              .is_share = is_share };
    assert_true(clo_tpm_seal(tpm, NULL, &sealing, secret, &clo_random_system, &token, &err));
    if (is_other_tpm)
        token.blobs[0].data[40] ^= 1;
    json = clo_tpm2_token_json(&token);
    hint = json_pack("{s:s, s:[]}", "type", "note", "keyslots");
    const struct clo_disk_tokens tokens = { .types = { CLO_TPM2_TOKEN_OWN, "note" },
                                            .tokens = { json, hint } };
    open_disk(&opened);
    if (!clo_disk_write_tokens(&opened.disk, header_file, opened.volume_key, &tokens, &err))
        fail_msg("%s", err.text);
}

/* The volume key itself, as an update seals it: it takes no key slot's key, and is no other disk's. */
static void write_volume_key(bool is_cut)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *note = json_pack("{s:s, s:[]}", "type", "note", "keyslots");
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_tpm_pcrs now;
    struct clo_error err;
    size_t count = 0;

    open_disk(&opened);
    struct clo_bytes key = clo_secret_bytes(opened.volume_key);
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, CLO_TPM_TOKENS_PCRS, &now, &err));
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((CLO_TPM_TOKENS_PCRS >> i & 1) != 0)
            values[count++] = now.values[i];
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = CLO_TPM_TOKENS_PCRS,
                                              .values = values,
                                              .is_own = true,
                                              .is_volume_key = true };
    assert_true(clo_disk_sealed_key(clo_buffer_bytes(&opened.disk.header), opened.volume_key,
                                    clo_bytes(key.data, is_cut ? 32 : key.size), &sealed, &err));
    assert_true(clo_tpm_seal(tpm, NULL, &sealing, clo_secret_bytes(sealed), &clo_random_system,
                             &token, &err));
    json = clo_tpm2_token_json(&token);
    const struct clo_disk_tokens tokens = { .types = { CLO_TPM2_TOKEN_OWN, "note" },
                                            .tokens = { json, note } };
    assert_true(clo_disk_write_tokens(&opened.disk, header_file, opened.volume_key, &tokens, &err));
}

static void test_volume_key(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    struct clo_error err;

    (void)state;
    make_disk(14);
    write_volume_key(false);
    if (!open_by_tpm(&volume_key, &err))
        fail_msg("%s", err.text);
    open_disk(&opened);
    assert_true(clo_bytes_equal(clo_secret_bytes(volume_key), clo_secret_bytes(opened.volume_key)));
    make_disk(15);
    write_volume_key(true);
    clo_secret_freep(&volume_key);
    assert_false(open_by_tpm(&volume_key, &err));
    assert_string_equal(err.text, "TPM: a volume key of another size than the disk's");
}

static void change(int slot, struct clo_bytes key, const char *token);

/* Sealed to an index that everybody writes (who may write it is another test's): what it approves of stands in the header, in copies. */
static void write_nv_token(uint32_t by_value, const struct clo_alternatives *copies, size_t count)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_tpm2_name name;
    struct clo_tpm_pcrs now;
    struct clo_error err;
    size_t bound = 0;

    open_disk(&opened);
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, by_value, &now, &err));
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((by_value >> i & 1) != 0)
            values[bound++] = now.values[i];
    assert_true(clo_tpm_nv_name(tpm, copies[0].nv_index, &name, &err));
    const struct clo_tpm2_sealing sealing = {
        .bank = CLO_HASH_SHA256, .pcrs = by_value, .values = values, .nv = &name, .is_own = true
    };
    assert_true(clo_disk_sealed_key(clo_buffer_bytes(&opened.disk.header), opened.volume_key,
                                    clo_bytes(disk_key, sizeof disk_key), &sealed, &err));
    assert_true(clo_tpm_seal(tpm, NULL, &sealing, clo_secret_bytes(sealed), &clo_random_system,
                             &token, &err));
    json = clo_tpm2_token_json(&token);
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
    change(-1, clo_bytes(NULL, 0), text);
    for (size_t i = 0; i < count; i++) {
        CLO_CLEANUP(clo_json_freep) json_t *copy = clo_alternatives_token(&copies[i]);
        CLO_CLEANUP(clo_freep) char *line = json_dumps(copy, JSON_COMPACT);
        change(-1, clo_bytes(NULL, 0), line);
    }
}

static void approve(const struct clo_alternatives *states)
{
    uint8_t bytes[CLO_NV_POLICY_SIZE] = { 0x00, 0x0b };
    struct clo_digest policy;
    struct clo_error err;

    clo_alternatives_policy(states, &policy);
    memcpy(bytes + 2, policy.bytes, 32);
    if (!clo_tpm_nv_write(tpm, states->nv_index, clo_bytes(bytes, sizeof bytes), &err))
        fail_msg("%s", err.text);
}

/* The copy is the header's word; the TPM compares it with what the index holds. The latch is bound by value, whatever an index says. */
static void test_nv_policy(void **state)
{
    static struct clo_alternatives copies[2];
    struct clo_tpm_pcrs now;
    struct clo_error err;

    (void)state;
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 1U << 4 | 1U << 11, &now, &err));
    for (size_t i = 0; i < 2; i++) {
        copies[i] = (struct clo_alternatives){ .bank = CLO_HASH_SHA256, .nv_index = 0x01801240u };
        assert_true(clo_alternatives_add(&copies[i], 11, &now.values[11]));
    }
    copies[1].values[11][0].bytes[0] ^= 1;
    assert_true(clo_alternatives_add(&copies[0], 4, &now.values[4]));
    if (!clo_tpm_nv_define(tpm, copies[0].nv_index, CLO_NV_POLICY_SIZE, &err))
        fail_msg("%s", err.text);
    approve(&copies[0]);
    make_disk(20);
    write_nv_token(1U << 12, copies, 1);
    must_refuse(false, "the running system could have its key as well");
    make_disk(21);
    write_nv_token(1U << 15, copies, 0);
    must_refuse(false, "no pcrlock.json says what that is");
    make_disk(22);
    write_nv_token(1U << 15, copies, 2); /* while it is changed */
    must_open();
    approve(&copies[1]);
    must_refuse(false, "the NV index approves of another state: PCR 11");
    approve(&copies[0]);
    must_open();
    extend(4);
    must_refuse(false, "the NV index approves of another state");
}

/* A key that the running system could have as well is not taken, though the TPM would give it. */
static void test_latch(void **state)
{
    (void)state;
    make_disk(9);
    write_token(1U << 0 | 1U << 4 | 1U << 12, false, false, clo_bytes(disk_key, sizeof disk_key));
    must_refuse(false, "the running system could have its key as well");
}

static void test_other_tpm(void **state)
{
    (void)state;
    make_disk(10);
    write_token(CLO_TPM_TOKENS_PCRS, false, true, clo_bytes(disk_key, sizeof disk_key));
    must_refuse(false, "token 0: sealed to another TPM");
    assert_int_equal(refusals, 1);
    assert_non_null(strstr(last, "token 0"));
}

/* Another disk under the same disk key: its volume key is another, and the key was not sealed for it. */
static void test_other_disk(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *note = json_pack("{s:s, s:[]}", "type", "note", "keyslots");
    CLO_CLEANUP(close_disk) struct opened first = { 0 };
    CLO_CLEANUP(close_disk) struct opened second = { 0 };
    struct clo_luks2_info info;
    struct clo_error err;

    (void)state;
    make_disk(12);
    enrol();
    open_disk(&first);
    assert_true(clo_luks2_parse(clo_buffer_bytes(&first.disk.header), &info, &metadata, &err));
    make_disk(13);
    open_disk(&second);
    const struct clo_disk_tokens tokens = {
        .types = { CLO_TPM2_TOKEN_OWN, "note" },
        .tokens = { json_object_get(json_object_get(metadata, "tokens"), "0"), note },
    };
    assert_true(clo_disk_write_tokens(&second.disk, header_file, second.volume_key, &tokens, &err));
    assert_false(open_by_tpm(&volume_key, &err));
    assert_string_equal(err.text,
                        "TPM: not the disk that the key was sealed for, though the key opens it");
}

static void change(int slot, struct clo_bytes key, const char *token)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    struct crypt_device *luks;

    open_disk(&opened);
    struct clo_bytes volume_key = clo_secret_bytes(opened.volume_key);
    assert_int_equal(crypt_init(&luks, device), 0);
    assert_int_equal(crypt_load(luks, CRYPT_LUKS2, NULL), 0);
    assert_int_equal(crypt_set_pbkdf_type(luks, &quick_pbkdf), 0);
    if (slot >= 0)
        assert_int_equal(crypt_keyslot_add_by_volume_key(luks, slot, (const char *)volume_key.data,
                                                         volume_key.size, (const char *)key.data,
                                                         key.size),
                         slot);
    else
        assert_true(crypt_token_json_set(luks, CRYPT_ANY_TOKEN, token) >= 0);
    crypt_free(luks);
}

/* As systemd has it: a key slot for what was sealed, and nothing in it says which disk it is for. */
static void write_systemd_token(const struct clo_tpm2_sealing *sealing)
{
    static const uint8_t secret[32] = "what systemd would have sealed";
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err;

    assert_true(clo_tpm2_slot_key(clo_bytes(secret, sizeof secret), &key, &err));
    change(1, clo_secret_bytes(key), NULL);
    assert_true(clo_tpm_seal(tpm, NULL, sealing, clo_bytes(secret, sizeof secret),
                             &clo_random_system, &token, &err));
    json = clo_tpm2_token_json(&token);
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
    change(-1, clo_bytes(NULL, 0), text);
}

/* Nor one that is bound to PCR 11 as it is signed alone: the owner may have signed later phases, too. */
static void test_signed_latch(void **state)
{
    static const struct {
        unsigned by_value;
        const char *words;
    } cases[] = {
        { 12, "the running system could have its key as well" },
        { 15, "no signature for the present PCRs" }, /* it is asked for */
    };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err));
    assert_true(clo_private_key_public(key, &signer, &err));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const uint32_t pcrs = UINT32_C(1) << cases[i].by_value;
        struct clo_tpm_pcrs now;
        make_disk((uint8_t)(16 + i));
        assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, pcrs, &now, &err));
        const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                                  .pcrs = pcrs,
                                                  .values = &now.values[cases[i].by_value],
                                                  .signer = signer,
                                                  .signed_pcrs = 1U << 11,
                                                  .keyslot = 1 };
        write_systemd_token(&sealing);
        must_refuse(false, cases[i].words);
    }
}

/* A counter is held against the header's generation: one that nobody who has the volume key wrote is not believed. */
static void test_forged_generation(void **state)
{
    static const char *const forged =
            "{\"type\":\"cloister-generation\",\"keyslots\":[],\"generation\":1000,\"mac\":"
            "\"0000000000000000000000000000000000000000000000000000000000000000\"}";
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_tpm_pcrs now;
    struct clo_error err;

    (void)state;
    make_disk(15);
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 1U << 11, &now, &err));
    const struct clo_tpm2_sealing sealing = {
        .bank = CLO_HASH_SHA256, .pcrs = 1U << 11, .values = &now.values[11], .keyslot = 1
    };
    write_systemd_token(&sealing);
    must_open();
    change(-1, clo_bytes(NULL, 0), forged);
    assert_false(open_by_tpm(&volume_key, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text, "disk: generation 1000: its MAC does not hold: no guest of this "
                                  "disk wrote it");
}

/* A share is not a key, and a key is not a share; put together they are the disk key. */
static void test_share(void **state)
{
    CLO_CLEANUP(clo_tpm_found_free) struct clo_tpm_found ours = { .key = NULL };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *brokers = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *joined = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *half = NULL;
    uint8_t share[64], other[64];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < sizeof share; i++) {
        share[i] = (uint8_t)(i * 41 + 3);
        other[i] = (uint8_t)(share[i] ^ (uint8_t)disk_key[i]);
    }
    make_disk(11);
    write_token(CLO_TPM_TOKENS_PCRS, true, false, clo_bytes(share, sizeof share));
    must_refuse(false, "a share, which is of no use without the broker's");
    if (!unlock(true, &ours, &err))
        fail_msg("%s", err.text);
    assert_true(clo_secret_copy(clo_bytes(other, sizeof other), &brokers, &err));
    assert_true(clo_tpm_join(ours.key, brokers, &joined, &err));
    assert_true(clo_bytes_equal(clo_secret_bytes(joined), clo_bytes(disk_key, sizeof disk_key)));
    assert_true(clo_secret_copy(clo_bytes(other, 32), &half, &err));
    assert_false(clo_tpm_join(ours.key, half, &joined, &err));
    write_token(CLO_TPM_TOKENS_PCRS, false, false, clo_bytes(disk_key, sizeof disk_key));
    must_refuse(true, "a whole key, where the image wants two shares");
}

static int set_up_all(void **state)
{
    return set_up(state) == 0 ? start_swtpm(state) : -1;
}

static int tear_down_all(void **state)
{
    return stop_swtpm(state) == 0 ? tear_down(state) : -1;
}

/* --- The next token: exactly where systemd-cryptsetup goes on, and for a floor, which it does not have --- */

#define LATCH (1U << 15)

/* A first token that fails in this way; the second one fits. */
struct first {
    const char *name, *words;
    bool is_other_tpm, is_of_other_values, is_signed, has_floor, has_pin;
    const struct clo_alternatives *copy; /* of an NV index */
    bool is_index_there;
    const char *pin; /* that is given */
    bool goes_on;
};

static void add_token(const struct clo_tpm2_sealing *sealing, bool is_other_tpm)
{
    CLO_CLEANUP(close_disk) struct opened opened = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    open_disk(&opened);
    if (!clo_disk_sealed_key(clo_buffer_bytes(&opened.disk.header), opened.volume_key,
                             clo_bytes(disk_key, sizeof disk_key), &sealed, &err) ||
        !clo_tpm_seal(tpm, NULL, sealing, clo_secret_bytes(sealed), &clo_random_system, &token,
                      &err))
        fail_msg("%s", err.text);
    if (is_other_tpm)
        token.blobs[0].data[40] ^= 1;
    json = clo_tpm2_token_json(&token);
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
    change(-1, clo_bytes(NULL, 0), text);
}

static void add_first(const struct first *first, const struct clo_public_key *signer)
{
    struct clo_digest value = { .hash = CLO_HASH_SHA256 };
    struct clo_tpm2_name name = { .bytes = { 0, 0x0b, 1 } };
    struct clo_tpm_pcrs now;
    struct clo_error err;
    uint64_t floor = 1;

    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, LATCH, &now, &err));
    value = now.values[15];
    value.bytes[0] ^= first->is_of_other_values ? 1 : 0;
    if (first->is_index_there)
        assert_true(clo_tpm_nv_name(tpm, first->copy->nv_index, &name, &err));
    if (first->has_floor)
        assert_true(clo_tpm_floor(tpm, &floor, &err) && clo_tpm_floor_raise(tpm, floor + 1, &err));
    const struct clo_tpm2_sealing sealing = {
        .bank = CLO_HASH_SHA256,
        .pcrs = LATCH,
        .values = &value,
        .signer = first->is_signed ? signer : NULL,
        .signed_pcrs = first->is_signed ? 1U << 11 : 0,
        .nv = first->copy == NULL ? NULL : &name,
        .pin = first->has_pin ? clo_bytes_text("1234") : clo_bytes(NULL, 0),
        .floor = first->has_floor ? floor : 0,
        .is_own = true,
    };
    add_token(&sealing, first->is_other_tpm);
    if (first->copy == NULL)
        return;
    CLO_CLEANUP(clo_json_freep) json_t *copy = clo_alternatives_token(first->copy);
    CLO_CLEANUP(clo_freep) char *line = json_dumps(copy, JSON_COMPACT);
    change(-1, clo_bytes(NULL, 0), line);
}

static void add_second(void)
{
    struct clo_tpm_pcrs now;
    struct clo_error err;

    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, LATCH, &now, &err));
    const struct clo_tpm2_sealing sealing = {
        .bank = CLO_HASH_SHA256, .pcrs = LATCH, .values = &now.values[15], .is_own = true
    };
    add_token(&sealing, false);
}

static void try_first(const struct first *first)
{
    CLO_CLEANUP(clo_tpm_found_free) struct clo_tpm_found found = { .key = NULL };
    CLO_CLEANUP(clo_disk_free) struct clo_disk disk = { 0 };
    const struct clo_unseal with = { .pin = first->pin == NULL ? clo_bytes(NULL, 0)
                                                               : clo_bytes_text(first->pin) };
    const struct clo_tpm_search search = {
        .tpm = tpm, .with = &with, .needs_latch = true, .on_refusal = on_refusal
    };
    struct clo_error err;

    refusals = 0;
    memcpy(disk.device, device, sizeof device);
    assert_true(clo_disk_read_header(&disk, &err));
    CHECK(clo_tpm_search(&search, &disk, &found, &err) == first->goes_on, first->name);
    CHECK(refusals == 1, first->name);
    CHECK(strstr(last, first->words) != NULL, last);
}

static void test_next(void **state)
{
    static struct clo_alternatives absent, other, branches;
    const struct first firsts[] = {
        { "another TPM", "sealed to another TPM", .is_other_tpm = true, .goes_on = true },
        { "no NV index", "the TPM has no such object", .copy = &absent, .goes_on = true },
        { "no signature", "no signature for the present PCRs", .is_signed = true, .goes_on = true },
        { "the index approves of another state", "approves of another state: PCR 4", .copy = &other,
          .is_index_there = true, .goes_on = true },
        { "none of several values", "has none of the 2 values", .copy = &branches,
          .is_index_there = true, .goes_on = true },
        { "other registers", "the PCRs are not those", .is_of_other_values = true,
          .goes_on = true },
        { "below the floor", "the TPM's floor was raised", .has_floor = true, .goes_on = true },
        { "a PIN that nobody gives", "it wants a PIN", .has_pin = true, .goes_on = true },
        { "a wrong PIN", "the PIN is wrong", .has_pin = true, .pin = "4321", .goes_on = false },
    };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    struct clo_digest value = { .hash = CLO_HASH_SHA256, .bytes = { 5 } };
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err));
    assert_true(clo_private_key_public(key, &signer, &err));
    absent = other = branches =
            (struct clo_alternatives){ .bank = CLO_HASH_SHA256, .nv_index = 0x01801241u };
    absent.nv_index++;
    assert_true(clo_alternatives_add(&absent, 4, &value));
    assert_true(clo_alternatives_add(&other, 4, &value));
    assert_true(clo_alternatives_add(&branches, 4, &value));
    value.bytes[0]++;
    assert_true(clo_alternatives_add(&branches, 4, &value));
    if (!clo_tpm_nv_define(tpm, other.nv_index, CLO_NV_POLICY_SIZE, &err))
        fail_msg("%s", err.text);
    approve(&other);
    for (size_t i = 0; i < CLO_COUNT(firsts); i++) {
        make_disk((uint8_t)(30 + i));
        add_first(&firsts[i], signer);
        add_second();
        try_first(&firsts[i]);
    }
}

/* Each kind of refusal, by its name: these go on, and no other. */
static void test_kinds(void **state)
{
    static const struct {
        enum clo_unseal_why why;
        bool goes_on;
    } kinds[] = {
        { CLO_UNSEAL_OTHER_TPM, true },    /* EREMOTE */
        { CLO_UNSEAL_NO_NV, true },        /* EADDRNOTAVAIL */
        { CLO_UNSEAL_NO_SIGNATURE, true }, /* ENOSTR */
        { CLO_UNSEAL_NV_DIFFERS, true },   /* EREMCHG */
        { CLO_UNSEAL_NO_BRANCH, true },    /* ENOANO */
        { CLO_UNSEAL_PCRS_DIFFER, true },  /* EPERM */
        { CLO_UNSEAL_FLOOR, true },        /* ours alone */
        { CLO_UNSEAL_PCRS_MOVE, false },   /* EUCLEAN */
        { CLO_UNSEAL_BAD_PIN, false },     /* EILSEQ */
        { CLO_UNSEAL_NO_PIN, false },      { CLO_UNSEAL_LOCKOUT, false },
        { CLO_UNSEAL_FAILED, false },
    };

    (void)state;
    assert_int_equal(CLO_COUNT(kinds), CLO_UNSEAL_FAILED + 1);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        assert_int_equal(clo_unseal_is_next(kinds[i].why), kinds[i].goes_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrol),        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_volume_key),   cmocka_unit_test(test_latch),
        cmocka_unit_test(test_nv_policy),    cmocka_unit_test(test_next),
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_other_tpm),
        cmocka_unit_test(test_share),        cmocka_unit_test(test_other_disk),
        cmocka_unit_test(test_signed_latch), cmocka_unit_test(test_enrol_elsewhere),
        cmocka_unit_test(test_note),         cmocka_unit_test(test_forged_generation),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
