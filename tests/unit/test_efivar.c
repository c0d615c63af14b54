#include "cloister/efivar.h"

#include "cloister/crypto.h"
#include "signature_entry.h"
#include "varstore_maker.h"
#include "vectors.h"

static const struct clo_guid owner = { { 0x77, 1, 2, 3 } };

/* --- Signature lists --- */

static void test_lists(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    struct clo_signature_entry entry;
    struct clo_error err;

    (void)state;
    clo_signature_list_x509(&owner, clo_bytes_text("one"), &lists);
    clo_signature_list_x509(&owner, clo_bytes_text("three"), &lists);
    CHECK(lists.size == 28 + 16 + 3 + 28 + 16 + 5, "size");
    CHECK(signature_entry(clo_buffer_bytes(&lists), 1, &entry, &err) == CLO_NEXT_ITEM, err.text);
    CHECK(clo_guid_equal(&entry.type, &clo_guid_cert_x509), "type");
    CHECK(clo_guid_equal(&entry.owner, &owner), "owner");
    CHECK(clo_bytes_equal(entry.data, clo_bytes_text("three")), "data");
    CHECK(entry.whole.size == 16 + 5 && entry.whole.data + 16 == entry.data.data, "whole");
    CHECK(signature_entry(clo_buffer_bytes(&lists), 2, &entry, &err) == CLO_NEXT_END, "end");
    for (size_t size = 1; size < lists.size; size++) {
        enum clo_next next = signature_entry(clo_bytes_slice(clo_buffer_bytes(&lists), 0, size), 1,
                                             &entry, &err);
        CHECK(next == (size == 47 ? CLO_NEXT_END : CLO_NEXT_FAILED), "cut");
    }
}

static void test_lists_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
    } cases[] = {
        { "list shorter than its header", 16, 27 }, { "list beyond the end", 16, 1000 },
        { "header that eats the list", 20, 100 },   { "entries below an owner's size", 24, 15 },
        { "no whole number of entries", 24, 18 },   { "sizes that would wrap", 20, 0xffffffff },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
        struct clo_signature_entry entry;
        struct clo_error err;
        clo_signature_list_x509(&owner, clo_bytes_text("one"), &lists);
        for (size_t k = 0; k < 4; k++)
            lists.data[cases[i].at + k] = (uint8_t)(cases[i].value >> (8 * k));
        CHECK(!signature_entry(clo_buffer_bytes(&lists), 0, &entry, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_FORMAT &&
                      strcmp(err.text, "signature list at byte 0: wrong sizes") == 0,
              err.text);
    }
}

/* --- The shared vectors: lists of Azure, Microsoft and others --- */

static void same_list(const json_t *expected, struct clo_bytes lists, size_t *at, const char *name)
{
    size_t count = (size_t)json_integer_value(json_object_get(expected, "entries"));
    const json_t *certificates = json_object_get(expected, "certs");
    struct clo_signature_entry entry;
    struct clo_error err;

    for (size_t i = 0; i < count; i++, ++*at) {
        char text[CLO_GUID_TEXT];
        CHECK(signature_entry(lists, *at, &entry, &err), name);
        CHECK(strcmp(clo_guid_text(&entry.type, text),
                     json_string_value(json_object_get(expected, "type_guid"))) == 0,
              name);
        const json_t *certificate = json_array_get(certificates, i);
        if (certificate == NULL)
            continue;
        struct clo_digest digest;
        char hex[2 * 32 + 1];
        clo_hash(CLO_HASH_SHA256, entry.data, &digest);
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&digest), hex),
                     json_string_value(json_object_get(certificate, "sha256"))) == 0,
              name);
    }
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("secureboot");
    size_t i;
    json_t *entry;
    size_t read = 0;
    size_t refused = 0;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *expected = json_object_get(entry, "expected");
        const json_t *lists_json = json_object_get(expected, "lists");
        struct clo_signature_entry found;
        struct clo_error err;
        size_t at = 0;
        size_t k;
        json_t *list;
        char path[512];
        if (json_object_get(expected, "kind") == NULL)
            continue;
        CHECK(find_case_file("secureboot", entry, "", path, sizeof path), name);
        read_vector(path, &file);
        /* An authenticated update has its lists after time and signature. */
        size_t offset = (size_t)json_integer_value(json_object_get(expected, "payload_offset"));
        struct clo_bytes lists = clo_bytes_slice(clo_buffer_bytes(&file), offset, file.size);
        if (json_object_get(expected, "error") != NULL) {
            CHECK(signature_entry(lists, 0, &found, &err) == CLO_NEXT_FAILED &&
                          err.status == CLO_ERR_FORMAT,
                  name);
            refused++;
            continue;
        }
        json_array_foreach (lists_json, k, list)
            same_list(list, lists, &at, name);
        CHECK(signature_entry(lists, at, &found, &err) == CLO_NEXT_END, name);
        read++;
    }
    CHECK(read > 10 && refused >= 3, "the manifest has its cases");
}

