/* Secrets at rest: sealed under a master key, or in the clear where the store has none.
 *
 * What is sealed is bound to its path and its version, so that no row can be given another's, nor its own of before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "lib/crypto/aead.h"

#include "verifier/store/store_internal.h"

#define SEAL_LABEL  "cloister master: secrets 1"
#define NAME_LABEL  "cloister master: names 1"
#define PROOF_LABEL "cloister master: proof 1"

struct store_master {
    int64_t id; /* of its row; 0: none, secrets lie in the clear */
    struct clo_secret *seal, *name;
};

void store_master_free(struct store_master *master)
{
    if (master == NULL)
        return;
    clo_secret_free(master->seal);
    clo_secret_free(master->name);
    free(master);
}

static void free_master(struct store_master **master)
{
    store_master_free(*master);
    *master = NULL;
}

static void label(const struct clo_secret *key, const char *text, struct clo_digest *out)
{
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(key), clo_bytes_text(text), out);
}

static bool derive(const struct clo_secret *key, const char *text, struct clo_secret **out,
                   struct clo_error *err)
{
    struct clo_digest digest;

    label(key, text, &digest);
    bool ok = clo_secret_copy(clo_digest_bytes(&digest), out, err);
    explicit_bzero(&digest, sizeof digest);
    return ok;
}

static bool new_master(const struct clo_secret *key, int64_t id, struct store_master **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(free_master) struct store_master *master = calloc(1, sizeof *master);

    if (master == NULL)
        return clo_out_of_memory(err);
    if (clo_secret_size(key) != CLO_MASTER_KEY_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "master key: %zu bytes, %d are expected",
                        clo_secret_size(key), CLO_MASTER_KEY_SIZE);
    master->id = id;
    if (!derive(key, SEAL_LABEL, &master->seal, err) ||
        !derive(key, NAME_LABEL, &master->name, err))
        return false;
    *out = CLO_TAKE(master);
    return true;
}

/* --- One secret --- */

static bool context_of(const char *path, int64_t version, struct clo_buffer *out,
                       struct clo_error *err)
{
    clo_buffer_text(out, "cloister secret 1");
    clo_buffer_be64(out, (uint64_t)version);
    clo_buffer_text(out, path);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

int64_t store_master_id(const struct clo_store *store)
{
    return store->master == NULL ? 0 : store->master->id;
}

bool store_seal_secret(const struct clo_store *store, const char *path, int64_t version,
                       struct clo_bytes secret, struct clo_buffer *sealed, struct clo_bytes *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };

    *out = secret;
    if (store->master == NULL)
        return true;
    if (!context_of(path, version, &context, err) ||
        !clo_aead_seal(store->master->seal, clo_buffer_bytes(&context), secret, sealed, err))
        return false;
    *out = clo_buffer_bytes(sealed);
    return true;
}

bool store_open_secret(const struct clo_store *store, const char *path, int64_t version,
                       int64_t master, struct clo_bytes sealed, struct clo_secret **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };
    struct clo_error why;

    if (master == 0 && store->master != NULL)
        return clo_fail(err, CLO_ERR_SYSTEM,
                        "resource \"%.200s\": lies in the clear in a store that is sealed", path);
    if (master == 0)
        return clo_secret_copy(sealed, out, err);
    if (store->master == NULL || store->master->id != master)
        return clo_fail(err, CLO_ERR_SYSTEM,
                        "resource \"%.200s\": is sealed under a master key, which was not given",
                        path);
    if (!context_of(path, version, &context, err))
        return false;
    return clo_aead_open(store->master->seal, clo_buffer_bytes(&context), sealed, out, &why) ||
           clo_fail(err, CLO_ERR_SYSTEM, "resource \"%.200s\": %s", path, why.text);
}

void store_name_secret(const struct clo_store *store, struct clo_bytes secret,
                       struct clo_digest *out)
{
    const struct clo_bytes parts[] = { clo_bytes_text(NAME_LABEL), secret };

    if (store->master == NULL)
        clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), out);
    else
        clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(store->master->name), secret, out);
}

/* --- All of them --- */

static bool count_clear(struct clo_store *store, size_t *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT count(*) FROM resources WHERE sealed = 0", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = (size_t)sqlite3_column_int64(statement, 0);
    return true;
}

/* The store's master key as its row proves it. id 0: there is none. */
static bool find_master(struct clo_store *store, int64_t *id, struct clo_digest *proof,
                        struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    *id = 0;
    if (!store_prepare(store, "SELECT id, proof FROM masters ORDER BY id DESC LIMIT 1", &statement,
                       err))
        return false;
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    if (sqlite3_column_bytes(statement, 1) != 32)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: the master key's proof is damaged",
                        store->folder);
    *id = sqlite3_column_int64(statement, 0);
    proof->hash = CLO_HASH_SHA256;
    memcpy(proof->bytes, sqlite3_column_blob(statement, 1), 32);
    return true;
}

bool clo_store_is_sealed(struct clo_store *store, bool *is_sealed, size_t *in_clear,
                         struct clo_error *err)
{
    STORE_LOCK(store);
    struct clo_digest proof;
    int64_t id;

