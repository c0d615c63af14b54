#include "lib/disk/disk_identity.h"

#include "luks2_maker.h"

#define ABC "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

static uint8_t head[LUKS2_PAYLOAD];
static struct clo_secret *volume_key;

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_secret_copy(clo_bytes_text(ABC), &volume_key, &err) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    clo_secret_freep(&volume_key);
    return 0;
}

static struct clo_disk_identity identity_of(const struct clo_secret *key)
{
    struct clo_disk_identity identity;
    struct clo_error err;

    if (!clo_disk_identity_of(clo_bytes(head, sizeof head), key, &identity, &err))
        fail_msg("%s", err.text);
    return identity;
}

static struct clo_disk_identity usual(void)
{
    luks2_make(head, LUKS2_METADATA);
    return identity_of(volume_key);
}

/* Computed with Python's hashlib, hmac and json. */
static void test_values(void **state)
{
    const struct clo_disk_identity identity = usual();
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest id;

    (void)state;
    assert_string_equal(identity.uuid, LUKS2_UUID);
    assert_int_equal(identity.generation, 0);
    assert_string_equal(clo_hex_text(clo_digest_bytes(&identity.volume_key), hex),
                        "fed3c64e1cbfea43e75a17c1f3439c203aa82a1e7e8ef04a871273f195854042");
    assert_string_equal(clo_hex_text(clo_digest_bytes(&identity.header), hex),
                        "c5054aa040de8c16340386cca217b31c1b0fba6f0a6fbfacb8b3c8959244a59c");
    clo_disk_key_id(clo_bytes_text(ABC), &id);
    assert_string_equal(clo_hex_text(clo_digest_bytes(&id), hex),
                        "a28d7955b67c00616c3bceebc498d57bc4f1db59c1b19d8cc0c42122e872954a");
}

/* What a guest itself changes leaves the identity as it is. */
static void test_unmoved(void **state)
{
    const struct clo_disk_identity before = usual();
    struct clo_disk_identity after;
    struct clo_error err;

    (void)state;
    luks2_make_copy(head, 0, 77, "label", LUKS2_METADATA_WITH("{'3':{'type':'x','keyslots':[]}}"));
    luks2_make_copy(head, 1, 77, "label", LUKS2_METADATA_WITH("{'3':{'type':'x','keyslots':[]}}"));
    after = identity_of(volume_key);
    CHECK(clo_disk_identity_compare(&before, &after, &err), err.text);
}

