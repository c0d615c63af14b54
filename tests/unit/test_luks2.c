#include "lib/disk/luks2.h"

#include <lzma.h>

#include "vectors.h"

enum {
    BINARY = 4096,
    HEADER = 16384, /* one copy, with its JSON */
    PAYLOAD = 16 << 20,
    UUID_AT = 0xa8,
    OFFSET_AT = 0x100,
    CHECKSUM_AT = 0x1c0,
};

#define UUID "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11"

#define BYTES_32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* As libcryptsetup writes it for our disks: a raw-key slot and one for a passphrase. */
static const char usual[] =
        "{'keyslots':{"
        "'0':{'type':'luks2','key_size':64,'af':{'type':'luks1','stripes':4000,'hash':'sha256'},"
        "'area':{'type':'raw','offset':'32768','size':'258048','encryption':'aes-xts-plain64',"
        "'key_size':64},'kdf':{'type':'pbkdf2','hash':'sha256','iterations':1000,'salt':'" BYTES_32
        "'}},"
        "'1':{'type':'luks2','key_size':64,'af':{'type':'luks1','stripes':4000,'hash':'sha256'},"
        "'area':{'type':'raw','offset':'290816','size':'258048','encryption':'aes-xts-plain64',"
        "'key_size':64},'kdf':{'type':'argon2id','time':4,'memory':65536,'cpus':2,"
        "'salt':'" BYTES_32 "'}}},"
        "'tokens':{},"
        "'segments':{'0':{'type':'crypt','offset':'16777216','size':'dynamic','iv_tweak':'0',"
        "'encryption':'aes-xts-plain64','sector_size':4096}},"
        "'digests':{'0':{'type':'pbkdf2','keyslots':['0','1'],'segments':['0'],'hash':'sha256',"
        "'iterations':1000,'salt':'" BYTES_32 "','digest':'" BYTES_32 "'}},"
        "'config':{'json_size':'12288','keyslots_size':'16744448'}}";

static uint8_t head[PAYLOAD];

static json_t *json_of(const char *single_quoted)
{
    json_error_t why;
    char text[4096];
    size_t i;

    for (i = 0; single_quoted[i] != '\0'; i++)
        text[i] = single_quoted[i];
    text[i] = '\0';
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    json_t *json = json_loads(text, JSON_DECODE_ANY, &why);
    if (json == NULL)
        fail_msg("%s: %s", text, why.text);
    return json;
}

static void sum(size_t copy)
{
    uint8_t *header = head + copy * HEADER;
    struct clo_digest digest;

    memset(header + CHECKSUM_AT, 0, 64);
    clo_hash(CLO_HASH_SHA256, clo_bytes(header, HEADER), &digest);
    memcpy(header + CHECKSUM_AT, digest.bytes, 32);
}

static void make(const char *metadata)
{
    static const char magics[2][6] = { { 'L', 'U', 'K', 'S', '\xba', '\xbe' },
                                       { 'S', 'K', 'U', 'L', '\xba', '\xbe' } };

    for (size_t i = 0; i < 2; i++) {
        uint8_t *header = head + i * HEADER;
        memset(header, 0, HEADER);
        memcpy(header, magics[i], 6);
        header[7] = 2;
        header[14] = HEADER >> 8;
        header[23] = 3; /* sequence */
        strcpy((char *)header + 0x18, "label");
        strcpy((char *)header + 0x48, "sha256");
        strcpy((char *)header + UUID_AT, UUID);
        header[OFFSET_AT + 6] = (uint8_t)(i * HEADER >> 8);
        strcpy((char *)header + BINARY, metadata);
        sum(i);
    }
}

static void make_usual(void)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);

    make(text);
}

/* Sets or (value NULL) removes the member at "a/b/c". */
static void change(json_t *json, const char *path, const char *value)
{
    char step[64];

    for (;;) {
        size_t size = strcspn(path, "/");
        snprintf(step, sizeof step, "%.*s", (int)size, path);
        if (path[size] == '\0')
            break;
        json = json_object_get(json, step);
        assert_non_null(json);
        path += size + 1;
    }
    if (value == NULL)
        assert_int_equal(json_object_del(json, step), 0);
    else
        assert_int_equal(json_object_set_new(json, step, json_of(value)), 0);
}

