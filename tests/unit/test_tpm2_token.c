/* Tokens that a TPM opens: systemd's and our own, and all that is odd about them. */
#include "lib/disk/tpm2_token.h"

#include "test.h"

/* Written by systemd-cryptenroll 252 for a software TPM. */
#define BLOB                                                                       \
    "AJ4AIPJvxTmyvQcuK5kSQIzna0NK4wcn5+"                                           \
    "KFchSDFSVpDqaqABDjCP5IDqusdOeVg88WmES7bSAYujMHXFZUQb5A9991RLiPuW3"            \
    "8PPh3RtPOYIaAT/2ZDBFyv/"                                                      \
    "BIEg9WJnxGKNQ1dmdXbRVVV5Y5H4udd4JZ9XAg7gm1Pm+VjYyWPfg9PiAMDgBdH0rPPiO2EGMmSJ" \
    "ZtCfoK19V3jernSQBOAAgACwAAABIAIOpNA5/"                                        \
    "xJshrMPsZ3v1TMkYFxtOlY0W4jmbGeCHcdtPgABAAIAMh5bnop4tVU4i66YvoX"               \
    "ZFdxc06u4cmboX0f45tc7H8"
#define POLICY "ea4d039ff126c86b30fb19defd53324605c6d3a56345b88e66c67821dc76d3e0"
#define PEM    "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0K"
#define SALT   "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HEAD   "'type':'systemd-tpm2','keyslots':['1'],"
#define SEALED "'tpm2-blob':'" BLOB "','tpm2-policy-hash':'" POLICY "',"
#define TWO    "'tpm2-blob':['" BLOB "','" BLOB "'],'tpm2-policy-hash':['" POLICY "','" POLICY "'],"
#define PCRS   "'tpm2-pcrs':[7,11]"
#define USUAL  HEAD SEALED PCRS

static json_t *json_of(const char *text, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    struct clo_error err = { 0 };
    json_t *json = NULL;

    clo_buffer_u8(&buffer, '{');
    for (; *text != '\0'; text++)
        clo_buffer_u8(&buffer, *text == '\'' ? '"' : (uint8_t)*text);
    clo_buffer_u8(&buffer, '}');
    CHECK(clo_json_parse(clo_buffer_bytes(&buffer), &json, &err), name);
    return json;
}

