/* CoRIM, CoSERV and EAR of other projects, with the verdict of their own tests (shared vectors, family corim-ear). */
#include "cloister/corim.h"
#include "cloister/ear.h"
#include "cloister/jose.h"
#include "cloister/snp.h"
#include "edn.h"
#include "lib/corim/corim_internal.h"
#include "test.h"
#include "vectors.h"

#define FAMILY "corim-ear"
#define THEN   1700000000LL /* 2023: one of them is valid until 2025 */
#define NOW    1780000000LL

struct test_case {
    const char *id;
    const json_t *entry, *expected;
    char path[512];
    struct clo_buffer file;
    struct clo_public_key *key;
};

static void case_free(struct test_case *c)
{
    clo_buffer_free(&c->file);
    clo_public_key_free(c->key);
}

/* The first file, and the key next to it. */
static void case_read(const json_t *entry, struct test_case *c)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer jwk = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const json_t *first = json_array_get(json_object_get(entry, "files"), 0);
    struct clo_error err;
    char path[512];

    *c = (struct test_case){ .entry = entry,
                             .id = json_string_value(json_object_get(entry, "id")),
                             .expected = json_object_get(entry, "expected") };
    snprintf(c->path, sizeof c->path, FAMILY "/%s",
             json_string_value(json_object_get(first, "file")));
    read_vector(c->path, &c->file);
    if (!find_case_file(FAMILY, entry, "ec-p256.jwk", path, sizeof path) &&
        !find_case_file(FAMILY, entry, "key.jwk", path, sizeof path))
        return;
    read_vector(path, &jwk);
    if (!clo_json_parse(clo_buffer_bytes(&jwk), &json, &err) ||
        !clo_jwk_to_public_key(json, &c->key, &err))
        fail_msg("%s: %s", c->id, err.text);
}

static bool ends_in(const struct test_case *c, const char *end)
{
    size_t size = strlen(c->path);

    return size > strlen(end) && strcmp(c->path + size - strlen(end), end) == 0;
}

static struct clo_bytes trimmed(const struct test_case *c)
{
    struct clo_bytes bytes = clo_buffer_bytes(&c->file);

    while (bytes.size > 0 &&
           (bytes.data[bytes.size - 1] == '\n' || bytes.data[bytes.size - 1] == ' '))
        bytes.size--;
    return bytes;
}

/* --- CoRIM --- */

static void check_corim(const struct test_case *c)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const char *verdict = json_string_value(json_object_get(c->expected, "scheme_verdict"));
    struct clo_error err;
    bool is_bad = json_is_true(json_object_get(c->entry, "negative"));

    bool ok = clo_corim_read(clo_buffer_bytes(&c->file), c->key, THEN, &json, &err);
    if (ok == is_bad)
        fail_msg("%s: %s", c->id, ok ? "is taken" : err.text);
    CHECK(verdict == NULL || ok == (strcmp(verdict, "accept") == 0), c->id);
    if (!ok)
        return;
    CHECK(json_string_value(json_object_get(json, "id")) != NULL, c->id);
    CHECK(json_array_size(json_object_get(json, "reference_values")) > 0 ||
                  json_integer_value(json_object_get(json, "other_tags")) > 0,
          c->id);
    if (strcmp(c->id, "cocli-signed-corim") == 0) {
        json_t *late = NULL;
        CHECK(!clo_corim_read(clo_buffer_bytes(&c->file), c->key, NOW, &late, &err) &&
                      strstr(err.text, "no longer valid") != NULL,
              c->id);
    }
    /* None is of ours: what there is to do with it is said. */
    CHECK(!clo_corim_to_reference(json, &reference, &err) && err.status == CLO_ERR_UNSUPPORTED,
          c->id);
    if (strcmp(c->id, "svc-corim-sevsnp-valid") == 0)
        CHECK(strstr(err.text, "launch measurement") != NULL && strstr(err.text, ": 7699e6ac12cc"),
              err.text);
    /* Signed by nobody else. */
    if (c->key != NULL) {
        json_t *none = NULL;
        CHECK(!clo_corim_read(clo_buffer_bytes(&c->file), NULL, NOW, &none, &err), c->id);
        c->file.data[c->file.size - 1] ^= 1;
        CHECK(!clo_corim_read(clo_buffer_bytes(&c->file), c->key, NOW, &none, &err) &&
                      err.status == CLO_ERR_REFUSED,
              c->id);
    }
}

/* --- CoSERV --- */

static void check_coserv(const struct test_case *c)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    if (!clo_coserv_read(clo_buffer_bytes(&c->file), &json, &err))
        fail_msg("%s: %s", c->id, err.text);
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const char *expected = strstr(c->id, "discovery") != NULL ? "discovery"
                           : strstr(c->id, "results") != NULL ? "results"
                                                              : "query";
    CHECK(kind != NULL && strcmp(kind, expected) == 0, c->id);
    CHECK(strcmp(expected, "results") != 0 ||
                  json_array_size(json_object_get(json, "reference_values")) > 0,
          c->id);
}

