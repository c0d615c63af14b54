/* Disks that are registered with a resource: their generation only rises, and no two share a key. */
#include "verifier/store/store.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store_maker.h"

#define PATH   "default/disk/a"
#define POLICY "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],\"roots\":[\"amd\"]}"
#define OTHER  "{\"cloister_policy\":1,\"name\":\"other\",\"tee\":[\"snp\"],\"roots\":[\"amd\"]}"

static struct clo_disk_identity disk(uint8_t filler, uint64_t generation)
{
    struct clo_disk_identity identity = { .uuid = "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11",
                                          .volume_key.hash = CLO_HASH_SHA256,
                                          .header.hash = CLO_HASH_SHA256,
                                          .generation = generation };

    memset(identity.volume_key.bytes, filler, 32);
    memset(identity.header.bytes, 7, 32);
    return identity;
}

static bool put(struct clo_store *store, const char *path, const char *secret, const char *policy,
                const struct clo_disk_identity *identity, bool may_repeat_secret,
                struct clo_error *err)
{
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(secret),
                                           .policy = clo_bytes_text(policy),
                                           .disk = identity,
                                           .may_repeat_secret = may_repeat_secret,
                                           .now = 1780000000 };

    return clo_store_put(store, &entry, err);
}

static uint64_t generation_of(struct clo_store *store, const char *path)
{
    struct clo_disk_identity found;
    struct clo_error err;
    bool has_disk;

    if (!clo_store_disk(store, path, &has_disk, &found, &err))
        fail_msg("%s", err.text);
    assert_true(has_disk);
    return found.generation;
}

static void raise_to(struct clo_store *store, uint64_t generation)
{
    struct clo_error err;

    if (!clo_store_raise_generation(store, PATH, generation, &err))
        fail_msg("%s", err.text);
}

