#include "verifier/store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_maker.h"

#define ZEROS  "0000000000000000000000000000000000000000000000000000000000000000"
#define POLICY "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],\"roots\":[\"amd\"]}"
#define REFERENCE                                                                          \
    "{\"cloister_reference\":1,\"name\":\"demo\",\"origin\":\"prediction\",\"events\":{}," \
    "\"pcrs\":{\"sha256\":{"                                                               \
    "\"12\":\"" ZEROS "\"}}}"

static bool put(struct clo_store *store, const char *path, const char *secret, const char *policy,
                const char *reference, struct clo_error *err)
{
    const struct clo_bytes references[] = { clo_bytes_text(reference == NULL ? "" : reference) };
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(secret),
                                           .policy = clo_bytes_text(policy),
                                           .references = references,
                                           .reference_count = reference == NULL ? 0 : 1,
                                           .now = 1780000000 };

    return clo_store_put(store, &entry, err);
}

static void test_put_and_get(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource a = { 0 };
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource b = { 0 };
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    CLO_CLEANUP(clo_terms_free) struct clo_terms none = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    struct clo_error err;

    (void)state;
    assert_int_equal(clo_store_next_terms(store, 0, &none, &err), CLO_NEXT_END);
    if (!put(store, "default/disk/a", "secret of a", POLICY, REFERENCE, &err) ||
        !put(store, "default/disk/b", "secret of b", POLICY, REFERENCE, &err) ||
        !put(store, "default/disk/a", "new secret of a", POLICY, REFERENCE, &err))
        fail_msg("%s", err.text);
    assert_true(clo_store_get(store, "default/disk/a", &a, &err));
    assert_true(clo_bytes_equal(clo_secret_bytes(a.secret), clo_bytes_text("new secret of a")));
    assert_false(a.is_shared || a.any_releases || a.lease_seconds != 0);
    assert_int_equal(a.second_holder, CLO_SECOND_HOLDER_DEFAULT);
    assert_true(clo_store_get(store, "default/disk/b", &b, &err));
    assert_string_equal(a.terms, b.terms); /* the same policy and references are the same terms */
    assert_true(clo_store_next_terms(store, 0, &terms, &err) == CLO_NEXT_ITEM);
    assert_string_equal(terms.digest, a.terms);
    assert_string_equal(clo_policy_name(terms.policy), "mine");
    assert_int_equal(terms.reference_count, 1);
    assert_string_equal(clo_reference_name(terms.references[0]), "demo");
    assert_int_equal(clo_store_next_terms(store, terms.id, &none, &err), CLO_NEXT_END);
    assert_true(clo_store_list(store, &list, &err));
    assert_int_equal(json_array_size(list), 2);
    char *text = json_dumps(list, 0);
    assert_null(strstr(text, "secret of"));
    assert_non_null(strstr(text, "default/disk/b"));
    free(text);
}

