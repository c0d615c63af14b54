/* A trail that was touched shows: rows changed, removed, moved, cut off, signed by another key. */
#include <sqlite3.h>

#include "store_maker.h"

#define ROWS 150

static struct clo_public_key *key;

static void open_key(struct clo_store *store)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *private = NULL;
    struct clo_error err;

    if (!clo_store_audit_sign(store, &err) ||
        !clo_store_key(store, CLO_AUDIT_KEY, CLO_KEY_P256, &private, &err) ||
        !clo_private_key_public(private, &key, &err))
        fail_msg("%s", err.text);
}

static void add_rows(struct clo_store *store, int from, int count)
{
    struct clo_error err;

    for (int i = from; i < from + count; i++) {
        char detail[32];
        const struct clo_audit_vm vm = { .chip = "c0ffee",
                                         .image = "mine",
                                         .address = "192.0.2.1" };
        const struct clo_audit row = { .time = 1000 + i,
                                       .action = "release",
                                       .verdict = "released",
                                       .session = "s",
                                       .tee = "snp",
                                       .resource = i % 2 == 0 ? "default/disk/a" : NULL,
                                       .detail = detail,
                                       .vm = i % 3 == 0 ? &vm : NULL };
        snprintf(detail, sizeof detail, "row %d", i);
        if (!clo_store_audit(store, &row, &err))
            fail_msg("%s", err.text);
    }
}

static void tamper(const char *sql)
{
    char path[4300];
    sqlite3 *database;

    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static struct clo_store *fresh(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", scratch.path, name);
    struct clo_store *store = open_store();
    clo_public_key_free(key);
    open_key(store);
    add_rows(store, 0, ROWS);
    return store;
}

static void test_whole(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = fresh("whole");
    CLO_CLEANUP(clo_json_freep) json_t *rows = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *point = NULL;
    struct clo_audit_verdict verdict;
    struct clo_error err;

    (void)state;
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), err.text);
    CHECK(verdict.first == 1 && verdict.last == ROWS, "all rows");
    CHECK(verdict.checkpoints == 3 && verdict.covered == 129, "the first, and every 64");
    CHECK(clo_store_audit_checkpoint(store, 2000, &err), err.text);
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), err.text);
    CHECK(verdict.checkpoints == 4 && verdict.covered == ROWS, "and at the end");
    CHECK(clo_store_audit_last_checkpoint(store, &point, &err), err.text);
    CHECK(clo_store_audit_verify(store, key, point, &verdict, &err), err.text);
    CHECK(clo_store_audit_rows(store, 147, 10, NULL, &rows, &err), err.text);
    CHECK(json_array_size(rows) == 3, "the last three");
    CHECK(strcmp(json_string_value(json_object_get(json_object_get(json_array_get(rows, 0), "vm"),
                                                   "address")),
                 "192.0.2.1") == 0,
          "the VM is named");
}

/* A program that did not ask for the key signs all the same, and one that ends signs what it wrote. */
static void test_unasked(void **state)
{
    const struct clo_audit row = {
        .action = "put", .verdict = "weak", .session = "", .tee = "", .detail = ""
    };
    struct clo_audit_verdict verdict;
    struct clo_store *store;
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/unasked", scratch.path);
    store = open_store();
    add_rows(store, 0, 2);
    clo_store_freep(&store);
    store = open_store();
    CHECK(clo_store_audit_last(store, &row, &err), err.text);
    clo_public_key_free(key);
    open_key(store);
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), err.text);
    CHECK(verdict.checkpoints == 2 && verdict.covered == 3, "the first and the last");
    clo_store_freep(&store);
}

/* What one knows of the end of the trail holds until another one writes, and is forgotten with a decision that did not come
 * about. */
