/* Signature lists made, walked and changed; and those of others. */
#include "cloister/signature_list.h"

#include "cloister/crypto.h"
#include "signature_entry.h"
#include "test.h"

static const struct clo_guid ann = { { 1 } };
static const struct clo_guid bob = { { 2 } };

static struct clo_guid type_of(const char *name)
{
    struct clo_guid type;

    assert_true(clo_signature_type_from_name(name, &type));
    return type;
}

static void add(struct clo_buffer *lists, const char *type, const struct clo_guid *owner,
                uint8_t fill, size_t size)
{
    struct clo_guid guid = type_of(type);
    uint8_t data[512];
    struct clo_error err;

    memset(data, fill, sizeof data);
    CHECK(clo_signature_list_add(&guid, owner, clo_bytes(data, size), lists, &err), err.text);
}

static void test_types(void **state)
{
    static const char *const names[] = { "x509",        "sha256",     "sha384",  "sha512",
                                         "sha224",      "sha1",       "rsa2048", "x509-sha256",
                                         "x509-sha384", "x509-sha512" };
    struct clo_guid type;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        assert_true(clo_signature_type_from_name(names[i], &type));
        assert_string_equal(clo_signature_type_name(&type), names[i]);
    }
    assert_false(clo_signature_type_from_name("other", &type));
    assert_string_equal(clo_signature_type_name(&ann), "other");
    type = type_of("x509");
    assert_true(clo_guid_equal(&type, &clo_guid_cert_x509));
    type = type_of("sha256");
    assert_true(clo_guid_equal(&type, &clo_guid_cert_sha256));
}

static void test_made(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    struct clo_signature_entry entry;
    struct clo_error err;
    size_t count;

    (void)state;
    add(&lists, "sha256", &ann, 1, 32);
    add(&lists, "sha256", &bob, 2, 32); /* into the same list */
    assert_int_equal(lists.size, 28 + 2 * 48);
    add(&lists, "x509", &ann, 3, 100);
    add(&lists, "x509", &ann, 4, 100); /* each in its own, though of one size */
    assert_int_equal(lists.size, 28 + 2 * 48 + 2 * (28 + 116));
    add(&lists, "sha256", &ann, 5, 32); /* the last list is another now */
    add(&lists, "sha384", &ann, 6, 48);
    assert_true(clo_signature_lists_check(clo_buffer_bytes(&lists), &count, &err));
    assert_int_equal(count, 6);
    struct clo_signature_walk walk = clo_signature_walk(clo_buffer_bytes(&lists));
    for (uint8_t i = 1; i <= 6; i++) {
        struct clo_signature_entry same;
        assert_true(clo_signature_next(&walk, &entry, &err) == CLO_NEXT_ITEM);
        assert_int_equal(entry.data.data[0], i);
        assert_int_equal(entry.whole.size, 16 + entry.data.size);
        assert_true(clo_guid_equal(&entry.owner, i == 2 ? &bob : &ann));
        assert_true(signature_entry(clo_buffer_bytes(&lists), i - 1U, &same, &err));
        assert_ptr_equal(same.data.data, entry.data.data);
    }
    assert_int_equal(clo_signature_next(&walk, &entry, &err), CLO_NEXT_END);
    /* Cut anywhere but between two lists it is malformed. */
    for (size_t cut = 1; cut < lists.size; cut++) {
        bool is_whole = cut == 124 || cut == 268 || cut == 412 || cut == 488;
        CHECK(clo_signature_lists_check(clo_bytes(lists.data, cut), NULL, &err) == is_whole, "cut");
    }

    struct clo_guid type = type_of("sha256");
    assert_false(clo_signature_list_add(&type, &ann, clo_bytes("x", 1), &lists, &err));
    assert_string_equal(err.text, "signature: 1 bytes, sha256 has 32");
    type = type_of("x509");
    assert_false(clo_signature_list_add(&type, &ann, clo_bytes("", 0), &lists, &err));
    assert_string_equal(err.text, "signature: 0 bytes");
}