    if (!find_master(store, &id, &proof, err) || !count_clear(store, in_clear, err))
        return false;
    *is_sealed = id != 0;
    return true;
}

static bool add_master(struct clo_store *store, const struct clo_secret *key, int64_t *id,
                       struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_digest proof;

    if (!store_prepare(store, "INSERT INTO masters (proof) VALUES (?)", &statement, err))
        return false;
    label(key, PROOF_LABEL, &proof);
    sqlite3_bind_blob(statement, 1, proof.bytes, 32, SQLITE_TRANSIENT);
    if (!run(store, statement, err))
        return false;
    *id = sqlite3_last_insert_rowid(store->database);
    return true;
}

static bool seal_row(struct clo_store *store, const char *path, int64_t version,
                     struct clo_bytes secret, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_digest name;
    struct clo_bytes kept;

    if (!store_seal_secret(store, path, version, secret, &sealed, &kept, err) ||
        !store_prepare(store,
                       "UPDATE resources SET secret = ?, sealed = ?, secret_name = ?"
                       " WHERE path = ?",
                       &statement, err))
        return false;
    store_name_secret(store, secret, &name);
    sqlite3_bind_blob(statement, 1, kept.data, (int)kept.size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, store_master_id(store));
    sqlite3_bind_blob(statement, 3, name.bytes, 32, SQLITE_TRANSIENT);
    bind_text(statement, 4, path);
    return run(store, statement, err);
}

/* Opened by the master that there was, sealed by the new one. */
static bool seal_all(struct clo_store *store, struct store_master *fresh, size_t *count,
                     struct clo_error *err)
{
    struct store_master *before = store->master;
    char path[CLO_RESOURCE_MAX + 1] = "";
    int result;

    for (*count = 0;; (*count)++) {
        CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        if (!store_prepare(store,
                           "SELECT path, secret, sealed, version FROM resources WHERE path > ?"
                           " ORDER BY path LIMIT 1",
                           &statement, err))
            return false;
        bind_text(statement, 1, path);
        if ((result = sqlite3_step(statement)) != SQLITE_ROW)
            break;
        int64_t version = sqlite3_column_int64(statement, 3);
        const struct clo_bytes sealed = clo_bytes(sqlite3_column_blob(statement, 1),
                                                  (size_t)sqlite3_column_bytes(statement, 1));
        snprintf(path, sizeof path, "%s", column_text(statement, 0));
        if (!store_open_secret(store, path, version, sqlite3_column_int64(statement, 2), sealed,
                               &secret, err))
            return false;
        store->master = fresh;
        bool ok = seal_row(store, path, version, clo_secret_bytes(secret), err);
        store->master = before;
        if (!ok)
            return false;
    }
    return result == SQLITE_DONE || fail_sql(store, err);
}

bool store_name_all(struct clo_store *store, struct clo_error *err)
{
    size_t count;

    return seal_all(store, NULL, &count, err);
}

static bool change_master(struct clo_store *store, const struct clo_secret *key, size_t *count,
                          struct store_master **fresh, struct clo_error *err)
{
    int64_t id;

    return add_master(store, key, &id, err) && new_master(key, id, fresh, err) &&
           seal_all(store, *fresh, count, err) &&
           execute(store, "DELETE FROM masters WHERE id < (SELECT max(id) FROM masters)", err);
}

bool clo_store_seal(struct clo_store *store, const struct clo_secret *key, size_t *count,
                    struct clo_error *err)
{
    CLO_CLEANUP(free_master) struct store_master *fresh = NULL;
    struct clo_digest proof;
    int64_t id;

    if (!clo_store_begin(store, err))
        return false;
    bool ok = find_master(store, &id, &proof, err) &&
              ((id == 0) == (store->master == NULL) ||
               clo_fail(err, CLO_ERR_REFUSED, "%s: is sealed: its present master key is needed",
                        store->folder)) &&
              change_master(store, key, count, &fresh, err);
    if (!clo_store_end(store, ok, err))
        return false;
    store_master_free(store->master);
    store->master = CLO_TAKE(fresh);
    /* What was there before is nowhere in the files any more. */
    return execute(store, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", err);
}

bool clo_store_unlock(struct clo_store *store, const struct clo_secret *key, struct clo_error *err)
{
    struct clo_digest proof, given;
    size_t in_clear, count;
    int64_t id;

    {
        STORE_LOCK(store);
        if (!find_master(store, &id, &proof, err) || !count_clear(store, &in_clear, err))
            return false;
    }
    if (id == 0 && in_clear > 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: %zu secret%s in the clear: 'cloister key master' seals them",
                        store->folder, in_clear, in_clear == 1 ? " lies" : "s lie");
    if (id == 0)
        return clo_store_seal(store, key, &count, err);
    label(key, PROOF_LABEL, &given);
    if (!clo_bytes_equal_secret(clo_digest_bytes(&given), clo_digest_bytes(&proof)))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: is sealed under another master key",
                        store->folder);
    return new_master(key, id, &store->master, err);
}
