/* The tables of the store, and how a store of an older release gets them: each step leads from one version to the next,
 * and a new store takes them all. What a step says never changes. */
#include <stdio.h>

#include "verifier/store/store_internal.h"

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE terms (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
    " policy TEXT NOT NULL, reference_values TEXT NOT NULL) STRICT;"
    "CREATE TABLE resources (path TEXT PRIMARY KEY, secret BLOB NOT NULL,"
    " terms INTEGER NOT NULL REFERENCES terms, created INTEGER NOT NULL) STRICT;"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, action TEXT NOT NULL,"
    " verdict TEXT NOT NULL, session TEXT NOT NULL, tee TEXT NOT NULL, resource TEXT,"
    " detail TEXT NOT NULL) STRICT;",
    /* 2: disks, holders and boots. Whether a guest must name the resource (what there was before is one machine's: a
     * guest that does not name it gets it no more), whether it gets it more than once in a boot, what becomes of a second
     * holder, and how long (seconds; 0: until it is given up) the first one holds. */
    "ALTER TABLE resources ADD COLUMN disk TEXT;"
    "ALTER TABLE resources ADD COLUMN generation INTEGER;"
    "ALTER TABLE resources ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE resources ADD COLUMN releases TEXT NOT NULL DEFAULT 'once-per-boot';"
    "ALTER TABLE resources ADD COLUMN second_holder TEXT;"
    "ALTER TABLE resources ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE releases (id INTEGER PRIMARY KEY, path TEXT NOT NULL, time INTEGER NOT NULL,"
    " session TEXT NOT NULL, tee TEXT NOT NULL, instance TEXT NOT NULL, boot TEXT NOT NULL,"
    " resets INTEGER, restarts INTEGER, tee_key TEXT NOT NULL) STRICT;"
    "CREATE INDEX releases_of_path ON releases (path, boot);"
    "CREATE INDEX releases_of_boot ON releases (boot);",
    /* 3: a lease that was given up (the machine holds it no more, and its boot got it all the same), and the last
     * generation of each disk that was ever registered, by its volume key: it outlives the resource. */
    "ALTER TABLE releases ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE generations (volume_key TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT;",
    /* 4: a count of what changed about terms, for those who keep them in memory. */
    "CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "INSERT INTO counts VALUES ('terms', 1);"
    "CREATE TRIGGER terms_added AFTER INSERT ON terms BEGIN"
    " UPDATE counts SET value = value + 1 WHERE name = 'terms'; END;"
    "CREATE TRIGGER terms_gone AFTER DELETE ON terms BEGIN"
    " UPDATE counts SET value = value + 1 WHERE name = 'terms'; END;"
    "CREATE TRIGGER terms_changed AFTER UPDATE OF id, policy, reference_values ON terms BEGIN"
    " UPDATE counts SET value = value + 1 WHERE name = 'terms'; END;",
    /* 5: keys of nonces and cookies, by the boot of the machine whose clock they go by, and the nonces that were used
     * with what their sessions have shown. They go with their key. */
    "CREATE TABLE session_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL,"
    " made INTEGER NOT NULL, key BLOB NOT NULL) STRICT;"
    "CREATE TABLE sessions (name BLOB PRIMARY KEY, key INTEGER NOT NULL, result TEXT)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_of_key ON sessions (key);",
    /* 6: the audit trail as a chain: each row names the VM, and what all rows up to it hash to; the last of them once
     * more; and signed checkpoints. */
    "ALTER TABLE audit ADD COLUMN vm TEXT;"
    "ALTER TABLE audit ADD COLUMN chain BLOB;"
    "CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), row INTEGER NOT NULL,"
    " chain BLOB NOT NULL) STRICT;"
    "CREATE TABLE audit_checkpoints (row INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " chain BLOB NOT NULL, dropped INTEGER NOT NULL, signature BLOB NOT NULL) STRICT;",
    /* 7: secrets sealed under a master key (0: none) and their version, a name by which the same one is found again, how
     * often each may be released and was, and what is revoked. */
    "CREATE TABLE masters (id INTEGER PRIMARY KEY AUTOINCREMENT, proof BLOB NOT NULL) STRICT;"
    "ALTER TABLE resources ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE resources ADD COLUMN version INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE resources ADD COLUMN secret_name BLOB;"
    "ALTER TABLE resources ADD COLUMN release_limit INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE resources ADD COLUMN release_count INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE resources ADD COLUMN revoked INTEGER;"
    "CREATE INDEX resources_of_secret ON resources (secret_name);"
    "CREATE INDEX resources_of_terms ON resources (terms);"
    "CREATE TABLE revoked_machines (instance TEXT PRIMARY KEY, time INTEGER NOT NULL) STRICT;"
    "INSERT INTO counts VALUES ('secrets', 0);",
    /* 8: which secret of its path a release was of: the present one, if it was put before that. */
    "ALTER TABLE releases ADD COLUMN version INTEGER NOT NULL DEFAULT -1;"
    "UPDATE releases SET version = coalesce((SELECT version FROM resources"
    " WHERE path = releases.path AND created < releases.time), -1);",
    /* 9: paths that were revoked and are not there any more: what is put there later is revoked as well. */
    "CREATE TABLE revoked_paths (path TEXT PRIMARY KEY, time INTEGER NOT NULL) STRICT;",
    /* 10: the highest version that was accepted of each policy and set of reference values, by its name; it outlives the
     * terms. */
    "CREATE TABLE versions (kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"
    " time INTEGER NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID;",
    /* 11: nonces stand by their keys, with which they go: no index of their own for that. Terms go with the last resource that
     * is released on them. A disk is found by its volume key. */
    "CREATE TABLE used (key INTEGER NOT NULL, name BLOB NOT NULL, result TEXT,"
    " PRIMARY KEY (key, name)) STRICT, WITHOUT ROWID;"
    "INSERT INTO used SELECT key, name, result FROM sessions;"
    "DROP TABLE sessions;"
    "ALTER TABLE used RENAME TO sessions;"
    "CREATE TRIGGER resource_gone AFTER DELETE ON resources BEGIN DELETE FROM terms"
    " WHERE id = old.terms AND NOT EXISTS (SELECT 1 FROM resources WHERE terms = old.terms); END;"
    "CREATE TRIGGER resource_changed AFTER UPDATE OF terms ON resources BEGIN DELETE FROM terms"
    " WHERE id = old.terms AND NOT EXISTS (SELECT 1 FROM resources WHERE terms = old.terms); END;"
    "ALTER TABLE resources ADD COLUMN volume_key TEXT;"
    "UPDATE resources SET volume_key = json_extract(disk, '$.volume_key_hmac');"
    "CREATE INDEX resources_of_disk ON resources (volume_key);",
    /* 12: what was accepted under a version (step 10), as a digest: another one of the same number is not it. Empty: not known. */
    "ALTER TABLE versions ADD COLUMN digest TEXT NOT NULL DEFAULT '';",
};
#define CHAINED_FROM 6
#define NAMED_FROM   7

static bool read_version(struct clo_store *store, int *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "PRAGMA user_version", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = sqlite3_column_int(statement, 0);
    return true;
}

bool store_schema_bring_up(struct clo_store *store, struct clo_error *err)
{
    int last = (int)CLO_COUNT(steps);
    char set[48];
    int version;

    if (!read_version(store, &version, err))
        return false;
    if (version < 0 || version > last)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: database: version %d, made by another release", store->folder,
                        version);
    if (version == last)
        return true;
    for (int i = version; i < last; i++)
        if (!execute(store, steps[i], err) ||
            (i + 1 == CHAINED_FROM && !store_audit_chain_all(store, err)) ||
            (i + 1 == NAMED_FROM && !store_name_all(store, err)))
            return false;
    snprintf(set, sizeof set, "PRAGMA user_version = %d", last);
    return execute(store, set, err);
}