static void test_malformed(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } cases[] = {
        { "list shorter than its header",
          "2616c4c14c509240aca941f936934328 1b000000 00000000 30000000",
          "signature list at byte 0: wrong sizes" },
        { "entries without an owner",
          "a159c0a5e494a74a87b5ab155c2bf072 25000000 00000000 09000000 010203040506070809",
          "signature list at byte 0: wrong sizes" },
        { "a header that is too long",
          "a159c0a5e494a74a87b5ab155c2bf072 1c000000 f0ffffff 11000000",
          "signature list at byte 0: wrong sizes" },
        { "half an entry",
          "a159c0a5e494a74a87b5ab155c2bf072 2d000000 00000000 12000000"
          "0000000000000000000000000000000000",
          "signature list at byte 0: wrong sizes" },
        { "a digest of one byte",
          "2616c4c14c509240aca941f936934328 2d000000 00000000 11000000"
          "0000000000000000000000000000000000",
          "signature list at byte 0: entries of 17 bytes, sha256 has 48" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_signature_entry entry;
        struct clo_error err;
        struct clo_bytes in = from_hex(cases[i].hex, &bytes);
        CHECK(!clo_signature_lists_check(in, NULL, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!signature_entry(in, 0, &entry, &err) && err.status == CLO_ERR_FORMAT, cases[i].name);
    }
}

static void test_append(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer base = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer more = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_error err;
    size_t added;

    (void)state;
    add(&base, "sha256", &ann, 1, 32);
    add(&base, "x509", &ann, 2, 40);
    add(&more, "x509", &ann, 2, 40);   /* known: its list goes */
    add(&more, "sha256", &ann, 1, 32); /* known */
    add(&more, "sha256", &bob, 1, 32); /* another's: edk2 keeps both */
    add(&more, "sha256", &ann, 3, 32);
    assert_true(clo_signature_lists_append(clo_buffer_bytes(&base), clo_buffer_bytes(&more), &out,
                                           &added, &err));
    assert_int_equal(added, 2);
    assert_int_equal(out.size, base.size + 28 + 2 * 48);
    assert_memory_equal(out.data, base.data, base.size);
    assert_true(clo_signature_lists_check(clo_buffer_bytes(&out), NULL, &err));
    /* Once more changes nothing. */
    assert_true(clo_signature_lists_append(clo_buffer_bytes(&out), clo_buffer_bytes(&more), &again,
                                           &added, &err));
    assert_int_equal(added, 0);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&again), clo_buffer_bytes(&out)));
    more.size--;
    again.size = 0;
    assert_false(clo_signature_lists_append(clo_buffer_bytes(&base), clo_buffer_bytes(&more),
                                            &again, &added, &err));
}

static void test_remove(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer base = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_guid type = type_of("sha256");
    uint8_t data[32];
    struct clo_error err;
    size_t removed;

    (void)state;
    add(&base, "sha256", &ann, 1, 32);
    add(&base, "sha256", &bob, 1, 32);
    add(&base, "x509", &ann, 1, 32); /* the same bytes as another thing */
    add(&base, "sha256", &ann, 2, 32);
    memset(data, 1, sizeof data);
    assert_true(
            clo_signature_lists_have(clo_buffer_bytes(&base), &type, clo_bytes(data, 32), &bob));
    assert_true(clo_signature_lists_remove(clo_buffer_bytes(&base), &type, clo_bytes(data, 32),
                                           &out, &removed, &err));
    assert_int_equal(removed, 2);
    assert_int_equal(out.size, 28 + 48 + 28 + 48); /* the first list is gone */
    assert_false(
            clo_signature_lists_have(clo_buffer_bytes(&out), &type, clo_bytes(data, 32), NULL));
    type = type_of("x509");
    assert_true(clo_signature_lists_have(clo_buffer_bytes(&out), &type, clo_bytes(data, 32), NULL));
}

static void test_vectors(void **state)
{
    static const struct {
        const char *file;
        size_t entries;
        const char *first; /* SHA-256 of a certificate, or the digest itself */
    } cases[] = {
        { "eci-pk/PK", 1, "258c6e9c3b21a5d7f121636070127d4194d1b66c2bd67dbaa734d34fa8147b17" },
        { "eci-dbx/dbx", 77, "80b4d96931bf0d02fd91a61e19d14f1da452e66db2408ca8604d411f92659f0a" },
        { "efilib-2/2.siglist", 2,
          "e28d59ca489bd2ad580f2ea5d62d6a29bb9c02ae5a818434a37da7fc11dff9e9" },
        { "efilib-4/4.siglist", 78,
          "f01614a7a81ba477f0746cf2de71b20dddec709e756c9ea57cb67f93f25ba9fd" },
        { "neg-efilib-inconsistent-sizes1/inconsistent-sizes1.siglist", 0, NULL },
        { "neg-efilib-invalid-sigheader-size/invalid-sigheader-size.siglist", 0, NULL },
        { "neg-efilib-invalid-signature-size/invalid-signature-size.siglist", 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_signature_entry entry;
        struct clo_digest digest;
        struct clo_error err;
        char path[200], hex[65];
        size_t count = 0;
        snprintf(path, sizeof path, "secureboot/%s", cases[i].file);
        read_vector(path, &file);
        bool ok = clo_signature_lists_check(clo_buffer_bytes(&file), &count, &err);
        CHECK(ok == (cases[i].first != NULL) && count == cases[i].entries, cases[i].file);
        if (!ok)
            continue;
        assert_true(signature_entry(clo_buffer_bytes(&file), 0, &entry, &err));
        clo_hash(CLO_HASH_SHA256, entry.data, &digest);
        if (entry.data.size == 32)
            memcpy(digest.bytes, entry.data.data, 32);
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&digest), hex), cases[i].first) == 0,
              cases[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),     cmocka_unit_test(test_made),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_append),
        cmocka_unit_test(test_remove),    cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