static void test_usual(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;

    (void)state;
    make_usual();
    CHECK(clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), err.text);
    CHECK(strcmp(info.uuid, UUID) == 0 && strcmp(info.label, "label") == 0, info.uuid);
    CHECK(info.header_size == HEADER && info.payload_offset == PAYLOAD, "sizes");
    CHECK(info.sector_size == 4096 && info.key_size == 64 && info.keyslot_count == 2, "strength");
    CHECK(strcmp(info.cipher, "aes-xts-plain64") == 0 && info.sequence == 3, info.cipher);
    CHECK(clo_luks2_parse(clo_bytes(head, sizeof head), &info, &metadata, &err), err.text);
    CHECK(json_object_size(json_object_get(metadata, "keyslots")) == 2, "metadata");
    CHECK(!clo_luks2_check(clo_bytes(head, sizeof head - 1), &info, &err), "a payload is cut off");
    CHECK(strcmp(err.text, "LUKS2 header: 16777215 bytes, the payload begins at 16777216") == 0,
          err.text);
}

/* Each thing that a host could change in a header to have the guest open another disk than ours. */
static void test_white_list(void **state)
{
    static const struct {
        const char *path, *value, *error; /* after "LUKS2 header: "; NULL: it passes */
    } cases[] = {
        /* The segment */
        { "segments/0/encryption", "'cipher_null-ecb'",
          "segment 0: encryption \"cipher_null-ecb\": only \"aes-xts-plain64\" is allowed" },
        { "segments/0/encryption", "'aes-cbc-essiv:sha256'",
          "segment 0: encryption \"aes-cbc-essiv:sha256\": only \"aes-xts-plain64\" is allowed" },
        { "segments/0/type", "'linear'", "segment 0: type \"linear\": only \"crypt\" is allowed" },
        { "segments/0/size", "'4096'", "segment 0: size \"4096\": only \"dynamic\" is allowed" },
        { "segments/0/iv_tweak", "'1'", "segment 0: iv_tweak 1: only 0 is allowed" },
        { "segments/0/sector_size", "512",
          "segment 0: sector_size 512: only 4096 to 4096 is allowed" },
        { "segments/0/integrity", "{'type':'none'}",
          "segment 0: integrity: type \"none\": only \"hmac(sha256)\" is allowed" },
        { "segments/0/integrity",
          "{'type':'hmac(sha256)','journal_encryption':'none','journal_integrity':'none'}",
          "keyslot 0: key_size 64: only 96 to 96 is allowed" },
        { "segments/0/flags", "['backup-final']", "segment 0: unknown member \"flags\"" },
        { "segments/0/offset", "'0'", "segment 0: offset 0" },
        { "segments/0/offset", "'32768'", "segment 0: offset 32768" },
        { "segments/0/offset", "'16777217'", "segment 0: offset 16777217" },
        { "segments/0/offset", "'33554432'", "segment 0: offset 33554432" },
        { "segments/0/offset", "'-1'", "segment 0: offset \"-1\" is not a number" },
        { "segments/0/offset", "''", "segment 0: offset is empty" },
        { "segments/0/offset", "'99999999999999999999'",
          "segment 0: offset \"99999999999999999999\" is not a number" },
        { "segments/0/offset", "16777216", "segment 0: \"offset\" is not a string" },
        { "segments/1", "{'type':'linear'}", "segments: 2 of them, only one is allowed" },
        { "segments/0", NULL, "segments: 0 of them, only one is allowed" },
        { "segments", NULL, "\"segments\" is missing" },
        /* Key slots */
        { "keyslots/0/type", "'reencrypt'",
          "keyslot 0: type \"reencrypt\": only \"luks2\" is allowed" },
        { "keyslots/0/key_size", "32", "keyslot 0: key_size 32: only 64 to 64 is allowed" },
        { "keyslots/0/mode", "'reencrypt'", "keyslot 0: unknown member \"mode\"" },
        { "keyslots/0/af/stripes", "1", "keyslot 0: af: stripes 1: only 4000 to 4000 is allowed" },
        { "keyslots/0/af/hash", "'md5'", "keyslot 0: af: hash \"md5\"" },
        { "keyslots/0/af/type", "'none'",
          "keyslot 0: af: type \"none\": only \"luks1\" is allowed" },
        { "keyslots/0/area/encryption", "'cipher_null-ecb'",
          "keyslot 0: area: encryption \"cipher_null-ecb\": only \"aes-xts-plain64\" is allowed" },
        { "keyslots/0/area/key_size", "1",
          "keyslot 0: area: key_size 1: only 64 to 64 is allowed" },
        { "keyslots/0/area/type", "'datashift'",
          "keyslot 0: area: type \"datashift\": only \"raw\" is allowed" },
        { "keyslots/0/area/offset", "'4096'",
          "keyslot 0: area: 258048 bytes at 4096 are outside the header" },
        { "keyslots/0/area/offset", "'16777216'",
          "keyslot 0: area: 258048 bytes at 16777216 are outside the header" },
        { "keyslots/0/area/size", "'0'",
          "keyslot 0: area: 0 bytes at 32768 are outside the header" },
        { "keyslots/0/area/size", "'18446744073709551615'",
          "keyslot 0: area: 18446744073709551615 bytes at 32768 are outside the header" },
        { "keyslots/1/area/offset", "'286720'", "keyslot 1: its area overlaps another" },
        { "keyslots/0/kdf/type", "'argon2i'", "keyslot 0: kdf: type \"argon2i\"" },
        { "keyslots/0/kdf/iterations", "1",
          "keyslot 0: kdf: iterations 1: only 1000 to 10000000 is allowed" },
        { "keyslots/0/kdf/iterations", "2147483648",
          "keyslot 0: kdf: iterations 2147483648: only 1000 to 10000000 is allowed" },
        { "keyslots/0/kdf/salt", "''",
          "keyslot 0: kdf: salt of 0 bytes: only 16 to 64 are allowed" },
        { "keyslots/0/kdf/salt", "'AAAA'",
          "keyslot 0: kdf: salt of 3 bytes: only 16 to 64 are allowed" },
        { "keyslots/0/kdf/salt", "'cipher_null'",
          "keyslot 0: kdf: \"salt\": base64: 11 characters, not a multiple of 4" },
        { "keyslots/0/kdf/salt", NULL, "keyslot 0: kdf: \"salt\" is missing" },
        { "keyslots/0/kdf/hash", "'sha1'", "keyslot 0: kdf: hash \"sha1\"" },
        { "keyslots/1/kdf/memory", "8388608",
          "keyslot 1: kdf: memory 8388608: only 32 to 1048576 is allowed" },
        { "keyslots/1/kdf/memory", "4294967296",
          "keyslot 1: kdf: memory 4294967296: only 32 to 1048576 is allowed" },
        { "keyslots/1/kdf/cpus", "64", "keyslot 1: kdf: cpus 64: only 1 to 4 is allowed" },
        { "keyslots/1/kdf/time", "2147483648",
          "keyslot 1: kdf: time 2147483648: only 1 to 1000 is allowed" },
        { "keyslots/1/kdf/time", "1000",
          "trying all its key slots takes about 64 s, at most 30 s are allowed" },
        { "keyslots/1/kdf/salt", "'AAAA'",
          "keyslot 1: kdf: salt of 3 bytes: only 16 to 64 are allowed" },
        { "keyslots/1/kdf/time", "0", "keyslot 1: kdf: time 0: only 1 to 1000 is allowed" },
        { "keyslots/1/kdf/more", "0", "keyslot 1: kdf: unknown member \"more\"" },
        { "keyslots/0/af/stripes", "2147483648",
          "keyslot 0: af: stripes 2147483648: only 4000 to 4000 is allowed" },
        { "keyslots/0/area/size", "'4096'",
          "keyslot 0: area: 4096 bytes are too few for a key of 4000 stripes" },
        { "keyslots/0/area/offset", "'32769'",
          "keyslot 0: area: it begins at 32769, which is not a multiple of 4096" },
        { "keyslots/0/priority", "3", "keyslot 0: priority 3: only 0 to 2 is allowed" },
        { "keyslots/0/priority", "'2'", "keyslot 0: \"priority\" is not a whole number" },
        { "keyslots/32", "{}", "keyslot \"32\": names are 0 to 31" },
        { "keyslots/01", "{}", "keyslot \"01\": names are 0 to 31" },
        { "keyslots/-1", "{}", "keyslot \"-1\": names are 0 to 31" },
        { "keyslots/x", "{}", "keyslot \"x\": names are 0 to 31" },
        { "keyslots", "{}", "keyslots: 0 of them" },
        /* Digests */
        { "digests/0/type", "'none'", "digest 0: type \"none\": only \"pbkdf2\" is allowed" },
        { "digests/0/segments", "['0','1']", "digest 0: is not of segment 0 alone" },
        { "digests/0/segments", "[]", "digest 0: is not of segment 0 alone" },
        { "digests/0/keyslots", "['0']", "keyslot 1: its key has no digest" },
        { "digests/1", "{'type':'pbkdf2'}", "digests: 2 of them, only one is allowed" },
        { "digests/0/iterations", "1", "digest 0: iterations 1: only 1000 to 10000000 is allowed" },
        { "digests/0/iterations", "2147483648",
          "digest 0: iterations 2147483648: only 1000 to 10000000 is allowed" },
        { "digests/0/digest", "''", "digest 0: digest of 0 bytes: only 32 to 32 are allowed" },
        { "digests/0/digest", "'AAAA'", "digest 0: digest of 3 bytes: only 32 to 32 are allowed" },
        { "digests/0/digest", NULL, "digest 0: \"digest\" is missing" },
        { "digests/0/hash", "'sha512'", "digest 0: digest of 32 bytes: only 64 to 64 are allowed" },
        { "digests/0/hash", "'sha1'", "digest 0: hash \"sha1\"" },
        { "digests/0/hash", "''", "digest 0: hash \"\"" },
        { "digests/0/salt", "''", "digest 0: salt of 0 bytes: only 16 to 64 are allowed" },
        { "digests/0/salt", "'cipher_null'",
          "digest 0: \"salt\": base64: 11 characters, not a multiple of 4" },
        { "digests/0/keyslots", "['0','1','2']",
          "digest 0: keyslots: \"2\" is not one of the header's" },
        { "digests/0/keyslots", "['0','1','1']", "digest 0: keyslots: \"1\" is named twice" },
        { "digests/0/keyslots", "['0',1]", "digest 0: keyslots: \"\" is not one of the header's" },
        { "digests/0/more", "0", "digest 0: unknown member \"more\"" },
        /* What changes how a volume is read */
        { "config/requirements", "{'mandatory':['online-reencrypt']}",
          "config: requirements are not allowed" },
        { "config/flags", "['allow-discards']", "config: flags are not allowed" },
        { "config/json_size", "'4096'", "config: json_size 4096" },
        { "config/more", "1", "config: unknown member \"more\"" },
        { "config/keyslots_size", "'16748544'", "config: keyslots_size 16748544" },
        { "config/keyslots_size", "'16744447'", "config: keyslots_size 16744447" },
        { "config/keyslots_size", "'016744448'",
          "config: keyslots_size \"016744448\" is not a number" },
        { "config/keyslots_size", "'512000'",
          "config: keyslots_size 512000: a key slot's area ends after it" },
        { "more", "{}", "unknown member \"more\"" },
        { "tokens/32", "{'type':'x','keyslots':[]}", "token \"32\": names are 0 to 31" },
        { "tokens/0", "42", "token 0: an object with \"type\" expected" },
        { "tokens/0", "{'type':'x'}", "token 0: \"keyslots\" is missing" },
        { "tokens/0", "{'type':'x','keyslots':['7']}",
          "token 0: keyslots: \"7\" is not one of the header's" },
        { "tokens", NULL, "\"tokens\" is missing" },
        /* What may be otherwise */
        { "tokens/0", "{'type':'x','keyslots':[]}", NULL },
        { "keyslots/0/priority", "2", NULL },
        { "keyslots/0/kdf/hash", "'sha512'", NULL },
        { "keyslots/1/kdf/time", "400", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
        struct clo_luks2_info info;
        struct clo_error err;
        change(json, cases[i].path, cases[i].value);
        CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
        make(text);
        bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].path);
        if (ok)
            continue;
        CHECK(strncmp(err.text, "LUKS2 header: ", 14) == 0, err.text);
        if (strcmp(err.text + 14, cases[i].error) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].path, err.text + 14, cases[i].error);
    }
}