static void test_generation(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    const struct clo_disk_identity mine = disk(1, 0), later = disk(1, 9), another = disk(2, 0);
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    struct clo_disk_identity found;
    struct clo_error err;
    bool has_disk;

    (void)state;
    assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    assert_true(clo_store_disk(store, PATH, &has_disk, &found, &err) && has_disk);
    assert_true(clo_disk_identity_compare(&mine, &found, &err));
    raise_to(store, 5);
    for (uint64_t late = 3; late <= 5; late += 2) { /* an old copy; a second one of the same */
        assert_false(clo_store_raise_generation(store, PATH, late, &err));
        assert_int_equal(err.status, CLO_ERR_REFUSED);
        assert_non_null(strstr(err.text, "is not new, 5 was seen: another copy of this disk"));
    }
    assert_int_equal(generation_of(store, PATH), 5);
    /* Other terms for the same disk: what was seen of it stays seen. */
    assert_true(put(store, PATH, "key", OTHER, &mine, false, &err));
    assert_int_equal(generation_of(store, PATH), 5);
    assert_true(put(store, PATH, "key", OTHER, &later, false, &err));
    assert_int_equal(generation_of(store, PATH), 9);
    assert_true(clo_store_list(store, &list, &err));
    const json_t *shown = json_object_get(json_array_get(list, 0), "disk");
    assert_int_equal(json_integer_value(json_object_get(shown, "generation")), 9);
    assert_string_equal(json_string_value(json_object_get(shown, "uuid")), mine.uuid);
    /* Another disk begins where it says. */
    assert_true(put(store, PATH, "key", POLICY, &another, false, &err));
    assert_int_equal(generation_of(store, PATH), 0);
    assert_false(clo_store_raise_generation(store, PATH, CLO_DISK_GENERATION_MAX + 1, &err));
    assert_string_equal(err.text, "generation 9007199254740992 is out of range");
    assert_false(clo_store_raise_generation(store, "default/disk/none", 1, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_false(clo_store_disk(store, "default/disk/none", &has_disk, &found, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    /* Without a disk there is nothing to raise. */
    assert_true(put(store, PATH, "key", POLICY, NULL, false, &err));
    assert_true(clo_store_disk(store, PATH, &has_disk, &found, &err));
    assert_false(has_disk);
    assert_false(clo_store_raise_generation(store, PATH, 1, &err));
    assert_string_equal(err.text, "resource \"default/disk/a\": no disk is registered with it");
}

/* What was seen of a disk outlives the resource, and its path; only the owner's word takes it back. */
static void test_generation_kept(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    const struct clo_disk_identity mine = disk(3, 0), another = disk(4, 0);
    struct clo_store_entry again = { .path = PATH,
                                     .secret = clo_bytes_text("key"),
                                     .policy = clo_bytes_text(POLICY),
                                     .disk = &mine,
                                     .forgets_generation = true,
                                     .now = 1780000000 };
    struct clo_error err;

    (void)state;
    assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    raise_to(store, 5);
    assert_true(clo_store_remove(store, PATH, &err));
    assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    CHECK(generation_of(store, PATH) == 5, "removed and put");
    assert_true(put(store, PATH, "key", POLICY, &another, false, &err));
    CHECK(generation_of(store, PATH) == 0, "another disk");
    assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    CHECK(generation_of(store, PATH) == 5, "another one meanwhile");
    assert_true(clo_store_remove(store, PATH, &err));
    assert_true(put(store, "default/disk/moved", "key", POLICY, &mine, false, &err));
    CHECK(generation_of(store, "default/disk/moved") == 5, "under another path");
    assert_true(clo_store_remove(store, "default/disk/moved", &err));
    if (!clo_store_put(store, &again, &err))
        fail_msg("%s", err.text);
    CHECK(generation_of(store, PATH) == 0, "the owner's word");
    raise_to(store, 7);
    assert_true(put(store, "default/disk/second", "key", POLICY, &mine, true, &err));
    CHECK(generation_of(store, "default/disk/second") == 7, "next to the first path");
    assert_true(clo_store_remove(store, "default/disk/second", &err));
    assert_true(put(store, PATH, "key", POLICY, NULL, false, &err));
}

static void test_one_key_for_two(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct clo_error err;

    (void)state;
    assert_true(put(store, PATH, "key", POLICY, NULL, false, &err));
    assert_true(put(store, PATH, "key", OTHER, NULL, false, &err)); /* the same path again */
    assert_false(put(store, "default/disk/b", "key", POLICY, NULL, false, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "the same secret is registered as \"default/disk/a\""));
    assert_true(put(store, "default/disk/b", "another key", POLICY, NULL, false, &err));
    assert_true(put(store, "default/disk/c", "key", POLICY, NULL, true, &err));
}

/* A folder of the first schema keeps what is in it. */
static void test_from_version_1(void **state)
{
    static const char old[] =
            "CREATE TABLE terms (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
            " policy TEXT NOT NULL, reference_values TEXT NOT NULL) STRICT;"
            "CREATE TABLE resources (path TEXT PRIMARY KEY, secret BLOB NOT NULL,"
            " terms INTEGER NOT NULL REFERENCES terms, created INTEGER NOT NULL) STRICT;"
            "CREATE TABLE audit (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, action TEXT NOT "
            "NULL,"
            " verdict TEXT NOT NULL, session TEXT NOT NULL, tee TEXT NOT NULL, resource TEXT,"
            " detail TEXT NOT NULL) STRICT;"
            "INSERT INTO terms VALUES (1, 'd', '" POLICY "', '[]');"
            "INSERT INTO resources VALUES ('" PATH "', x'6b6579', 1, 1780000000);"
            "PRAGMA user_version = 1;";
    const struct clo_disk_identity mine = disk(1, 0);
    struct clo_disk_identity found;
    struct clo_error err;
    sqlite3 *database;
    char path[4300];
    bool has_disk;

    (void)state;
    snprintf(folder, sizeof folder, "%s/old", scratch.path);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(sqlite3_exec(database, old, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    for (int i = 0; i < 2; i++) { /* and once more, when it is new already */
        CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
        CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource kept = { 0 };
        assert_true(clo_store_get(store, PATH, &kept, &err));
        assert_true(clo_bytes_equal(clo_secret_bytes(kept.secret), clo_bytes_text("key")));
        /* The strict rules, and nobody holds it. */
        assert_false(kept.is_shared || kept.any_releases || kept.lease_seconds != 0);
        CLO_CLEANUP(clo_json_freep) json_t *holders = NULL;
        assert_true(clo_store_holders(store, PATH, &holders, &err));
        assert_int_equal(json_array_size(holders), 0);
        assert_true(clo_store_disk(store, PATH, &has_disk, &found, &err));
        assert_true(has_disk == (i > 0));
        assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    }
}

/* Terms that this program refuses now are the broker's trouble; a guest is told nothing of them. */
static void test_terms_of_before(void **state)
{
    const struct clo_disk_identity mine = disk(1, 0);
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    struct clo_error err;
    sqlite3 *database;
    char path[4300];

    (void)state;
    snprintf(folder, sizeof folder, "%s/terms", scratch.path);
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    assert_true(put(store, PATH, "key", POLICY, &mine, false, &err));
    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(sqlite3_exec(database, "UPDATE terms SET policy = '{}'", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
    assert_int_equal(clo_store_next_terms(store, 0, &terms, &err), CLO_NEXT_FAILED);
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
    CHECK(strstr(err.text, "terms 1: ") != NULL, err.text);
}

/* Room for a page is not yet room for a decision. */
static void test_no_room(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct rlimit before;
    struct clo_error err;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(clo_store_check_writable(store, &err), err.text);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = { 49152, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = clo_store_check_writable(store, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(!ok, "48 KiB are too few");
    CHECK(strstr(err.text, "no room for decisions") != NULL, err.text);
    CHECK(clo_store_check_writable(store, &err), err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation),      cmocka_unit_test(test_generation_kept),
        cmocka_unit_test(test_one_key_for_two), cmocka_unit_test(test_from_version_1),
        cmocka_unit_test(test_terms_of_before), cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
