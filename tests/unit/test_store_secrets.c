/* Secrets under a master key, and what becomes of rows that are exchanged. */
#include <sqlite3.h>
#include <sys/stat.h>

#include "cloister/crypto.h"
#include "device/random.h"
#include "lib/crypto/aead.h"

#include "store_maker.h"

#define POLICY                                                                                 \
    "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"snp\":{" \
    "\"measurement\":\"any\"}"                                                                 \
    "}"

static struct clo_secret *key_of(uint8_t byte)
{
    uint8_t bytes[CLO_MASTER_KEY_SIZE];
    struct clo_secret *key;
    struct clo_error err;

    memset(bytes, byte, sizeof bytes);
    assert_true(clo_secret_copy(clo_bytes(bytes, sizeof bytes), &key, &err));
    return key;
}

static bool put(struct clo_store *store, const char *path, const char *secret,
                struct clo_error *err)
{
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(secret),
                                           .policy = clo_bytes_text(POLICY),
                                           .now = 1000 };

    return clo_store_put(store, &entry, err);
}

static void check_secret(struct clo_store *store, const char *path, const char *secret)
{
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource got = { 0 };
    struct clo_error err;

    CHECK(clo_store_get(store, path, &got, &err), err.text);
    CHECK(clo_bytes_equal(clo_secret_bytes(got.secret), clo_bytes_text(secret)), secret);
}

static void check_none(struct clo_store *store, const char *path, const char *error)
{
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource got = { 0 };
    struct clo_error err;

    CHECK(!clo_store_get(store, path, &got, &err), path);
    CHECK(strstr(err.text, error) != NULL, err.text);
}

static void run_sql(const char *sql)
{
    char path[4300];
    sqlite3 *database;

    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

/* Is it in any file of the store? */
static bool lies_in_files(const char *text)
{
    static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm" };
    bool found = false;

    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        char path[4300];
        struct clo_error ignored;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        found = found || (clo_file_read(path, CLO_FILE_LIMIT, &bytes, &ignored) &&
                          memmem(bytes.data, bytes.size, text, strlen(text)) != NULL);
    }
    return found;
}

static void test_migrated(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *first = key_of(1);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *second = key_of(2);
    struct clo_store *store;
    struct clo_error err;
    bool is_sealed;
    size_t count;

    (void)state;
    snprintf(folder, sizeof folder, "%s/migrated", scratch.path);
    store = open_store();
    CHECK(put(store, "default/disk/a", "the secret of a", &err), err.text);
    CHECK(put(store, "default/disk/b", "the secret of b", &err), err.text);
    CHECK(lies_in_files("the secret of a"), "in the clear");
    CHECK(!clo_store_unlock(store, first, &err), "secrets lie in the clear");
    CHECK(strstr(err.text, "2 secrets lie in the clear") != NULL, err.text);
    CHECK(clo_store_seal(store, first, NULL, &count, &err) && count == 2, err.text);
    CHECK(!lies_in_files("the secret of a"), "nowhere any more");
    check_secret(store, "default/disk/a", "the secret of a");
    CHECK(!put(store, "default/disk/c", "the secret of b", &err), "the same secret is known");
    clo_store_freep(&store);

    store = open_store();
    check_none(store, "default/disk/a", "is sealed under a master key, which was not given");
    CHECK(!put(store, "default/disk/c", "another", &err), "nothing in the clear");
    CHECK(strstr(err.text, "is sealed under a master key: --master-key") != NULL, err.text);
    CHECK(!clo_store_unlock(store, second, &err), "another key");
    CHECK(strstr(err.text, "is sealed under another master key") != NULL, err.text);
    CHECK(!clo_store_seal(store, second, NULL, &count, &err), "not without the present one");
    CHECK(clo_store_unlock(store, first, &err), err.text);
    CHECK(clo_store_seal(store, second, NULL, &count, &err) && count == 2, err.text);
    check_secret(store, "default/disk/b", "the secret of b");
    clo_store_freep(&store);

    store = open_store();
    CHECK(!clo_store_unlock(store, first, &err), "the one of before");
    CHECK(clo_store_unlock(store, second, &err), err.text);
    check_secret(store, "default/disk/b", "the secret of b");
    CHECK(clo_store_is_sealed(store, &is_sealed, &count, &err) && is_sealed && count == 0, "all");
    clo_store_freep(&store);
}

/* One who reads keeps the log of before: that is not called done. */
static void test_read_meanwhile(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *first = key_of(7);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *second = key_of(8);
    char path[4300];
    sqlite3 *reader;
    struct clo_error err;
    size_t count;

    (void)state;
    snprintf(folder, sizeof folder, "%s/read-meanwhile", scratch.path);
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CHECK(put(store, "default/disk/a", "read by another", &err), err.text);
    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &reader), SQLITE_OK);
    assert_int_equal(
            sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM resources", NULL, NULL, NULL),
            SQLITE_OK);
    CHECK(!clo_store_seal(store, first, NULL, &count, &err), "the text is there still");
    CHECK(strstr(err.text, "those of before are still in store.db or its log") != NULL, err.text);
    CHECK(lies_in_files("read by another"), "as was said");
    sqlite3_close(reader);
    CHECK(clo_store_seal(store, second, NULL, &count, &err), err.text);
    CHECK(!lies_in_files("read by another"), "nowhere any more");
}