/* The same with a tag for each sector: the volume key has two parts, and sectors may be small. */
static void make_tagged(json_t *json)
{
    change(json, "segments/0/integrity",
           "{'type':'hmac(sha256)','journal_encryption':'none','journal_integrity':'none'}");
    change(json, "keyslots/0/key_size", "96");
    change(json, "keyslots/1/key_size", "96");
    change(json, "keyslots/0/area/size", "'384000'");
    change(json, "keyslots/1/area/offset", "'417792'");
    change(json, "keyslots/1/area/size", "'384000'");
}

static void test_tags(void **state)
{
    static const struct {
        const char *path, *value, *error;
    } cases[] = {
        { "keyslots/0/priority", "1", NULL },
        { "segments/0/sector_size", "512", NULL },
        { "segments/0/sector_size", "1024",
          "segment 0: sector_size 1024: only 512 and 4096 are allowed" },
        { "segments/0/sector_size", "256",
          "segment 0: sector_size 256: only 512 to 4096 is allowed" },
        { "segments/0/encryption", "'cipher_null-ecb'",
          "segment 0: encryption \"cipher_null-ecb\": only \"aes-xts-plain64\" is allowed" },
        { "segments/0/integrity", "'hmac(sha256)'",
          "segment 0: integrity: \"integrity\" is not an object" },
        { "segments/0/integrity/type", "'crc32c'",
          "segment 0: integrity: type \"crc32c\": only \"hmac(sha256)\" is allowed" },
        { "segments/0/integrity", NULL, "keyslot 0: key_size 96: only 64 to 64 is allowed" },
        { "segments/0/integrity/type", NULL, "segment 0: integrity: \"type\" is missing" },
        { "segments/0/integrity/journal_integrity", "'hmac(sha256)'",
          "segment 0: integrity: journal_integrity \"hmac(sha256)\": only \"none\" is allowed" },
        { "segments/0/integrity/journal_encryption", "'cipher_null'",
          "segment 0: integrity: journal_encryption \"cipher_null\": only \"none\" is allowed" },
        { "segments/0/integrity/key_size", "1",
          "segment 0: integrity: unknown member \"key_size\"" },
        { "keyslots/0/key_size", "64", "keyslot 0: key_size 64: only 96 to 96 is allowed" },
        { "keyslots/0/area/key_size", "96",
          "keyslot 0: area: key_size 96: only 64 to 64 is allowed" },
        { "keyslots/0/area/size", "'383999'",
          "keyslot 0: area: 383999 bytes are too few for a key of 4000 stripes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
        struct clo_luks2_info info;
        struct clo_error err;
        make_tagged(json);
        change(json, cases[i].path, cases[i].value);
        CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
        make(text);
        bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].path : err.text);
        if (ok)
            CHECK(info.key_size == 96 && strcmp(info.integrity, "hmac(sha256)") == 0, "what it is");
        else
            CHECK(strcmp(err.text + 14, cases[i].error) == 0, err.text);
    }
}

