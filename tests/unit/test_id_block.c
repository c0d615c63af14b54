#include "cloister/id_block.h"

#include "vectors.h"

static const struct clo_snp_id_block block = {
    .launch_digest = { 1, 2, 3, 4 },
    .family_id = { 5 },
    .image_id = { 6 },
    .version = 1,
    .guest_svn = 7,
    .policy = 0xb0000,
};

static struct clo_private_key *new_key(enum clo_key_kind kind)
{
    struct clo_private_key *key = NULL;
    struct clo_error err;

    if (!clo_private_key_new(kind, 0, &key, &err))
        fail_msg("%s", err.text);
    return key;
}

/* The authentication structure for `block`; author_key NULL: none. */
static void make_auth(const struct clo_private_key *id_key,
                      const struct clo_private_key *author_key, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_snp_id_auth_make(&block, id_key, author_key, out, &err))
        fail_msg("%s", err.text);
}

static void test_block(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_snp_id_block read;
    struct clo_error err;

    (void)state;
    clo_snp_id_block_write(&block, &bytes);
    struct clo_bytes whole = clo_buffer_bytes(&bytes);
    CHECK(whole.size == CLO_SNP_ID_BLOCK_SIZE, "size");
    CHECK(clo_snp_id_block_parse(whole, &read, &err), err.text);
    CHECK(memcmp(&read, &block, sizeof block) == 0, "reads back");
    for (size_t size = 0; size < whole.size; size++)
        CHECK(!clo_snp_id_block_parse(clo_bytes_slice(whole, 0, size), &read, &err), "cut");
    CHECK(strcmp(err.text, "ID block: 95 bytes, expected 96") == 0, err.text);
    bytes.data[80] = 2;
    CHECK(!clo_snp_id_block_parse(whole, &read, &err), "version 2");
    CHECK(strcmp(err.text, "ID block: version 2, expected 1") == 0, err.text);
}

/* What another implementation makes of a launch digest. */
static void test_vector(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("snp-measure");
    size_t i, found = 0;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        const json_t *expected = json_object_get(entry, "expected");
        const char *digest = json_string_value(json_object_get(expected, "launch_digest_b64"));
        const char *wanted = json_string_value(json_object_get(expected, "id_block_b64"));
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_snp_id_block made = { .version = 1, .policy = CLO_SNP_ID_POLICY };
        struct clo_error err;
        if (digest == NULL || wanted == NULL)
            continue;
        CHECK(clo_base64_read(clo_bytes_text(digest), &bytes, &err), err.text);
        CHECK(bytes.size == sizeof made.launch_digest, "size");
        memcpy(made.launch_digest, bytes.data, bytes.size);
        clo_snp_id_block_write(&made, &raw);
        clo_base64_write(clo_buffer_bytes(&raw), &text);
        CHECK(strcmp(clo_buffer_string(&text), wanted) == 0, wanted);
        found++;
    }
    CHECK(found > 0, "cases");
}

static void test_auth(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *id_key = new_key(CLO_KEY_P384);
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *author = new_key(CLO_KEY_P384);
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_public(id_key, &public, &err), err.text);
    for (int with_author = 0; with_author < 2; with_author++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_snp_id_auth auth;
        struct clo_digest digest, expected;
        make_auth(id_key, with_author ? author : NULL, &bytes);
        CHECK(bytes.size == CLO_SNP_ID_AUTH_SIZE, "size");
        CHECK(clo_snp_id_auth_parse(clo_buffer_bytes(&bytes), &auth, &err), err.text);
        CHECK(auth.has_author_key == (with_author == 1), "author key");
        CHECK(clo_snp_id_block_verify(&block, &auth, &err), err.text);
        CHECK(clo_snp_id_key_digest(public, &digest, &err), err.text);
        clo_hash(CLO_HASH_SHA384, auth.id_key, &expected);
        CHECK(clo_digest_equal(&digest, &expected), "digest of the key");
        for (size_t size = 0; size < bytes.size; size += 97)
            CHECK(!clo_snp_id_auth_parse(clo_bytes(bytes.data, size), &auth, &err), "cut");
    }
}

/* One byte changed: what is not read is not signed, so each must be noticed somewhere. */
static void test_auth_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        const char *error;
    } cases[] = {
        { "ID key's algorithm", 0, "ID authentication: ID key: algorithm 254, expected 1" },
        { "author key's algorithm", 4, "ID authentication: author key: algorithm 254, expected 1" },
        { "first reserved bytes", 63, "ID authentication: reserved bytes at 0x8 are not zero" },
        { "signature of the block", 64, "ID block: ID key: " },
        { "its padding", 64 + 48, "ID block: ID key: the signature's padding is not zero" },
        { "its padding at the end", 575, "ID block: ID key: the signature's padding is not zero" },
        { "ID key's curve", 576, "ID block: ID key: curve 253, expected 2 (P-384)" },
        { "ID key's point", 580, "ID block: ID key: " },
        { "ID key's padding", 1603, "ID block: ID key: its padding is not zero" },
        { "second reserved bytes", 1604,
          "ID authentication: reserved bytes at 0x644 are not zero" },
        { "signature of the ID key", 1664, "ID block: author key: " },
        { "author key's point", 2180, "ID block: author key: " },
        { "last reserved bytes", 4095, "ID authentication: reserved bytes at 0xc84 are not zero" },
    };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *id_key = new_key(CLO_KEY_P384);
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *author = new_key(CLO_KEY_P384);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_snp_id_auth auth;
    struct clo_error err;

    (void)state;
    make_auth(id_key, author, &bytes);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        bytes.data[cases[i].at] ^= 0xff;
        bool ok = clo_snp_id_auth_parse(clo_buffer_bytes(&bytes), &auth, &err) &&
                  clo_snp_id_block_verify(&block, &auth, &err);
        CHECK(!ok, cases[i].name);
        CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, err.text);
        bytes.data[cases[i].at] ^= 0xff;
    }
    struct clo_snp_id_block other = block;
    other.guest_svn++;
    CHECK(clo_snp_id_auth_parse(clo_buffer_bytes(&bytes), &auth, &err), err.text);
    CHECK(!clo_snp_id_block_verify(&other, &auth, &err), "another block");
    CHECK(err.status == CLO_ERR_REFUSED, err.text);
}

static void test_other_curve(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *p384 = new_key(CLO_KEY_P384);
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *p256 = new_key(CLO_KEY_P256);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_error err;

    (void)state;
    CHECK(!clo_snp_id_auth_make(&block, p256, NULL, &bytes, &err), "ID key");
    CHECK(strcmp(err.text, "ID key: the key is none of P-384") == 0, err.text);
    CHECK(!clo_snp_id_auth_make(&block, p384, p256, &bytes, &err), "author key");
    CHECK(strcmp(err.text, "author key: the key is none of P-384") == 0, err.text);
    CHECK(bytes.size == 0, "nothing is written");
    CHECK(!clo_snp_id_key_parse(clo_bytes("abc", 3), &key, &err), "three bytes");
    CHECK(strcmp(err.text, "3 bytes, expected 1028") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block),       cmocka_unit_test(test_vector),
        cmocka_unit_test(test_auth),        cmocka_unit_test(test_auth_refused),
        cmocka_unit_test(test_other_curve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