/* Whoever can write the database cannot move a secret to another path, bring an old one back, or put one of his own. */
static void test_exchanged(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = key_of(3);
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/exchanged", scratch.path);
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CHECK(clo_store_unlock(store, key, &err), err.text);
    CHECK(put(store, "default/disk/a", "first of a", &err), err.text);
    CHECK(put(store, "default/disk/b", "of b", &err), err.text);
    run_sql("CREATE TABLE kept AS SELECT secret FROM resources WHERE path = 'default/disk/a'");
    CHECK(put(store, "default/disk/a", "second of a", &err), err.text);
    check_secret(store, "default/disk/a", "second of a");
    run_sql("UPDATE resources SET secret = (SELECT secret FROM kept) WHERE path = "
            "'default/disk/a'");
    check_none(store, "default/disk/a", "not sealed by this key for this place");
    run_sql("UPDATE resources SET (secret, version) = (SELECT secret, version FROM resources"
            " WHERE path = 'default/disk/b') WHERE path = 'default/disk/a'");
    check_none(store, "default/disk/a", "not sealed by this key for this place");
    run_sql("UPDATE resources SET secret = x'00', sealed = 0 WHERE path = 'default/disk/a'");
    check_none(store, "default/disk/a", "lies in the clear in a store that is sealed");
}

#define OTHER_POLICY                                               \
    "{\"cloister_policy\":1,\"name\":\"other\",\"tee\":[\"snp\"]," \
    "\"roots\":[\"amd\"],\"snp\":{}}"

/* Nor give it other terms: a secret opens under those that it was put under. */
static void test_other_terms(void **state)
{
    static const struct {
        const char *name, *change, *undo;
    } cases[] = {
        { "terms",
          "UPDATE resources SET terms = (SELECT terms FROM resources WHERE path = "
          "'default/disk/b') WHERE path = 'default/disk/a'",
          "UPDATE resources SET terms = (SELECT min(id) FROM terms) WHERE path = "
          "'default/disk/a'" },
        { "shared", "UPDATE resources SET shared = 1 WHERE path = 'default/disk/a'",
          "UPDATE resources SET shared = 0 WHERE path = 'default/disk/a'" },
        { "releases", "UPDATE resources SET releases = 'any' WHERE path = 'default/disk/a'",
          "UPDATE resources SET releases = 'once-per-boot' WHERE path = 'default/disk/a'" },
    };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = key_of(4);
    const struct clo_store_entry other = { .policy = clo_bytes_text(OTHER_POLICY),
                                           .path = "default/disk/b" };
    const struct clo_store_entry moved = { .policy = clo_bytes_text(OTHER_POLICY),
                                           .path = "default/disk/a" };
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    struct clo_store *store;
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/other-terms", scratch.path);
    store = open_store();
    CHECK(clo_store_unlock(store, key, &err), err.text);
    CHECK(put(store, "default/disk/a", "of a", &err), err.text);
    CHECK(put(store, "default/disk/b", "of b", &err), err.text);
    CHECK(put(store, "default/disk/c", "of c", &err), err.text); /* keeps the terms of a */
    CHECK(clo_store_set_terms(store, &other, &err), err.text);
    check_secret(store, "default/disk/b", "of b");
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        run_sql(cases[i].change);
        check_none(store, "default/disk/a", "not sealed by this key for this place");
        run_sql(cases[i].undo);
        check_secret(store, "default/disk/a", "of a");
    }
    run_sql("UPDATE terms SET policy = (SELECT policy FROM terms ORDER BY id DESC LIMIT 1)");
    CHECK(clo_store_next_terms(store, 0, &terms, &err) == CLO_NEXT_FAILED, "another text");
    CHECK(strstr(err.text, "are not those of their digest") != NULL, err.text);
    clo_store_freep(&store);
    store = open_store();
    CHECK(!clo_store_set_terms(store, &moved, &err), "without the master key");
    CHECK(strstr(err.text, "is sealed under a master key: --master-key") != NULL, err.text);
    clo_store_freep(&store);
}

static void hmac_hex(const struct clo_secret *key, const char *label, struct clo_digest *out,
                     char hex[2 * CLO_HASH_SIZE_MAX + 1])
{
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(key), clo_bytes_text(label), out);
    clo_hex_text(clo_digest_bytes(out), hex);
}