/* One cipher for both: nothing without its tags, and no other's. */
static void make_gcm(json_t *json)
{
    make_tagged(json);
    change(json, "segments/0/encryption", "'aes-gcm-random'");
    change(json, "segments/0/integrity/type", "'aead'");
    change(json, "keyslots/0/key_size", "32");
    change(json, "keyslots/1/key_size", "32");
}

static void test_gcm(void **state)
{
    static const struct {
        const char *path, *value, *error;
    } cases[] = {
        { "keyslots/0/priority", "1", NULL },
        { "segments/0/sector_size", "512", NULL },
        { "segments/0/sector_size", "1024",
          "segment 0: sector_size 1024: only 512 and 4096 are allowed" },
        { "segments/0/integrity", NULL,
          "segment 0: integrity: none, and aes-gcm-random has tags always" },
        { "segments/0/integrity/type", "'hmac(sha256)'",
          "segment 0: integrity: type \"hmac(sha256)\": only \"aead\" is allowed" },
        { "segments/0/integrity/type", "'none'",
          "segment 0: integrity: type \"none\": only \"aead\" is allowed" },
        { "segments/0/integrity/journal_integrity", "'hmac(sha256)'",
          "segment 0: integrity: journal_integrity \"hmac(sha256)\": only \"none\" is allowed" },
        { "segments/0/encryption", "'aes-gcm-plain64'",
          "segment 0: encryption \"aes-gcm-plain64\": only \"aes-xts-plain64\" is allowed" },
        { "segments/0/encryption", "'aes-xts-plain64'",
          "segment 0: integrity: type \"aead\": only \"hmac(sha256)\" is allowed" },
        { "keyslots/0/key_size", "16", "keyslot 0: key_size 16: only 32 to 32 is allowed" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
        struct clo_luks2_info info;
        struct clo_error err;
        make_gcm(json);
        change(json, cases[i].path, cases[i].value);
        CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
        make(text);
        bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].path : err.text);
        if (ok)
            CHECK(info.key_size == 32 && strcmp(info.cipher, "aes-gcm-random") == 0 &&
                          clo_luks2_tag_size(&info) == 28,
                  "what it is");
        else
            CHECK(strcmp(err.text + 14, cases[i].error) == 0, err.text);
    }
}

