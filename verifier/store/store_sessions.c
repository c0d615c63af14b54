/* Keys of cookies and nonces, shared by all who use the store, and the nonces that were used: each is a row that can be
 * added once. */
#include <string.h>

#include "device/file.h"

#include "verifier/store/store_internal.h"

#define BOOT_FILE  "/proc/sys/kernel/random/boot_id"
#define PRUNE_MOST 256 /* rows of keys that are gone, with one nonce */
/* The first key that is gone and has rows left. */
#define OLDEST_GONE "(SELECT min(key) FROM sessions WHERE key < (SELECT min(id) FROM session_keys))"
/* One row at most: what makes a name one's own are 96 random bits. */
#define OF_NAME "key IN (SELECT id FROM session_keys) AND name = ?"

/* Clocks that do not jump begin anew with each boot: what one boot gave out is worth nothing in the next. */
static void read_boot(struct clo_buffer *out)
{
    struct clo_error ignored;

    if (!clo_file_read(BOOT_FILE, 256, out, &ignored))
        clo_buffer_free(out);
}

static bool read_keys(struct clo_store *store, const char *boot,
                      struct clo_session_key out[CLO_SESSION_KEYS], size_t *count,
                      struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    int result;

    *count = 0;
    if (!store_prepare(store,
                       "SELECT id, made, key FROM session_keys WHERE boot = ?"
                       " ORDER BY id DESC LIMIT 2",
                       &statement, err))
        return false;
    bind_text(statement, 1, boot);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct clo_session_key *key = &out[(*count)++];
        const void *bytes = sqlite3_column_blob(statement, 2);
        if (bytes == NULL || sqlite3_column_bytes(statement, 2) != (int)sizeof key->key)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: a session key is not one", store->folder);
        key->id = sqlite3_column_int64(statement, 0);
        key->made = sqlite3_column_int64(statement, 1);
        memcpy(key->key, bytes, sizeof key->key);
    }
    return result == SQLITE_DONE || fail_sql(store, err);
}

static bool add_key(struct clo_store *store, const char *boot, struct clo_random random,
                    int64_t now, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *added = NULL;
    CLO_CLEANUP(put_back) sqlite3_stmt *dropped = NULL;
    uint8_t key[32];

    if (!random.fill(random.context, key, sizeof key))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    if (!store_prepare(store, "INSERT INTO session_keys (boot, made, key) VALUES (?, ?, ?)", &added,
                       err) ||
        !store_prepare(store,
                       "DELETE FROM session_keys WHERE id NOT IN"
                       " (SELECT id FROM session_keys ORDER BY id DESC LIMIT 2)",
                       &dropped, err))
        return false;
    bind_text(added, 1, boot);
    sqlite3_bind_int64(added, 2, now);
    sqlite3_bind_blob(added, 3, key, sizeof key, SQLITE_TRANSIENT);
    bool ok = run(store, added, err) && run(store, dropped, err);
    explicit_bzero(key, sizeof key);
    return ok;
}

static bool is_fresh(const struct clo_session_key *keys, size_t count, int64_t now,
                     unsigned seconds)
{
    return count > 0 && now >= keys[0].made && now - keys[0].made < (int64_t)seconds;
}

bool clo_store_session_keys(struct clo_store *store, struct clo_random random, int64_t now,
                            unsigned seconds, struct clo_session_key out[CLO_SESSION_KEYS],
                            size_t *count, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer boot = { 0 };

    read_boot(&boot);
    const char *name = clo_buffer_string(&boot);
    if (name == NULL)
        return clo_out_of_memory(err);
    {
        STORE_LOCK(store);
        if (!read_keys(store, name, out, count, err))
            return false;
    }
    if (is_fresh(out, *count, now, seconds))
        return true;
    if (!clo_store_begin(store, err))
        return false;
    /* Another one may have made it meanwhile. */
    bool ok = read_keys(store, name, out, count, err) &&
              (is_fresh(out, *count, now, seconds) ||
               (add_key(store, name, random, now, err) && read_keys(store, name, out, count, err)));
    return clo_store_end(store, ok, err);
}

/* --- Nonces --- */

/* A nonce can come again as long as its key counts. Keys go when a new one comes: with the first nonces of that one, until
 * nothing is left. What is rolled back here waits for the next key. */
static bool prune(struct clo_store *store, int64_t key, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (key <= store->pruned_for)
        return true;
    if (!store_prepare(store,
                       "DELETE FROM sessions WHERE key = " OLDEST_GONE
                       " AND name IN (SELECT name FROM sessions WHERE key = " OLDEST_GONE
                       " LIMIT ?)",
                       &statement, err))
        return false;
    sqlite3_bind_int(statement, 1, PRUNE_MOST);
    if (!run(store, statement, err))
        return false;
    if (sqlite3_changes(store->database) == 0)
        store->pruned_for = key;
    return true;
}

/* Rows of nonces go with their key: one whose key another broker has dropped could be used again. */
static bool check_key(struct clo_store *store, int64_t key, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT 1 FROM session_keys WHERE id = ?", &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, key);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "nonce: its key is gone from the store");
    return result == SQLITE_ROW || fail_sql(store, err);
}

bool clo_store_use_nonce(struct clo_store *store, struct clo_bytes name, int64_t key,
                         const char *result, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!prune(store, key, err) ||
        !store_prepare(store,
                       "INSERT INTO sessions (name, key, result) SELECT ?1, ?2, ?3"
                       " WHERE EXISTS (SELECT 1 FROM session_keys WHERE id = ?2)"
                       " ON CONFLICT DO NOTHING",
                       &statement, err))
        return false;
    sqlite3_bind_blob(statement, 1, name.data, (int)name.size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, key);
    if (result != NULL)
        bind_text(statement, 3, result);
    if (!run(store, statement, err))
        return false;
    if (sqlite3_changes(store->database) == 1)
        return true;
    return check_key(store, key, err) &&
           clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
}

bool clo_store_set_session(struct clo_store *store, struct clo_bytes name, const char *result,
                           struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "UPDATE sessions SET result = ? WHERE " OF_NAME, &statement, err))
        return false;
    bind_text(statement, 1, result);
    sqlite3_bind_blob(statement, 2, name.data, (int)name.size, SQLITE_STATIC);
    return run(store, statement, err);
}

bool clo_store_session(struct clo_store *store, struct clo_bytes name, bool *is_used,
                       struct clo_buffer *out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    *is_used = false;
    if (!store_prepare(store, "SELECT result FROM sessions WHERE " OF_NAME, &statement, err))
        return false;
    sqlite3_bind_blob(statement, 1, name.data, (int)name.size, SQLITE_STATIC);
    int found = sqlite3_step(statement);
    if (found == SQLITE_DONE)
        return true;
    if (found != SQLITE_ROW)
        return fail_sql(store, err);
    *is_used = true;
    clo_buffer_text(out, column_text(statement, 0));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