static void test_generation(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_freep) char *metadata = NULL;
    struct clo_disk_identity registered = usual();
    struct clo_disk_identity found;
    struct clo_error err;

    (void)state;
    assert_true(clo_luks2_generation_write(3, volume_key, LUKS2_UUID, &token, &err));
    assert_true(asprintf(&metadata,
                         "{'keyslots':{},'tokens':{'0':%s},'segments':{},'digests':{},'config':{}}",
                         clo_buffer_string(&token)) > 0);
    luks2_make(head, metadata);
    found = identity_of(volume_key);
    assert_int_equal(found.generation, 3);
    registered.header = found.header;
    static const struct {
        uint64_t last_seen;
        const char *error;
    } cases[] = {
        { 0, NULL },
        { 2, NULL }, /* ahead: it went down before the broker was told */
        { 3, NULL },
        { 4, "disk: generation 3 is older than 4, which was the last one seen: an old copy of this "
             "disk" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        registered.generation = cases[i].last_seen;
        bool ok = clo_disk_identity_compare(&registered, &found, &err);
        CHECK(ok == (cases[i].error == NULL), "generation");
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
    /* A higher number, written without the volume key. */
    char *number = strstr(metadata, "\"generation\":3");
    assert_non_null(number);
    number[13] = '9';
    luks2_make(head, metadata);
    assert_false(clo_disk_identity_of(clo_bytes(head, sizeof head), volume_key, &found, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text,
                        "disk: generation 9: its MAC does not hold: no guest of this disk "
                        "wrote it");
}

static void test_others(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *other_key = NULL;
    const struct clo_disk_identity registered = usual();
    struct clo_disk_identity found = registered;
    struct clo_error err;

    (void)state;
    found.uuid[0] = '6';
    assert_false(clo_disk_identity_compare(&registered, &found, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text,
                        "disk: UUID 6b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11 is not " LUKS2_UUID
                        ", which was registered: another disk under the same disk key");
    assert_true(clo_secret_copy(clo_bytes_text(ABC "x"), &other_key, &err));
    found = identity_of(other_key);
    assert_false(clo_disk_identity_compare(&registered, &found, &err));
    assert_string_equal(err.text,
                        "disk: the volume key is not the one that was registered: another "
                        "disk under the same disk key");
    static const struct {
        const char *name, *label, *metadata;
    } headers[] = {
        { "another label", "other", LUKS2_METADATA },
        { "another key slot", "label", "{'keyslots':{'1':{}},'tokens':{}}" },
    };
    for (size_t i = 0; i < CLO_COUNT(headers); i++) {
        luks2_make_copy(head, 0, 3, headers[i].label, headers[i].metadata);
        luks2_make_copy(head, 1, 3, headers[i].label, headers[i].metadata);
        found = identity_of(volume_key);
        CHECK(!clo_disk_identity_compare(&registered, &found, &err), headers[i].name);
        CHECK(strstr(err.text, "the LUKS2 header is not the one that was registered") != NULL,
              err.text);
    }
}

#define HEX           "abababababababababababababababababababababababababababababababab"
#define DISK          "'generation':5,'header':'" HEX "','uuid':'" LUKS2_UUID "','volume_key_hmac':'" HEX "'"
#define FILE_OF(rest) "{'cloister_disk':1,'key_id':'" HEX "'," rest "}"

static void unquote(const char *text, char *out)
{
    size_t i;

    for (i = 0; text[i] != '\0'; i++)
        out[i] = text[i] == '\'' ? '"' : text[i];
    out[i] = '\0';
}

static void test_file(void **state)
{
    static const struct {
        const char *name, *text, *error; /* error NULL: it parses, and writes back equal */
    } cases[] = {
        { "usual", FILE_OF(DISK ",'name':'demo'"), NULL },
        { "no name", FILE_OF(DISK), "disk identity: \"name\" is missing" },
        { "another version", "{'cloister_disk':2}", "disk identity: version 2" },
        { "a secret in it", FILE_OF(DISK ",'name':'demo','key':'AAAA'"), "key" },
        { "a short digest",
          FILE_OF("'generation':5,'header':'abab','uuid':'" LUKS2_UUID "','volume_key_hmac':'" HEX
                  "','name':'x'"),
          "disk identity: header: 2 bytes, 32 expected (SHA-256)" },
        { "a path as UUID",
          FILE_OF("'generation':5,'header':'" HEX "','uuid':'../x','volume_key_hmac':'" HEX
                  "','name':'x'"),
          "disk identity: uuid \"../x\" is not one" },
        { "a generation that no reader holds",
          FILE_OF("'generation':9007199254740992,'header':'" HEX "','uuid':'" LUKS2_UUID
                  "','volume_key_hmac':'" HEX "','name':'x'"),
          "disk identity: generation 9007199254740992 is out of range" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        struct clo_disk_file file;
        struct clo_error err = { 0 };
        char text[1024];
        unquote(cases[i].text, text);
        bool ok = clo_disk_file_parse(clo_bytes_text(text), &file, &err);
        CHECK(ok == (cases[i].error == NULL), err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        if (!ok)
            continue;
        assert_int_equal(file.identity.generation, 5);
        assert_string_equal(file.name, "demo");
        assert_true(clo_disk_file_write(&file, &again, &err));
        struct clo_disk_file same;
        assert_true(clo_disk_file_parse(clo_buffer_bytes(&again), &same, &err));
        assert_true(clo_disk_identity_compare(&file.identity, &same.identity, &err));
        assert_true(clo_digest_equal(&file.key_id, &same.key_id));
    }
}

static void test_release(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "no disk", "{'version':1,'key':'AAAA'}", "disk" },
        { "another version", "{'version':2,'key':'AAAA','disk':{" DISK "}}", "version 2" },
        { "no key", "{'version':1,'key':'','disk':{" DISK "}}", "released disk key: empty" },
        { "something more", "{'version':1,'key':'AAAA','disk':{" DISK "},'mode':'raw'}", "mode" },
        { "the raw key", ABC, "released disk key: not JSON" },
        { "cut in the key", "{'version':1,'key':'" ABC, "released disk key: not JSON" },
        { "a bare word", "{'version':1,'key':" ABC "}", "released disk key: not JSON" },
    };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_disk_identity identity = usual();
    struct clo_disk_identity found;
    struct clo_error err;

    (void)state;
    identity.generation = 12;
    assert_true(clo_disk_release_write(clo_bytes_text(ABC), &identity, &text, &err));
    if (!clo_disk_release_parse(clo_secret_bytes(text), &key, &found, &err))
        fail_msg("%s", err.text);
    assert_true(clo_bytes_equal(clo_secret_bytes(key), clo_bytes_text(ABC)));
    assert_int_equal(found.generation, 12);
    assert_true(clo_disk_identity_compare(&identity, &found, &err));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *none = NULL;
        char json[1024];
        unquote(cases[i].text, json);
        CHECK(!clo_disk_release_parse(clo_bytes_text(json), &none, &found, &err), cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(none == NULL, cases[i].name);
        CHECK(strstr(err.text, ABC) == NULL, "bytes of the key in an error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_unmoved),
        cmocka_unit_test(test_generation), cmocka_unit_test(test_others),
        cmocka_unit_test(test_file),       cmocka_unit_test(test_release),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