/* Other metadata in a header: what is read is what was written, in both copies. */
static void test_write(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;
    struct clo_error err;

    (void)state;
    make_usual();
    clo_buffer_append(&header, clo_bytes(head, sizeof head));
    make_tagged(json);
    CHECK(clo_luks2_write(&header, json, &err), err.text);
    CHECK(clo_luks2_check(clo_buffer_bytes(&header), &info, &err), err.text);
    CHECK(info.sequence == 3 && info.key_size == 96, "the new one");
    CHECK(clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, &err), err.text);
    CHECK(json_equal(json, metadata), "what was written");
    CLO_CLEANUP(clo_freep) char *large = malloc(HEADER);
    assert_non_null(large);
    memset(large, 'x', HEADER - 1);
    large[HEADER - 1] = '\0';
    json_object_set_new(json, "more", json_string(large));
    CHECK(!clo_luks2_write(&header, json, &err), "too large");
    CHECK(strncmp(err.text, "LUKS2: ", 7) == 0, err.text);
    header.data[0] = 0;
    CHECK(!clo_luks2_write(&header, metadata, &err), "not a header");
}

/* Slots that each are dear enough to be allowed, and together are not. */
static void test_cost_in_sum(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
    struct clo_luks2_info info;
    struct clo_error err;
    char path[32];
    char slot[1024];
    char digest[128] = "['0','1'";

    (void)state;
    for (int i = 2; i < 6; i++) {
        snprintf(path, sizeof path, "keyslots/%d", i);
        snprintf(slot, sizeof slot,
                 "{'type':'luks2','key_size':64,'af':{'type':'luks1','stripes':4000,'hash':'sha256'"
                 "},"
                 "'area':{'type':'raw','offset':'%d','size':'258048','encryption':"
                 "'aes-xts-plain64','key_size':64},'kdf':{'type':'pbkdf2','hash':'sha256',"
                 "'iterations':10000000,'salt':'" BYTES_32 "'}}",
                 32768 + i * 258048);
        change(json, path, slot);
        snprintf(digest + strlen(digest), sizeof digest - strlen(digest), ",'%d'", i);
    }
    change(json, "digests/0/keyslots", strcat(digest, "]"));
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
    make(text);
    CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), "cost in sum");
    CHECK(strcmp(err.text, "LUKS2 header: trying all its key slots takes about 40 s, at most 30 s "
                           "are allowed") == 0,
          err.text);
}