/* As an older release left it: sealed for path and version alone. */
static void make_old(const struct clo_secret *key, const char *path, const char *secret)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *seal = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    char hex[2 * CLO_HASH_SIZE_MAX + 1], blob[512], sql[1024];
    struct clo_digest digest;
    struct clo_error err;

    hmac_hex(key, "cloister master: secrets 1", &digest, hex);
    assert_true(clo_secret_copy(clo_digest_bytes(&digest), &seal, &err));
    clo_buffer_text(&context, "cloister secret 1");
    clo_buffer_be64(&context, 1);
    clo_buffer_text(&context, path);
    assert_true(clo_aead_seal(seal, clo_buffer_bytes(&context), clo_bytes_text(secret),
                              &clo_random_system, &sealed, &err));
    clo_hex_text(clo_buffer_bytes(&sealed), blob);
    snprintf(sql, sizeof sql, "UPDATE resources SET version = 1, secret = x'%s' WHERE path = '%s'",
             blob, path);
    run_sql(sql);
    hmac_hex(key, "cloister master: proof 1", &digest, hex);
    snprintf(sql, sizeof sql, "UPDATE masters SET proof = x'%s'", hex);
    run_sql(sql);
}

/* What an older release sealed is sealed anew when the store is unlocked, and its form opens no more. */
static void test_older_form(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = key_of(5);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *wrong = key_of(6);
    struct clo_store *store;
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/older-form", scratch.path);
    store = open_store();
    CHECK(clo_store_unlock(store, key, &err), err.text);
    CHECK(put(store, "default/disk/a", "of a", &err), err.text);
    clo_store_freep(&store);
    make_old(key, "default/disk/a", "of a, long ago");
    run_sql("CREATE TABLE kept AS SELECT secret FROM resources");
    store = open_store();
    CHECK(!clo_store_unlock(store, wrong, &err), "another key");
    CHECK(clo_store_unlock(store, key, &err), err.text);
    check_secret(store, "default/disk/a", "of a, long ago");
    clo_store_freep(&store);
    store = open_store();
    CHECK(clo_store_unlock(store, key, &err), err.text);
    check_secret(store, "default/disk/a", "of a, long ago");
    run_sql("UPDATE resources SET secret = (SELECT secret FROM kept)");
    check_none(store, "default/disk/a", "not sealed by this key for this place");
    clo_store_freep(&store);
}

static void test_modes(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
        const char *error; /* NULL: as it should be */
    } cases[] = {
        { "store.db", 0644, "store.db: others can read it: chmod 600" },
        { "audit.key", 0640, "audit.key: others can read it: chmod 600" },
        { "audit.pem", 0666, "audit.pem: others can write it: chmod 600" },
        { "audit.pem", 0644, NULL },
    };
    struct clo_store *store;
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/modes", scratch.path);
    store = open_store();
    CHECK(clo_store_audit_sign(store, &err), err.text);
    clo_store_freep(&store);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        char path[4300];
        snprintf(path, sizeof path, "%s/%s", folder, cases[i].name);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        bool ok = clo_store_open(folder, &store, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        if (ok)
            clo_store_freep(&store);
        assert_int_equal(chmod(path, 0600), 0);
    }
    CHECK(!clo_store_open_existing("/nonexistent/typo", &store, &err), "a typo");
    CHECK(strstr(err.text, "no broker keeps its state there") != NULL, err.text);
}

static void test_terms_and_revocation(void **state)
{
    const struct clo_store_entry entry = {
        .path = "default/disk/a",
        .policy = clo_bytes_text("{\"cloister_policy\":1,\"name\":\"other\","
                                 "\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"snp\":{}}")
    };
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource before = { 0 };
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource after = { 0 };
    struct clo_store_entry none = entry;
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/terms", scratch.path);
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CHECK(put(store, "default/disk/a", "secret", &err), err.text);
    CHECK(clo_store_get(store, "default/disk/a", &before, &err), err.text);
    CHECK(clo_store_set_terms(store, &entry, &err), err.text);
    CHECK(clo_store_revoke(store, "default/disk/a", true, 5, &err), err.text);
    CHECK(clo_store_get(store, "default/disk/a", &after, &err), err.text);
    CHECK(strcmp(before.terms, after.terms) != 0, "other terms");
    CHECK(clo_bytes_equal(clo_secret_bytes(before.secret), clo_secret_bytes(after.secret)),
          "the same secret");
    CHECK(!before.is_revoked && after.is_revoked, "revoked");
    none.path = "default/disk/none";
    CHECK(!clo_store_set_terms(store, &none, &err), "of nothing");
    CHECK(!clo_store_revoke(store, "default/disk/none", true, 5, &err), "nothing");
    CHECK(strcmp(err.text, "resource \"default/disk/none\": there is none") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_migrated),
        cmocka_unit_test(test_read_meanwhile),
        cmocka_unit_test(test_exchanged),
        cmocka_unit_test(test_other_terms),
        cmocka_unit_test(test_older_form),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_terms_and_revocation),
    };

    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