static void test_two_writers(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *first = fresh("two");
    CLO_CLEANUP(clo_store_freep) struct clo_store *second = open_store();
    struct clo_audit_verdict verdict;
    struct clo_error err;
    size_t dropped;

    (void)state;
    add_rows(second, ROWS, 3);
    add_rows(first, ROWS + 3, 1);
    CHECK(clo_store_begin(first, &err), err.text);
    add_rows(first, 1000, 2);
    CHECK(!clo_store_end(first, false, &err), "taken back");
    add_rows(first, ROWS + 4, 1);
    CHECK(clo_store_begin(first, &err), err.text);
    add_rows(first, ROWS + 5, 1);
    CHECK(clo_store_begin(first, &err), err.text);
    add_rows(first, 1000, 1);
    CHECK(!clo_store_end(first, false, &err), "a part is taken back");
    add_rows(first, ROWS + 6, 1);
    CHECK(clo_store_end(first, true, &err), err.text);
    CHECK(clo_store_audit_checkpoint(second, 2000, &err), err.text);
    CHECK(clo_store_audit_drop(second, 1010, 2000, &dropped, &err), err.text);
    add_rows(second, ROWS + 7, 1);
    add_rows(first, ROWS + 8, 70);
    CHECK(clo_store_audit_verify(second, key, NULL, &verdict, &err), err.text);
    CHECK(verdict.first == 11 && verdict.last == ROWS + 78, "one trail of both");
    CHECK(verdict.covered == ROWS + 71, "64 rows after what the other one signed");
}