static const struct {
    const char *name, *text, *error; /* error NULL: it parses */
} cases[] = {
    { "as 248 wrote it", USUAL, NULL },
    { "as 252 writes it",
      USUAL ",'tpm2-pcr-bank':'sha256','tpm2-primary-alg':'ecc','tpm2-pin':false", NULL },
    { "no PCRs at all", HEAD SEALED "'tpm2-pcrs':[]", NULL },
    { "a list of one shard",
      HEAD "'tpm2-blob':['" BLOB "'],'tpm2-policy-hash':['" POLICY "']," PCRS, NULL },
    { "two shards", HEAD TWO PCRS ",'tpm2_pcrlock':true,'tpm2_pubkey':'" PEM "'", NULL },
    { "all of Argon2id",
      USUAL ",'tpm2-pin':true,'tpm2_salt':'" SALT "','tpm2_argon2id_memcost':67108864,"
            "'tpm2_argon2id_iterations':8,'tpm2_argon2id_lanes':2",
      NULL },
    { "a signed policy with a reference",
      USUAL ",'tpm2_pubkey':'" PEM "','tpm2_pubkey_pcrs':[11],'tpm2_pubkey_ref':'initrd'", NULL },
    { "a share", "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'share':'broker'", NULL },
    { "a volume key with a floor",
      "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'key':'volume','floor':7", NULL },

    { "another type", "'type':'clevis','keyslots':['1']," SEALED PCRS, "type \"clevis\"" },
    { "a member from the future", USUAL ",'tpm2_more':true", "tpm2_more" },
    { "a share for systemd", USUAL ",'share':'broker'", "share \"broker\"" },
    { "a share with nobody", "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'share':'x'",
      "share \"x\"" },
    { "a volume key for systemd", USUAL ",'key':'volume'", "key \"volume\"" },
    { "a key of another kind",
      "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'key':'slot'", "key \"slot\"" },
    { "a volume key that is a share",
      "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'share':'broker','key':'volume'",
      "key \"volume\"" },
    { "a floor for systemd", USUAL ",'floor':1", "floor" },
    { "a floor of 0", "'type':'cloister-tpm2','keyslots':['0']," SEALED PCRS ",'floor':0",
      "floor" },
    { "no key slot", "'type':'systemd-tpm2','keyslots':[]," SEALED PCRS, "not exactly one" },
    { "two key slots", "'type':'systemd-tpm2','keyslots':['1','2']," SEALED PCRS,
      "not exactly one" },
    { "a slot that is a number", "'type':'systemd-tpm2','keyslots':[1]," SEALED PCRS,
      "not exactly one" },
    { "slot 01", "'type':'systemd-tpm2','keyslots':['01']," SEALED PCRS, "is not a slot's number" },
    { "slot 32", "'type':'systemd-tpm2','keyslots':['32']," SEALED PCRS, "is not a slot's number" },
    { "no PCRs said", HEAD SEALED "'tpm2-pin':false", "tpm2-pcrs" },
    { "PCR 24", HEAD SEALED "'tpm2-pcrs':[24]", "not a PCR's number" },
    { "PCR -1", HEAD SEALED "'tpm2-pcrs':[-1]", "not a PCR's number" },
    { "a PCR in words", HEAD SEALED "'tpm2-pcrs':['7']", "not a PCR's number" },
    { "a PCR twice", HEAD SEALED "'tpm2-pcrs':[7,7]", "PCR 7 is named twice" },
    { "an unknown bank", USUAL ",'tpm2-pcr-bank':'md5'", "tpm2-pcr-bank \"md5\"" },
    { "an unknown primary", USUAL ",'tpm2-primary-alg':'ed'", "tpm2-primary-alg \"ed\"" },
    { "no blob", HEAD "'tpm2-policy-hash':'" POLICY "'," PCRS, "tpm2-blob" },
    { "an empty list of blobs", HEAD "'tpm2-blob':[],'tpm2-policy-hash':'" POLICY "'," PCRS,
      "tpm2-blob: 0 shards" },
    { "a blob in hex", HEAD "'tpm2-blob':'zz','tpm2-policy-hash':'" POLICY "'," PCRS, "tpm2-blob" },
    { "a blob cut short", HEAD "'tpm2-blob':'AJ4A','tpm2-policy-hash':'" POLICY "'," PCRS,
      "tpm2-blob: truncated" },
    { "no policy", HEAD "'tpm2-blob':'" BLOB "'," PCRS, "tpm2-policy-hash" },
    { "a policy of SHA-1",
      HEAD "'tpm2-blob':'" BLOB
           "','tpm2-policy-hash':'0000000000000000000000000000000000000000'," PCRS,
      "tpm2-policy-hash: 20 bytes" },
    { "one policy for two shards",
      HEAD "'tpm2-blob':['" BLOB "','" BLOB "'],'tpm2-policy-hash':'" POLICY "'," PCRS,
      "1 of them for 2 shards" },
    { "two shards without a reason", HEAD TWO PCRS, "its policies need 1" },
    { "two shards for a signed policy alone", HEAD TWO PCRS ",'tpm2_pubkey':'" PEM "'",
      "its policies need 1" },
    { "one shard for both policies", USUAL ",'tpm2_pcrlock':true,'tpm2_pubkey':'" PEM "'",
      "its policies need 2" },
    { "signed registers without a key", USUAL ",'tpm2_pubkey_pcrs':[11]", "tpm2_pubkey: absent" },
    { "a reference without a key", USUAL ",'tpm2_pubkey_ref':'initrd'", "tpm2_pubkey: absent" },
    { "two of Argon2id's three",
      USUAL ",'tpm2_salt':'" SALT "','tpm2_argon2id_memcost':65536,'tpm2_argon2id_lanes':1",
      "2 of its three members" },
    { "Argon2id without a salt",
      USUAL ",'tpm2_argon2id_memcost':65536,'tpm2_argon2id_iterations':1,'tpm2_argon2id_lanes':1",
      "there is no tpm2_salt" },
    { "Argon2id of 4 TiB",
      USUAL ",'tpm2_salt':'" SALT "','tpm2_argon2id_memcost':4398046511104,"
            "'tpm2_argon2id_iterations':1,'tpm2_argon2id_lanes':1",
      "tpm2_argon2id_memcost 4398046511104" },
    { "Argon2id of 2^31 passes",
      USUAL ",'tpm2_salt':'" SALT "','tpm2_argon2id_memcost':65536,"
            "'tpm2_argon2id_iterations':2147483648,'tpm2_argon2id_lanes':1",
      "tpm2_argon2id_iterations 2147483648" },
    { "a PIN that is a word", USUAL ",'tpm2-pin':'yes'", "tpm2-pin" },
    { "a storage key of noise", USUAL ",'tpm2_srk':'AAAA'", "tpm2_srk: not a serialised key" },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(cases[i].text, cases[i].name);
        struct clo_error err = { 0 };
        bool ok = clo_tpm2_token_parse(json, &token, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(ok || err.status != CLO_OK, cases[i].name);
    }
}