/* libcryptsetup takes one of the two, and another reader the other. */
static void test_duplicate_member(void **state)
{
    static const char *const seconds[] = {
        ",\"encryption\":\"cipher_null-ecb\"",
        ",\"encr\\u0079ption\":\"cipher_null-ecb\"",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(seconds); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
        CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
        const char *at = strstr(text, ",\"sector_size\"");
        struct clo_luks2_info info;
        struct clo_error err;
        clo_buffer_printf(&twice, "%.*s%s%s", (int)(at - text), text, seconds[i], at);
        make(clo_buffer_string(&twice));
        CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), seconds[i]);
        CHECK(strstr(err.text, "LUKS2: JSON: duplicate object key") != NULL, err.text);
    }
}

static void test_token_size(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
    struct clo_luks2_info info;
    struct clo_error err;
    char data[9001];

    (void)state;
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = '\0';
    json_object_set_new(json_object_get(json, "tokens"), "0",
                        json_pack("{s:s, s:[], s:s}", "type", "x", "keyslots", "data", data));
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
    make(text);
    CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), "a token of 9 KB");
    CHECK(strcmp(err.text, "LUKS2 header: token 0: 9036 bytes: at most 8192 are allowed") == 0,
          err.text);
}

static void test_uuid(void **state)
{
    static const char *const uuids[] = {
        "",
        "root",
        "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d1",
        "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d111",
        "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d1g",
        "5b6f2f62:4d5c-4b54-8f1f-3c8e0a2b7d11",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(uuids); i++) {
        struct clo_luks2_info info;
        struct clo_error err;
        make_usual();
        for (size_t copy = 0; copy < 2; copy++) {
            memset(head + copy * HEADER + UUID_AT, 0, 40);
            strcpy((char *)head + copy * HEADER + UUID_AT, uuids[i]);
            sum(copy);
        }
        CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), uuids[i]);
        CHECK(strncmp(err.text, "LUKS2 header: UUID \"", 20) == 0, err.text);
    }
}

/* --- Headers that cryptsetup's own tests make, and evil ones --- */

static void unpack(const char *path, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer packed = { 0 };
    uint64_t limit = UINT64_MAX;
    size_t from = 0;
    size_t to = 0;

    memset(head, 0, sizeof head);
    read_vector(path, &packed);
    CHECK(lzma_stream_buffer_decode(&limit, 0, NULL, packed.data, &from, packed.size, head, &to,
                                    sizeof head) == LZMA_OK &&
                  to == size,
          path);
}

/* What a guest does with a header first: of two copies that differ, the newer whole one counts. That must not let in what is wrong. */
static void check_settled(const json_t *expected, const char *id)
{
    const json_t *strict = json_object_get(expected, "strict");
    const json_t *reasons = json_object_get(strict, "reasons");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;
    struct clo_error err;
    bool is_older = strcmp(id, "evil-copies-older-secondary") == 0;

    clo_buffer_append(&header, clo_bytes(head, sizeof head));
    bool ok = clo_luks2_settle(&header, &err) &&
              clo_luks2_check(clo_buffer_bytes(&header), &info, &err);
    CHECK(!ok || is_older || json_array_size(reasons) == 0, id);
    CHECK(ok || !is_older, "the newer copy is sound");
}