static void test_tampered(void **state)
{
    static const struct {
        const char *name, *sql, *error;
    } cases[] = {
        { "changed", "UPDATE audit SET detail = 'nothing' WHERE id = 70", "row 70: was changed" },
        { "a-time", "UPDATE audit SET time = time + 1 WHERE id = 3", "row 3: was changed" },
        { "its-vm", "UPDATE audit SET vm = NULL WHERE id = 4", "row 4: was changed" },
        { "removed", "DELETE FROM audit WHERE id = 70", "row 70: is missing" },
        { "the-first-removed", "DELETE FROM audit WHERE id = 1", "row 1: is missing" },
        { "closed-up",
          "DELETE FROM audit WHERE id = 70; UPDATE audit SET id = id - 1 WHERE id > 70",
          "row 70: was changed" },
        { "moved",
          "UPDATE audit SET id = 1000 WHERE id = 9; UPDATE audit SET id = 9 WHERE id = 10;"
          "UPDATE audit SET id = 10 WHERE id = 1000",
          "row 9: was changed" },
        { "cut-off", "DELETE FROM audit WHERE id > 140", "row 141: is missing: the trail was cut" },
        { "cut-off-with-its-end",
          "DELETE FROM audit WHERE id > 100; UPDATE audit_head SET row = 100,"
          " chain = (SELECT chain FROM audit WHERE id = 100)",
          "row 101: is missing: a checkpoint covers more" },
        { "inserted",
          "UPDATE audit SET id = id + 1000 WHERE id > 70; UPDATE audit SET id = id - 999"
          " WHERE id > 1000; INSERT INTO audit SELECT 71, time, action, verdict, session, tee,"
          " resource, detail, vm, chain FROM audit WHERE id = 70",
          "row 71: was changed" },
        { "a-checkpoint", "UPDATE audit_checkpoints SET time = 1 WHERE row = 65",
          "row 65: its checkpoint is not signed by this key" },
        { "all-called-dropped",
          "DELETE FROM audit WHERE id <= 65; UPDATE audit_checkpoints SET dropped = 1"
          " WHERE row = 65",
          "row 65: its checkpoint is not signed by this key" },
        { "nothing-signed", "DELETE FROM audit_checkpoints",
          "row 1: and what follows is not signed" },
        { "its-end-not-signed", "DELETE FROM audit_checkpoints WHERE row > 65",
          "row 66: and what follows is not signed" },
        { "written-anew",
          "DELETE FROM audit WHERE id > 40; DELETE FROM audit_checkpoints;"
          "UPDATE audit_head SET row = 40, chain = (SELECT chain FROM audit WHERE id = 40)",
          "row 1: and what follows is not signed" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_store_freep) struct clo_store *store = fresh(cases[i].name);
        struct clo_audit_verdict verdict;
        struct clo_error err;
        tamper(cases[i].sql);
        CHECK(!clo_store_audit_verify(store, key, NULL, &verdict, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_REFUSED, err.text);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

/* Who has the key can write another trail: what was kept elsewhere tells. */
static void test_kept(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *point = NULL;
    struct clo_audit_verdict verdict;
    struct clo_error err;

    (void)state;
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = fresh("kept");
    CHECK(clo_store_audit_last_checkpoint(store, &point, &err), err.text);
    tamper("DELETE FROM audit WHERE id > 100; DELETE FROM audit_checkpoints WHERE row > 100;"
           "UPDATE audit_head SET row = 100, chain = (SELECT chain FROM audit WHERE id = 100)");
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), "nothing here shows it");
    CHECK(!clo_store_audit_verify(store, key, point, &verdict, &err), "what was kept does");
    CHECK(strstr(err.text, "row 101: is missing: the checkpoint that was kept") != NULL, err.text);
    add_rows(store, 500, 50);
    CHECK(!clo_store_audit_verify(store, key, point, &verdict, &err), "also with other rows");
    CHECK(strstr(err.text, "row 129: the trail up to here is not the one that was kept") != NULL,
          err.text);
}

/* All that is left is a checkpoint that says "dropped": it must be of the trail that was kept, too. */
static void test_kept_of_dropped(void **state)
{
    static const struct {
        const char *name;
        int kept, dropped; /* rows when the checkpoint is kept, and when all are dropped */
        const char *error; /* NULL: as it should be */
        const char *sql;
    } cases[] = {
        { "the-same", ROWS, ROWS, NULL, NULL },
        { "rewritten", ROWS, ROWS, "row 150: what was dropped up to here is not what was kept",
          "UPDATE audit SET chain = zeroblob(32) WHERE id = 150;"
          "UPDATE audit_head SET chain = zeroblob(32)" },
        { "more-dropped", ROWS, ROWS + 10, "the rows of the checkpoint that was kept were dropped",
          NULL },
        { "emptied", ROWS, ROWS, "row 1: is missing: the checkpoint that was kept covers more",
          "DELETE FROM audit; DELETE FROM audit_checkpoints; DELETE FROM audit_head" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_store_freep) struct clo_store *store = fresh(cases[i].name);
        CLO_CLEANUP(clo_json_freep) json_t *point = NULL;
        struct clo_audit_verdict verdict;
        struct clo_error err;
        size_t count;
        CHECK(clo_store_audit_checkpoint(store, 2000, &err), err.text);
        CHECK(clo_store_audit_last_checkpoint(store, &point, &err), err.text);
        add_rows(store, cases[i].kept, cases[i].dropped - cases[i].kept);
        if (cases[i].sql != NULL)
            tamper(cases[i].sql);
        CHECK(clo_store_audit_drop(store, 9000, 9000, &count, &err), err.text);
        bool ok = clo_store_audit_verify(store, key, point, &verdict, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void test_retention(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = fresh("retention");
    struct clo_audit_verdict verdict;
    struct clo_error err;
    size_t count;

    (void)state;
    CHECK(clo_store_audit_drop(store, 1000 + 50, 3000, &count, &err), err.text);
    CHECK(count == 50, "fifty rows are old");
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), err.text);
    CHECK(verdict.first == 51 && verdict.last == ROWS, "the others are there");
    add_rows(store, ROWS, 10);
    CHECK(clo_store_audit_verify(store, key, NULL, &verdict, &err), err.text);
    CHECK(clo_store_audit_drop(store, 1, 3000, &count, &err) && count == 0, "nothing is older");
    tamper("DELETE FROM audit WHERE id = 51");
    CHECK(!clo_store_audit_verify(store, key, NULL, &verdict, &err), "one more");
    CHECK(strstr(err.text, "row 51: is missing") != NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_tampered),  cmocka_unit_test(test_kept),
        cmocka_unit_test(test_unasked),   cmocka_unit_test(test_kept_of_dropped),
        cmocka_unit_test(test_retention),
    };
    int result = cmocka_run_group_tests(tests, make_scratch, free_scratch);

    clo_public_key_free(key);
    return result;
}