/* --- Variable stores --- */

static void make_usual(struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer variables = { 0 };

    variable(&variables, 0x3f, "PK", "platform");
    variable(&variables, 0x3e, "KEK", "old"); /* an update was cut off here */
    variable(&variables, 0x3f, "KEK", "new");
    variable(&variables, 0x3c, "db", "deleted");
    make_store(out, &variables);
}

static void test_store(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_error err;

    (void)state;
    make_usual(&file);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &store, &err), err.text);
    CHECK(clo_varstore_count(store) == 3 && clo_varstore_at(store, 3) == NULL, "count");
    const struct clo_efivar *kek = clo_varstore_find(store, "KEK", &clo_guid_global_variable);
    CHECK(kek != NULL && clo_bytes_equal(kek->data, clo_bytes_text("new")), "the later one");
    CHECK(clo_varstore_find(store, "db", &clo_guid_global_variable) == NULL, "deleted");
    CHECK(clo_varstore_find(store, "PK", &clo_guid_image_security) == NULL, "another vendor's");
}

static void test_store_write(void **state)
{
    const struct clo_efivar change = { .name = "PK",
                                       .vendor = clo_guid_global_variable,
                                       .attributes = CLO_EFIVAR_BOOT,
                                       .data = clo_bytes_text("a longer platform key") };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *again = NULL;
    struct clo_error err;

    (void)state;
    make_usual(&file);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &store, &err), err.text);
    CHECK(clo_varstore_write(store, &change, 1, &written, &err), err.text);
    CHECK(written.size == file.size && memcmp(written.data, file.data, VOLUME) == 0,
          "the rest of the file is as it was");
    CHECK(clo_varstore_parse(clo_buffer_bytes(&written), &again, &err), err.text);
    CHECK(clo_varstore_count(again) == 2, "one of each");
    const struct clo_efivar *pk = clo_varstore_find(again, "PK", &clo_guid_global_variable);
    CHECK(pk != NULL && clo_bytes_equal(pk->data, change.data) && pk->attributes == CLO_EFIVAR_BOOT,
          "PK");
    const struct clo_efivar *kek = clo_varstore_find(again, "KEK", &clo_guid_global_variable);
    CHECK(kek != NULL && clo_bytes_equal(kek->data, clo_bytes_text("new")), "KEK");

    static uint8_t large[STORE_SIZE];
    struct clo_efivar too_large = change;
    too_large.data = clo_bytes(large, sizeof large);
    CHECK(!clo_varstore_write(store, &too_large, 1, &written, &err), "no room");
    CHECK(err.status == CLO_ERR_UNSUPPORTED && strstr(err.text, "there is room for 8164") != NULL,
          err.text);
}

static void test_enroll(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer empty = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer list = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *again = NULL;
    struct clo_bytes none = clo_bytes(NULL, 0);
    struct clo_error err;

    (void)state;
    make_store(&file, &empty);
    clo_signature_list_x509(&owner, clo_bytes_text("certificate"), &list);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &store, &err), err.text);
    struct clo_bytes keys = clo_buffer_bytes(&list);
    CHECK(clo_varstore_enroll(store, keys, keys, keys, none, &written, &err), err.text);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&written), &again, &err), err.text);
    static const struct {
        const char *name;
        const struct clo_guid *vendor;
    } expected[] = {
        { "PK", &clo_guid_global_variable },
        { "KEK", &clo_guid_global_variable },
        { "db", &clo_guid_image_security },
    };
    for (size_t i = 0; i < CLO_COUNT(expected); i++) {
        const struct clo_efivar *found =
                clo_varstore_find(again, expected[i].name, expected[i].vendor);
        CHECK(found != NULL && clo_bytes_equal(found->data, keys) &&
                      found->attributes == CLO_EFIVAR_SECURE,
              expected[i].name);
    }
    CHECK(clo_varstore_find(again, "dbx", &clo_guid_image_security) == NULL, "no dbx");
    CHECK(!clo_varstore_enroll(store, keys, keys, clo_bytes_text("no list"), none, &written, &err),
          "no list");
    CHECK(err.status == CLO_ERR_FORMAT, err.text);
}