/* Refused is what a strict reader must refuse; of the sound ones, what is like our own disks is accepted. */
static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("luks2");
    size_t i;
    json_t *entry;
    size_t refused = 0;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        const char *id = json_string_value(json_object_get(entry, "id"));
        const json_t *expected = json_object_get(entry, "expected");
        const char *verdict =
                json_string_value(json_object_get(json_object_get(expected, "strict"), "verdict"));
        struct clo_luks2_info info;
        struct clo_error err;
        char path[256];
        CHECK(find_case_file("luks2", entry, "header", path, sizeof path), id);
        unpack(path, (size_t)json_integer_value(
                             json_object_get(json_object_get(expected, "header"), "size")));
        bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
        CHECK(!ok || strcmp(verdict, "accept") == 0, id);
        CHECK(ok || strcmp(id, "good-argon2id") != 0, err.text);
        check_settled(expected, id);
        refused += !ok;
    }
    CHECK(refused >= 80, "cases");
}

/* The binary headers: both must hold, and say the same. */
static void test_binary(void **state)
{
    static const struct {
        const char *name;
        size_t copy, at;
        uint8_t value;
        bool sum; /* made right again */
        const char *error;
    } cases[] = {
        { "no magic", 0, 0, 'x', true, "LUKS2: no LUKS header" },
        { "version 1", 0, 7, 1, true, "LUKS2: LUKS version 1" },
        { "no magic in the second", 1, 0, 'x', true, "LUKS2: no second LUKS header" },
        { "checksum", 0, CHECKSUM_AT, 0, false, "LUKS2: its checksum does not hold" },
        { "second's checksum", 1, BINARY + 10000, 1, false, "LUKS2: no second LUKS header" },
        { "salt changed, not the sum", 0, 0x70, 1, false, "LUKS2: its checksum does not hold" },
        { "size no power of two", 0, 14, 0x41, true, "LUKS2: its size is 0x4100" },
        { "size too small", 0, 14, 0x20, true, "LUKS2: its size is 0x2000" },
        { "place", 0, OFFSET_AT + 7, 1, true, "LUKS2: it says that it lies at 0x1" },
        { "another checksum", 0, 0x4b, '5', true, "LUKS2: checksum algorithm \"sha556\"" },
        { "other sequence", 1, 23, 4, true, "LUKS2: the two copies of the header differ" },
        { "other UUID", 1, UUID_AT, '6', true, "LUKS2: the two copies of the header differ" },
        { "other JSON", 1, BINARY + 3, 'x', true, "LUKS2: the two copies of the header differ" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_luks2_info info;
        struct clo_error err;
        make_usual();
        head[cases[i].copy * HEADER + cases[i].at] = cases[i].value;
        if (cases[i].sum)
            sum(cases[i].copy);
        CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), cases[i].name);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void test_texts(void **state)
{
    static const struct {
        size_t at, size;
        const char *error;
    } cases[] = {
        { 0x18, 48, "LUKS2: label without an end" },
        { 0x48, 32, "LUKS2: checksum algorithm without an end" },
        { UUID_AT, 40, "LUKS2: UUID without an end" },
        { BINARY, HEADER - BINARY, "LUKS2: the JSON area has no end" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_luks2_info info;
        struct clo_error err;
        make_usual();
        memset(head + cases[i].at, 'x', cases[i].size);
        sum(0);
        CHECK(!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), cases[i].error);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* A header in a file of its own: the payload may begin with the device, and key slots end with the file. */
static void test_detached(void **state)
{
    static const struct {
        const char *path, *value;
        size_t size;
        const char *error, *attached; /* NULL: it passes */
    } cases[] = {
        { "segments/0/offset", "'16777216'", PAYLOAD, NULL, NULL },
        { "segments/0/offset", "'0'", PAYLOAD, NULL, "LUKS2 header: segment 0: offset 0" },
        { "segments/0/offset", "'4096'", PAYLOAD, NULL, "LUKS2 header: segment 0: offset 4096" },
        { "segments/0/offset", "'512'", PAYLOAD, "LUKS2 header: segment 0: offset 512",
          "LUKS2 header: segment 0: offset 512" },
        { "segments/0/offset", "'16781312'", PAYLOAD, "LUKS2 header: segment 0: offset 16781312",
          "LUKS2 header: segment 0: offset 16781312" },
        { "segments/0/encryption", "'cipher_null-ecb'", PAYLOAD,
          "LUKS2 header: segment 0: encryption \"cipher_null-ecb\": only \"aes-xts-plain64\" is "
          "allowed",
          "LUKS2 header: segment 0: encryption \"cipher_null-ecb\": only \"aes-xts-plain64\" is "
          "allowed" },
        { "config/keyslots_size", "'516096'", 548864, NULL,
          "LUKS2 header: 548864 bytes, the payload begins at 16777216" },
        { "config/keyslots_size", "'516096'", 548863,
          "LUKS2 header: keyslot 1: area: 258048 bytes at 290816 are outside the header",
          "LUKS2 header: 548863 bytes, the payload begins at 16777216" },
        { "config/keyslots_size", "'520192'", 548864, "LUKS2 header: config: keyslots_size 520192",
          "LUKS2 header: 548864 bytes, the payload begins at 16777216" },
        { "keyslots/0/priority", "1", 2 * HEADER, "LUKS2 header: 32768 bytes, without a key slot",
          "LUKS2 header: 32768 bytes, the payload begins at 16777216" },
        { "keyslots/0/priority", "1", 0, "LUKS2: no LUKS header", "LUKS2: no LUKS header" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(usual);
        struct clo_bytes in = clo_bytes(head, cases[i].size);
        struct clo_luks2_info info;
        struct clo_error err;
        change(json, cases[i].path, cases[i].value);
        CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_COMPACT);
        make(text);
        bool ok = clo_luks2_check_detached(in, &info, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].value);
        CHECK(ok ? info.header_end == cases[i].size : strcmp(err.text, cases[i].error) == 0,
              err.text);
        ok = clo_luks2_check(in, &info, &err);
        CHECK(ok == (cases[i].attached == NULL), cases[i].value);
        CHECK(ok || strcmp(err.text, cases[i].attached) == 0, err.text);
    }
}

/* The same in both copies, so that nothing differs but what is around the JSON. */
static void test_around_json(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        const char *text, *error;
    } cases[] = {
        { "as it is", 0, "", NULL },
        { "a second JSON after the first", 6000, "{\"keyslots\":{}}",
          "LUKS2: there are bytes after the JSON's end" },
        { "the area's last byte", HEADER - BINARY - 1, "x",
          "LUKS2: there are bytes after the JSON's end" },
        { "a blank before it", 0, " {", "LUKS2: the JSON area does not begin with an object" },
        { "a list", 0, "[", "LUKS2: the JSON area does not begin with an object" },
        { "nothing", 0, NULL, "LUKS2: the JSON area does not begin with an object" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_luks2_info info;
        struct clo_error err;
        make_usual();
        for (size_t copy = 0; copy < 2; copy++) {
            uint8_t *json = head + copy * HEADER + BINARY;
            if (cases[i].text == NULL)
                memset(json, 0, HEADER - BINARY);
            else
                memcpy(json + cases[i].at, cases[i].text, strlen(cases[i].text));
            sum(copy);
        }
        bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;

    (void)state;
    make_usual();
    for (size_t size = 0; size < 2 * HEADER; size += size < BINARY + 600 ? 1 : 97)
        CHECK(!clo_luks2_parse(clo_bytes(head, size), &info, &metadata, &err), "cut");
    CHECK(clo_luks2_parse(clo_bytes(head, 2 * HEADER), &info, &metadata, &err), err.text);
}

/* HMAC-SHA256(key of zeros, "cryptsetup:root:UUID"), by `openssl dgst -mac HMAC`. */
static void test_measurement(void **state)
{
    static const uint8_t key[64];
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    char text[CLO_LUKS2_MEASUREMENT_TEXT];
    char hex[2 * 32 + 1];
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes(key, sizeof key), &secret, &err), err.text);
    clo_luks2_measurement(secret, UUID, CLO_HASH_SHA256, text, &digest);
    CHECK(strcmp(text, "cryptsetup:root:" UUID) == 0, text);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    CHECK(strcmp(hex, "ee138f5cca76f38bc013e2a7c68c78c84554badc806691547e1874fa2d68e7e9") == 0,
          hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),       cmocka_unit_test(test_white_list),
        cmocka_unit_test(test_tags),        cmocka_unit_test(test_gcm),
        cmocka_unit_test(test_write),       cmocka_unit_test(test_cost_in_sum),
        cmocka_unit_test(test_token_size),  cmocka_unit_test(test_duplicate_member),
        cmocka_unit_test(test_uuid),        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_binary),      cmocka_unit_test(test_texts),
        cmocka_unit_test(test_truncated),   cmocka_unit_test(test_measurement),
        cmocka_unit_test(test_around_json), cmocka_unit_test(test_detached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