/* What is written is read as the same, all eighteen members of it. */
static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token again = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = json_of(cases[i].text, cases[i].name);
        CLO_CLEANUP(clo_json_freep) json_t *written = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *twice = NULL;
        struct clo_error err = { 0 };
        if (!clo_tpm2_token_parse(json, &token, &err))
            continue;
        written = clo_tpm2_token_json(&token);
        CHECK(clo_tpm2_token_parse(written, &again, &err), err.text);
        twice = clo_tpm2_token_json(&again);
        CHECK(json_equal(written, twice), cases[i].name);
        /* A list of one shard and a PIN that is not there are written the older way. */
        (void)json_object_del(json, "tpm2-pin");
        (void)json_object_del(written, "tpm2-pin");
        if (token.shards == 1 && json_is_array(json_object_get(json, "tpm2-blob")))
            continue;
        CHECK(json_equal(json, written), cases[i].name);
    }
}

static void test_values(void **state)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_of(USUAL ",'tpm2-pcr-bank':'sha384','tpm2-primary-alg':'rsa','tpm2-pin':true,"
                          "'tpm2_salt':'" SALT "'",
                    "values");
    struct clo_tpm2_blob blob;
    struct clo_error err = { 0 };

    (void)state;
    CHECK(clo_tpm2_token_parse(json, &token, &err), err.text);
    assert_int_equal(token.keyslot, 1);
    assert_int_equal(token.pcrs, 1U << 7 | 1U << 11);
    assert_int_equal(token.bank, CLO_HASH_SHA384);
    assert_int_equal(token.primary, CLO_TPM2_PRIMARY_RSA);
    assert_true(token.has_pin && token.salt.size == CLO_TPM2_SALT && token.shards == 1);
    assert_true(clo_tpm2_blob_parse(clo_buffer_bytes(&token.blobs[0]), &blob, &err));
    assert_int_equal(blob.private_part.size, 158);
    assert_int_equal(blob.public_part.size, 78);
    assert_int_equal(blob.seed.size, 0);
}

/* Every truncation of a blob is refused, and so is a byte more. */
static void test_blob(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const struct clo_tpm2_blob made = { clo_bytes_text("private"), clo_bytes_text("public"),
                                        clo_bytes_text("seed") };
    struct clo_tpm2_blob blob;
    struct clo_error err;

    (void)state;
    clo_tpm2_blob_write(&made, &bytes);
    assert_true(clo_tpm2_blob_parse(clo_buffer_bytes(&bytes), &blob, &err));
    assert_true(clo_bytes_equal(blob.seed, made.seed));
    for (size_t size = 0; size < bytes.size; size++)
        if (size != bytes.size - 2 - made.seed.size)
            CHECK(!clo_tpm2_blob_parse(clo_bytes(bytes.data, size), &blob, &err), "cut short");
    clo_buffer_u8(&bytes, 0);
    assert_false(clo_tpm2_blob_parse(clo_buffer_bytes(&bytes), &blob, &err));
    assert_string_equal(err.text, "1 bytes after its end");
}

static void test_srk(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_digest digest;
    uint8_t name[34] = { 0x00, 0x0b };
    struct clo_tpm2_srk srk = { .handle = 0x81000001, .public_part = clo_bytes_text("a key") };
    struct clo_tpm2_srk again;
    struct clo_error err = { 0 };

    (void)state;
    clo_hash(CLO_HASH_SHA256, srk.public_part, &digest);
    memcpy(name + 2, digest.bytes, 32);
    srk.name = clo_bytes(name, sizeof name);
    clo_tpm2_srk_write(&srk, &bytes);
    CHECK(clo_tpm2_srk_parse(clo_buffer_bytes(&bytes), &again, &err), err.text);
    assert_int_equal(again.handle, srk.handle);
    for (size_t size = 0; size < bytes.size; size++)
        CHECK(!clo_tpm2_srk_parse(clo_bytes(bytes.data, size), &again, &err), "cut short");
    bytes.data[bytes.size - 1] ^= 1;
    assert_false(clo_tpm2_srk_parse(clo_buffer_bytes(&bytes), &again, &err));
    assert_string_equal(err.text, "its name is not that of its public part");
    bytes.data[bytes.size - 1] ^= 1;
    bytes.data[0] = 0x01;
    assert_false(clo_tpm2_srk_parse(clo_buffer_bytes(&bytes), &again, &err));
    assert_non_null(strstr(err.text, "not a persistent key's"));
    bytes.data[0] = 0x81;
    bytes.data[4 + 2 + 34 + 3] = 2;
    assert_false(clo_tpm2_srk_parse(clo_buffer_bytes(&bytes), &again, &err));
    assert_string_equal(err.text, "resource 2: not a key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_values), cmocka_unit_test(test_blob),
        cmocka_unit_test(test_srk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