static void test_store_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { "no volume", VOLUME + 16, 0, "no firmware volume with variables" },
        { "no signature", VOLUME + 40, 'x', "firmware volume at 0x1000: wrong header" },
        { "volume beyond the file", VOLUME + 35, 1, "firmware volume at 0x1000: wrong header" },
        { "short header", VOLUME + 48, 8, "firmware volume at 0x1000: wrong header" },
        { "another kind of store", VOLUME + VOLUME_HEADER, 0,
          "firmware volume at 0x1000: no authenticated variable store" },
        { "not formatted", VOLUME + VOLUME_HEADER + 20, 0xff,
          "variable store at 0x1048: wrong header" },
        { "not healthy", VOLUME + VOLUME_HEADER + 21, 0, "variable store at 0x1048: wrong header" },
        { "store beyond the volume", VOLUME + VOLUME_HEADER + 17, 0x21,
          "variable store at 0x1048: wrong header" },
        { "name beyond the store", VOLUME + VOLUME_HEADER + 28 + 38, 1,
          "variable at 0x1064: truncated or without a name" },
        { "odd name", VOLUME + VOLUME_HEADER + 28 + 36, 5,
          "variable at 0x1064: truncated or without a name" },
        { "no name", VOLUME + VOLUME_HEADER + 28 + 36, 0,
          "variable at 0x1064: truncated or without a name" },
        { "data beyond the store", VOLUME + VOLUME_HEADER + 28 + 42, 1,
          "variable at 0x1064: truncated or without a name" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_varstore *store = NULL;
        struct clo_error err;
        make_usual(&file);
        file.data[cases[i].at] = cases[i].value;
        CHECK(!clo_varstore_parse(clo_buffer_bytes(&file), &store, &err) && store == NULL,
              cases[i].name);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void test_store_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    (void)state;
    make_usual(&file);
    for (size_t size = 0; size < file.size; size++) {
        struct clo_varstore *store = NULL;
        struct clo_error err;
        CHECK(!clo_varstore_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size), &store, &err),
              "cut");
    }
}

#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"

static const struct {
    const char *name, *json, *error; /* error NULL: it parses */
} json_cases[] = {
    { "none", "{\"version\": 2, \"variables\": []}", NULL },
    { "one",
      " {\"version\": 2, \"variables\": [{\"name\": \"PK\", \"guid\": \"" GLOBAL
      "\", \"attr\": 39, \"data\": \"00ff\", \"time\": \"e907030a023527000000000000000000\"}]}",
      NULL },
    { "another version", "{\"version\": 1, \"variables\": []}",
      "variable store in JSON: version 1, not 2" },
    { "other JSON", "{}", "variable store in JSON: \"version\" is missing" },
    { "a variable of nothing", "{\"version\": 2, \"variables\": [{}]}",
      "variable store in JSON: variable 0: \"name\" is missing" },
    { "without a name",
      "{\"version\": 2, \"variables\": [{\"name\": \"\", \"guid\": \"" GLOBAL
      "\", \"attr\": 7, \"data\": \"\"}]}",
      "variable store in JSON: variable 0: a name of 0 bytes" },
    { "a time of a byte",
      "{\"version\": 2, \"variables\": [{\"name\": \"a\", \"guid\": \"" GLOBAL
      "\", \"attr\": 7, \"data\": \"\", \"time\": \"00\"}]}",
      "variable store in JSON: variable 0: \"attr\" or \"time\" is not of its size" },
    { "attributes of 33 bits",
      "{\"version\": 2, \"variables\": [{\"name\": \"a\", \"guid\": \"" GLOBAL
      "\", \"attr\": 4294967296, \"data\": \"\"}]}",
      "variable store in JSON: variable 0: \"attr\" or \"time\" is not of its size" },
};

static void test_json_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(json_cases); i++) {
        CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
        struct clo_error err = { 0 };
        bool ok = clo_varstore_parse(clo_bytes_text(json_cases[i].json), &store, &err);
        CHECK(ok == (json_cases[i].error == NULL), json_cases[i].name);
        if (!ok && strcmp(err.text, json_cases[i].error) != 0)
            fail_msg("%s: %s", json_cases[i].name, err.text);
    }
}

/* Comes back in the form that it came in, with the change and without what it replaces. */
static void test_json_write(void **state)
{
    const struct clo_efivar changes[] = { { .name = "PK",
                                            .vendor = clo_guid_global_variable,
                                            .attributes = 7,
                                            .data = clo_bytes_text("new") },
                                          { .name = "db",
                                            .vendor = clo_guid_image_security,
                                            .attributes = 7,
                                            .data = clo_bytes_text("d") } };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_varstore_parse(clo_bytes_text(json_cases[1].json), &store, &err));
    assert_int_equal(clo_varstore_at(store, 0)->time[0], 0xe9);
    assert_int_equal(clo_varstore_at(store, 0)->data.data[1], 0xff);
    assert_true(clo_varstore_write(store, changes, 2, &out, &err));
    assert_true(clo_varstore_parse(clo_buffer_bytes(&out), &again, &err));
    assert_int_equal(clo_varstore_count(again), 2);
    assert_true(clo_bytes_equal(clo_varstore_find(again, "PK", &clo_guid_global_variable)->data,
                                changes[0].data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),         cmocka_unit_test(test_lists_refused),
        cmocka_unit_test(test_vectors),       cmocka_unit_test(test_store),
        cmocka_unit_test(test_store_write),   cmocka_unit_test(test_enroll),
        cmocka_unit_test(test_store_refused), cmocka_unit_test(test_store_truncated),
        cmocka_unit_test(test_json_refused),  cmocka_unit_test(test_json_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