/* --- EAR --- */

static const char *first_status(const json_t *json)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(json, "submods"), name, value)
        return json_string_value(json_object_get(value, "ear_status"));
    return NULL;
}

static void check_token(const struct test_case *c)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;
    bool good = json_is_true(json_object_get(c->expected, "signature_valid_with_jwk"));

    bool ok = clo_ear_read(trimmed(c), c->key, &json, &err);
    if (ok != good)
        fail_msg("%s: %s", c->id, ok ? "is taken" : err.text);
    if (ok)
        assert_string_equal(first_status(json), "affirming");
}

static void check_claims(const struct test_case *c)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cbor = { 0 };
    bool is_cbor = strstr(c->id, "cbor") != NULL;
    struct clo_error err;

    if (is_cbor)
        edn_read(clo_buffer_string((struct clo_buffer *)(uintptr_t)&c->file), &cbor);
    if (!clo_ear_claims_read(clo_buffer_bytes(is_cbor ? &cbor : &c->file), &json, &err))
        fail_msg("%s: %s", c->id, err.text);
    const char *status = first_status(json);
    const char *expected = strncmp(c->id, "arc-", 4) == 0                        ? "affirming"
                           : strcmp(c->id, "draft-ear-ext-veraison-cbor-1") == 0 ? "none"
                           : strcmp(c->id, "draft-ear-ext-veraison-json-2") == 0
                                   ? "affirming"
                                   : "contraindicated";
    if (strcmp(status, expected) != 0)
        fail_msg("%s: %s", c->id, status);
}

/* --- The rest --- */

/* A token of another kind is not an EAR, and is named. */
static void check_azure(const struct test_case *c)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    json_t *none = NULL;
    struct clo_error err;

    CHECK(clo_json_parse(clo_buffer_bytes(&c->file), &json, &err), c->id);
    CHECK(!clo_ear_claims_read(clo_buffer_bytes(&c->file), &none, &err), c->id);
    CHECK(err.status == CLO_ERR_UNSUPPORTED && strstr(err.text, "Azure") != NULL, err.text);
}

static void check_tsm(const struct test_case *c)
{
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    struct clo_snp_report report;
    struct clo_bytes bytes = { 0 };
    struct clo_error err;

    CHECK(item_load(clo_buffer_bytes(&c->file), &item, &err), err.text);
    CHECK(item_is_map(item) && item_count(item) == 3 && item_named(item, "auxblob") != NULL &&
                  item_is_text(item_named(item, "provider")),
          c->id);
    CHECK(item_bytes(item_named(item, "outblob"), &bytes), c->id);
    CHECK(clo_snp_parse(bytes, &report, &err), err.text);
}

/* Pieces of AMD's profile: those that are environments and values are read as such. */
static void check_piece(const struct test_case *c)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cbor = { 0 };
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *what = c->id + strlen("snp-profile-");
    struct clo_error err;
    bool ok;

    edn_read(clo_buffer_string((struct clo_buffer *)(uintptr_t)&c->file), &cbor);
    if (!item_load(clo_buffer_bytes(&cbor), &item, &err))
        fail_msg("%s: %s", c->id, err.text);
    if (strcmp(what, "environment") == 0)
        ok = item_is_map(item);
    else if (strcmp(what, "vcek-triple") == 0)
        ok = corim_environment(item_of(item, 0), &json, &err);
    else if (strcmp(what, "profile") == 0)
        ok = corim_profile(item_at(item, 3), &json, &err) &&
             strcmp(json_string_value(json), "tag:amd.com,2025:snp-corim-profile") == 0;
    else if (strcmp(what, "kernel-hashes") == 0 || strcmp(what, "ovmf-compact") == 0)
        ok = item_is_array(item_at(item, 2));
    else
        ok = corim_values(item, &json, &err);
    CHECK(ok, c->id);
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest(FAMILY);
    json_t *entry;
    size_t i;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(case_free) struct test_case c;
        case_read(entry, &c);
        if (strstr(c.id, "corim") != NULL)
            check_corim(&c);
        else if (strncmp(c.id, "coserv", 6) == 0)
            check_coserv(&c);
        else if (ends_in(&c, ".jwt"))
            check_token(&c);
        else if (strncmp(c.id, "snp-profile", 11) == 0)
            check_piece(&c);
        else if (strcmp(c.id, "azure-maa-token-sample") == 0)
            check_azure(&c);
        else if (strcmp(c.id, "svc-sevsnp-ratsd-token") == 0)
            check_tsm(&c);
        else
            check_claims(&c);
    }
    assert_int_equal(i, 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