static void test_remove(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource gone = { 0 };
    CLO_CLEANUP(clo_terms_free) struct clo_terms none = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_store_remove(store, "default/disk/a", &err));
    assert_false(clo_store_remove(store, "default/disk/a", &err));
    assert_string_equal(err.text, "resource \"default/disk/a\": there is none");
    assert_false(clo_store_get(store, "default/disk/a", &gone, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_true(clo_store_remove(store, "default/disk/b", &err));
    assert_int_equal(clo_store_next_terms(store, 0, &none, &err),
                     CLO_NEXT_END); /* with its last resource */
}

static size_t count_terms(struct clo_store *store)
{
    CLO_CLEANUP(clo_freep) struct clo_store_terms_row *rows = NULL;
    struct clo_error err;
    uint64_t version;
    size_t count;

    assert_true(clo_store_terms_rows(store, &version, &rows, &count, &err));
    return count;
}

/* Nothing is appraised by terms on which nothing is released. */
static void test_terms_go(void **state)
{
    static const char other[] = "{\"cloister_policy\":1,\"name\":\"other\",\"tee\":[\"snp\"],"
                                "\"roots\":[\"amd\"]}";
    const struct clo_store_entry moved = { .path = "terms/go/b", .policy = clo_bytes_text(other) };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct clo_error err;

    (void)state;
    assert_true(put(store, "terms/go/a", "of a", POLICY, REFERENCE, &err));
    assert_true(put(store, "terms/go/b", "of b", POLICY, REFERENCE, &err));
    assert_int_equal(count_terms(store), 1);
    assert_true(put(store, "terms/go/a", "of a", other, REFERENCE, &err));
    assert_int_equal(count_terms(store), 2);
    assert_true(clo_store_set_terms(store, &moved, &err)); /* without references */
    assert_int_equal(count_terms(store), 2);
    assert_true(clo_store_remove(store, "terms/go/b", &err));
    assert_int_equal(count_terms(store), 1);
    assert_true(put(store, "terms/go/a", "of a", POLICY, REFERENCE, &err));
    assert_int_equal(count_terms(store), 1);
    assert_true(clo_store_remove(store, "terms/go/a", &err));
    assert_int_equal(count_terms(store), 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *path, *secret, *policy, *reference, *error;
    } cases[] = {
        { "two parts", "default/disk", "x", POLICY, REFERENCE,
          "resource \"default/disk\": expected" },
        { "four parts", "a/b/c/d", "x", POLICY, REFERENCE, "resource \"a/b/c/d\": expected" },
        { "an empty part", "a//c", "x", POLICY, REFERENCE, "resource \"a//c\": expected" },
        { "up the tree", "a/../c", "x", POLICY, REFERENCE, "resource \"a/../c\": expected" },
        { "a quote", "a/b/c'", "x", POLICY, REFERENCE, "resource \"a/b/c'\": expected" },
        { "no secret", "a/b/c", "", POLICY, REFERENCE, "secret: 0 bytes" },
        { "no policy", "a/b/c", "x", "{}", REFERENCE, "policy" },
        { "no reference", "a/b/c", "x", POLICY, "{}", "reference 0" },
        { "two references in one", "a/b/c", "x", POLICY, REFERENCE "," REFERENCE, "JSON" },
        { "a reference that closes the list", "a/b/c", "x", POLICY, REFERENCE "],[", "JSON" },
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
        struct clo_error err = { 0 };
        bool ok = put(store, cases[i].path, cases[i].secret, cases[i].policy, cases[i].reference,
                      &err);
        CHECK(!ok, cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
        assert_true(clo_store_list(store, &list, &err));
        CHECK(json_array_size(list) == 0, cases[i].name); /* nothing half-stored */
    }
}

static void test_folder(void **state)
{
    struct clo_store *store = NULL;
    struct clo_error err;
    struct stat status;
    char path[4300];

    (void)state;
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(chmod(folder, 0750), 0);
    assert_false(clo_store_open(folder, &store, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "must be yours alone"));
    assert_int_equal(chmod(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/file", scratch.path);
    assert_true(clo_file_write(path, clo_bytes_text("x"), 0600, &err));
    assert_false(clo_store_open(path, &store, &err));
    snprintf(path, sizeof path, "%s/odd", scratch.path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/odd/store.db", scratch.path);
    assert_true(clo_file_write(path, clo_bytes_text("this is not a database at all, is it?"), 0600,
                               &err));
    snprintf(path, sizeof path, "%s/odd", scratch.path);
    assert_false(clo_store_open(path, &store, &err));
    assert_non_null(strstr(err.text, "database"));
    assert_null(store);
}

static void test_keys(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *first = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *second = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *again = NULL;
    struct clo_error err;
    struct stat status;
    char path[4300];

    (void)state;
    if (!clo_store_key(store, "tls", CLO_KEY_P256, &first, &err) ||
        !clo_store_key(store, "tls", CLO_KEY_P256, &second, &err))
        fail_msg("%s", err.text);
    assert_true(clo_private_key_pem(first, &pem, &err));
    assert_true(clo_private_key_pem(second, &again, &err));
    assert_true(clo_bytes_equal(clo_secret_bytes(pem), clo_secret_bytes(again)));
    snprintf(path, sizeof path, "%s/tls.key", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_false(clo_store_key(store, "tls", CLO_KEY_P384, &other, &err));
    assert_non_null(strstr(err.text, "a key of another kind"));
    /* A broken key is not replaced by a new one that no image knows. */
    assert_true(clo_file_write(path, clo_bytes_text("broken"), 0600, &err));
    assert_false(clo_store_key(store, "tls", CLO_KEY_P256, &other, &err));
    assert_null(other);
}

/* A writer that is killed at any moment: what it had acknowledged is there. */
static void test_killed(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        int acknowledged[2];
        unsigned last = 0, seen;
        assert_int_equal(pipe(acknowledged), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct clo_store *store = NULL;
            struct clo_error err;
            if (!clo_store_open(folder, &store, &err))
                _exit(1);
            for (unsigned i = 1;; i++) {
                char path[64];
                snprintf(path, sizeof path, "killed/%u/n%u", round, i);
                if (!put(store, path, path, POLICY, REFERENCE, &err) ||
                    write(acknowledged[1], &i, sizeof i) != sizeof i)
                    _exit(1);
            }
        }
        close(acknowledged[1]);
        while (last < 3 + round && read(acknowledged[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        usleep(500 * round);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(acknowledged[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        close(acknowledged[0]);
        assert_true(last >= 3 + round);
        CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
        for (unsigned i = 1; i <= last; i++) {
            CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource kept = { 0 };
            struct clo_error err;
            char path[64];
            snprintf(path, sizeof path, "killed/%u/n%u", round, i);
            CHECK(clo_store_get(store, path, &kept, &err), err.text);
        }
    }
}

static bool fill_ones(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 1, size);
    return true;
}

/* A key that no other one counts as fresh: the store makes a new one with each call. */
static int64_t new_key(struct clo_store *store, int64_t now)
{
    struct clo_session_key keys[CLO_SESSION_KEYS];
    struct clo_error err;
    size_t count;

    if (!clo_store_session_keys(store, (struct clo_random){ .fill = fill_ones }, now, 1, keys,
                                &count, &err))
        fail_msg("%s", err.text);
    return keys[0].id;
}

/* A broker that keeps keys longer than another of the same store: with a key go the nonces that were used. */
static void test_nonce_of_dropped_key(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct clo_bytes name = clo_bytes_text("fedcba9876543210");
    struct clo_error err;
    int64_t key = new_key(store, 5000);

    (void)state;
    assert_true(clo_store_begin(store, &err));
    assert_true(clo_store_use_nonce(store, name, key, NULL, &err));
    assert_true(clo_store_end(store, true, &err));
    for (int64_t now = 6000; now <= 8000; now += 1000)
        new_key(store, now);
    /* The first of these drops the row of before, which nothing tells from none. */
    for (int i = 0; i < 2; i++) {
        assert_true(clo_store_begin(store, &err));
        assert_true(clo_store_use_nonce(store, clo_bytes((const uint8_t[]){ 7, (uint8_t)i }, 2),
                                        new_key(store, 8000), NULL, &err));
        assert_true(clo_store_end(store, true, &err));
    }
    assert_true(clo_store_begin(store, &err));
    CHECK(!clo_store_use_nonce(store, name, key, NULL, &err), "once more");
    CHECK(err.status == CLO_ERR_UNVERIFIED, err.text);
    assert_string_equal(err.text, "nonce: its key is gone from the store");
    assert_false(clo_store_end(store, false, &err));
}

/* Whoever uses the store, a nonce is used once; a decision that did not come about has not used it. */
static void test_nonce_twice(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *first = open_store();
    CLO_CLEANUP(clo_store_freep) struct clo_store *second = open_store();
    struct clo_bytes name = clo_bytes_text("0123456789abcdef");
    struct clo_error err;
    int64_t key = new_key(first, 1000);

    (void)state;
    assert_true(clo_store_begin(first, &err));
    assert_true(clo_store_use_nonce(first, name, key, NULL, &err));
    assert_false(clo_store_end(first, false, &err));
    assert_true(clo_store_begin(second, &err));
    assert_true(clo_store_use_nonce(second, name, key, NULL, &err));
    assert_true(clo_store_end(second, true, &err));
    assert_true(clo_store_begin(first, &err));
    assert_false(clo_store_use_nonce(first, name, key, NULL, &err));
    assert_string_equal(err.text, "nonce: used before; each is good once");
    assert_false(clo_store_end(first, false, &err));
}

static void change_database(const char *sql)
{
    char path[4300];
    sqlite3 *database;

    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

/* What was used and shown before the table had its form of now. */
static void test_nonce_of_version_10(void **state)
{
    static const char back[] =
            "CREATE TABLE old (name BLOB PRIMARY KEY, key INTEGER NOT NULL, result TEXT)"
            " STRICT, WITHOUT ROWID;"
            "INSERT INTO old SELECT name, key, result FROM sessions; DROP TABLE sessions;"
            "ALTER TABLE old RENAME TO sessions; CREATE INDEX sessions_of_key ON sessions (key);"
            "DROP TRIGGER resource_gone; DROP TRIGGER resource_changed;"
            "DROP INDEX resources_of_disk; ALTER TABLE resources DROP COLUMN volume_key;"
            "ALTER TABLE versions DROP COLUMN digest; PRAGMA user_version = 10;";
    struct clo_store *store = open_store();
    struct clo_bytes name = clo_bytes_text("of version ten!!");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer shown = { 0 };
    struct clo_error err;
    int64_t key = new_key(store, 9000);
    bool is_used;

    (void)state;
    assert_true(clo_store_begin(store, &err));
    assert_true(clo_store_use_nonce(store, name, key, "what it has shown", &err));
    assert_true(clo_store_end(store, true, &err));
    clo_store_free(store);
    change_database(back);
    store = open_store();
    assert_true(clo_store_begin(store, &err));
    assert_false(clo_store_use_nonce(store, name, key, NULL, &err));
    assert_string_equal(err.text, "nonce: used before; each is good once");
    assert_false(clo_store_end(store, false, &err));
    assert_true(clo_store_session(store, name, &is_used, &shown, &err));
    assert_true(is_used);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&shown), clo_bytes_text("what it has shown")));
    clo_store_free(store);
}

/* A transaction within another is a part of it. */
static void test_parts(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource kept = { 0 };
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource none = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_store_begin(store, &err));
    assert_true(put(store, "default/part/taken-back", "v", POLICY, NULL, &err));
    assert_false(clo_store_end(store, false, &err));
    CHECK(!clo_store_get(store, "default/part/taken-back", &none, &err), "went with the whole");
    assert_true(clo_store_begin(store, &err));
    CHECK(!clo_store_remove(store, "default/part/none", &err), "a part that is refused");
    assert_true(put(store, "default/part/kept", "v", POLICY, NULL, &err));
    CHECK(clo_store_end(store, true, &err), err.text);
    CHECK(clo_store_get(store, "default/part/kept", &kept, &err), err.text);
    assert_true(clo_store_remove(store, "default/part/kept", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_terms_go),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_nonce_twice),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_nonce_of_dropped_key),
        cmocka_unit_test(test_nonce_of_version_10),
        cmocka_unit_test(test_killed),
    };

    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
