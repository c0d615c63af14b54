/* Secrets at rest: sealed under a master key, or in the clear where the store has none.
 *
 * What is sealed is bound to its path, its version and what it is released on (the digest of its terms, whether it is
 * shared, how often a boot gets it), so that no row can be given another's secret, its own of before, or other terms. A
 * whole row of before, its terms included, opens: the store cannot see that.
 *
 * Older releases bound path and version alone ("form 1"). Their secrets are opened once, when the store is unlocked, and
 * sealed anew. Keys and proof of the new form have other labels, so that what is of the old form opens no more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "device/random.h"
#include "lib/crypto/aead.h"

#include "verifier/store/store_internal.h"

#define SCRUB_MS 3000 /* how long readers are waited for before the log is cut */

#define NAME_LABEL "cloister master: names 1"

static const struct form {
    const char *seal_label, *proof_label, *context;
    bool binds_terms;
} old_form = { "cloister master: secrets 1", "cloister master: proof 1", "cloister secret 1",
               false },
  new_form = { "cloister master: secrets 2", "cloister master: proof 2", "cloister secret 2",
               true };

struct store_master {
    int64_t id; /* of its row; 0: none, secrets lie in the clear */
    const struct form *form;
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

static bool new_master(const struct clo_secret *key, int64_t id, const struct form *form,
                       struct store_master **out, struct clo_error *err)
{
    CLO_CLEANUP(free_master) struct store_master *master = calloc(1, sizeof *master);

    if (master == NULL)
        return clo_out_of_memory(err);
    if (clo_secret_size(key) != CLO_MASTER_KEY_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "master key: %zu bytes, %d are expected",
                        clo_secret_size(key), CLO_MASTER_KEY_SIZE);
    master->id = id;
    master->form = form;
    if (!derive(key, form->seal_label, &master->seal, err) ||
        !derive(key, NAME_LABEL, &master->name, err))
        return false;
    *out = CLO_TAKE(master);
    return true;
}

/* --- One secret --- */

static bool context_of(const struct form *form, const struct store_place *place,
                       struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_text(out, form->context);
    clo_buffer_be64(out, (uint64_t)place->version);
    if (form->binds_terms) {
        clo_buffer_be32(out, place->is_shared);
        clo_buffer_be32(out, place->any_releases);
        clo_buffer_be32(out, (uint32_t)strlen(place->terms));
        clo_buffer_text(out, place->terms);
    }
    clo_buffer_text(out, place->path);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

int64_t store_master_id(const struct clo_store *store)
{
    return store->master == NULL ? 0 : store->master->id;
}

bool store_seal_secret(const struct clo_store *store, const struct store_place *place,
                       struct clo_bytes secret, struct clo_buffer *sealed, struct clo_bytes *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };

    *out = secret;
    if (store->master == NULL)
        return true;
    if (!context_of(store->master->form, place, &context, err) ||
        !clo_aead_seal(store->master->seal, clo_buffer_bytes(&context), secret, &clo_random_system,
                       sealed, err))
        return false;
    *out = clo_buffer_bytes(sealed);
    return true;
}

bool store_open_secret(const struct clo_store *store, const struct store_place *place,
                       int64_t master, struct clo_bytes sealed, struct clo_secret **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };
    struct clo_error why;

    if (master == 0 && store->master != NULL)
        return clo_fail(err, CLO_ERR_SYSTEM,
                        "resource \"%.200s\": lies in the clear in a store that is sealed",
                        place->path);
    if (master == 0)
        return clo_secret_copy(sealed, out, err);
    if (store->master == NULL || store->master->id != master)
        return clo_fail(err, CLO_ERR_SYSTEM,
                        "resource \"%.200s\": is sealed under a master key, which was not given",
                        place->path);
    if (!context_of(store->master->form, place, &context, err))
        return false;
    return clo_aead_open(store->master->seal, clo_buffer_bytes(&context), sealed, out, &why) ||
           clo_fail(err, CLO_ERR_SYSTEM, "resource \"%.200s\": %s", place->path, why.text);
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

bool store_has_master(struct clo_store *store, bool *out, struct clo_error *err)
{
    struct clo_digest proof;
    int64_t id;

    if (!find_master(store, &id, &proof, err))
        return false;
    *out = id != 0;
    return true;
}

bool clo_store_is_sealed(struct clo_store *store, bool *is_sealed, size_t *in_clear,
                         struct clo_error *err)
{
    STORE_LOCK(store);

    return store_has_master(store, is_sealed, err) && count_clear(store, in_clear, err);
}

static bool add_master(struct clo_store *store, const struct clo_secret *key, int64_t *id,
                       struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_digest proof;

    if (!store_prepare(store, "INSERT INTO masters (proof) VALUES (?)", &statement, err))
        return false;
    label(key, new_form.proof_label, &proof);
    sqlite3_bind_blob(statement, 1, proof.bytes, 32, SQLITE_TRANSIENT);
    if (!run(store, statement, err))
        return false;
    *id = sqlite3_last_insert_rowid(store->database);
    return true;
}

static bool seal_row(struct clo_store *store, const struct store_place *place,
                     struct clo_bytes secret, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_digest name;
    struct clo_bytes kept;

    if (!store_seal_secret(store, place, secret, &sealed, &kept, err) ||
        !store_prepare(store,
                       "UPDATE resources SET secret = ?, sealed = ?, secret_name = ?"
                       " WHERE path = ?",
                       &statement, err))
        return false;
    store_name_secret(store, secret, &name);
    sqlite3_bind_blob(statement, 1, kept.data, (int)kept.size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, store_master_id(store));
    sqlite3_bind_blob(statement, 3, name.bytes, 32, SQLITE_TRANSIENT);
    bind_text(statement, 4, place->path);
    return run(store, statement, err);
}

#define PLACE_COLUMNS "path, version, digest, shared, releases, secret, sealed"

/* The statement stands on a row of PLACE_COLUMNS. */
static bool open_row(struct clo_store *store, sqlite3_stmt *statement, struct store_place *place,
                     struct clo_secret **out, struct clo_error *err)
{
    snprintf(place->path, sizeof place->path, "%s", column_text(statement, 0));
    place->version = sqlite3_column_int64(statement, 1);
    snprintf(place->terms, sizeof place->terms, "%s", column_text(statement, 2));
    place->is_shared = sqlite3_column_int(statement, 3) != 0;
    place->any_releases = strcmp(column_text(statement, 4), ANY_RELEASES) == 0;
    return store_open_secret(store, place, sqlite3_column_int64(statement, 6),
                             clo_bytes(sqlite3_column_blob(statement, 5),
                                       (size_t)sqlite3_column_bytes(statement, 5)),
                             out, err);
}

bool store_reseal(struct clo_store *store, const char *path, const char *terms,
                  struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct store_place place;

    if (!store_prepare(store,
                       "SELECT " PLACE_COLUMNS " FROM resources"
                       " JOIN terms ON terms.id = resources.terms WHERE path = ?",
                       &statement, err) ||
        !find_row(store, statement, path, err))
        return false;
    if (sqlite3_column_int64(statement, 6) == 0 && store->master == NULL)
        return true; /* in the clear, bound to nothing */
    if (!open_row(store, statement, &place, &secret, err))
        return false;
    snprintf(place.terms, sizeof place.terms, "%s", terms);
    return seal_row(store, &place, clo_secret_bytes(secret), err);
}

/* Opened by the master that there was, sealed by the new one. */
static bool seal_all(struct clo_store *store, struct store_master *fresh, size_t *count,
                     struct clo_error *err)
{
    struct store_master *before = store->master;
    struct store_place place = { 0 };
    int result;

    for (*count = 0;; (*count)++) {
        CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        if (!store_prepare(store,
                           "SELECT " PLACE_COLUMNS " FROM resources"
                           " JOIN terms ON terms.id = resources.terms WHERE path > ?"
                           " ORDER BY path LIMIT 1",
                           &statement, err))
            return false;
        bind_text(statement, 1, place.path);
        if ((result = sqlite3_step(statement)) != SQLITE_ROW)
            break;
        if (!open_row(store, statement, &place, &secret, err))
            return false;
        store->master = fresh;
        bool ok = seal_row(store, &place, clo_secret_bytes(secret), err);
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

    return add_master(store, key, &id, err) && new_master(key, id, &new_form, fresh, err) &&
           seal_all(store, *fresh, count, err) &&
           execute(store, "DELETE FROM masters WHERE id < (SELECT max(id) FROM masters)", err);
}

static bool seal(struct clo_store *store, const struct clo_secret *key, const struct clo_audit *row,
                 size_t *count, struct clo_error *err)
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
              change_master(store, key, count, &fresh, err) &&
              (row == NULL || clo_store_audit_last(store, row, err));
    if (!clo_store_end(store, ok, err))
        return false;
    store_master_free(store->master);
    store->master = CLO_TAKE(fresh);
    return true;
}

/* Whether readers kept the log from being cut is a column of the answer, not an error. */
static bool cut_log(struct clo_store *store, bool *is_busy, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "PRAGMA wal_checkpoint(TRUNCATE)", &statement, err))
        return false;
    int result = sqlite3_step(statement);
    *is_busy = result == SQLITE_BUSY ||
               (result == SQLITE_ROW && sqlite3_column_int(statement, 0) != 0);
    return result == SQLITE_ROW || result == SQLITE_BUSY || fail_sql(store, err);
}

/* What was there before is nowhere in the files any more. */
static bool scrub(struct clo_store *store, struct clo_error *err)
{
    STORE_LOCK(store);
    bool is_busy;

    if (!execute(store, "VACUUM", err))
        return false;
    sqlite3_busy_timeout(store->database, SCRUB_MS);
    bool ok = cut_log(store, &is_busy, err);
    sqlite3_busy_timeout(store->database, STORE_BUSY_MS);
    return ok && (!is_busy ||
                  clo_fail(err, CLO_ERR_SYSTEM, "another program reads the database: end it"));
}

/* From the end of the first transaction on the key is in force, whatever comes of the rest: nobody is to throw it away. */
bool clo_store_seal(struct clo_store *store, const struct clo_secret *key,
                    const struct clo_audit *row, size_t *count, struct clo_error *err)
{
    return seal(store, key, row, count, err) &&
           (scrub(store, err) ||
            clo_wrap(err,
                     "%s: secrets are sealed under the new key, but those of before are still in "
                     "store.db or its log (give them another key then: --master-key with this "
                     "one, --new with the next)",
                     store->folder));
}

static bool proves(const struct clo_secret *key, const struct form *form,
                   const struct clo_digest *proof)
{
    struct clo_digest given;

    label(key, form->proof_label, &given);
    return clo_bytes_equal_secret(clo_digest_bytes(&given), clo_digest_bytes(proof));
}

/* What an older release sealed, under the same key in the form of this one. */
static bool seal_anew(struct clo_store *store, const struct clo_secret *key, int64_t id,
                      struct clo_error *err)
{
    struct clo_error ignored;
    size_t count;

    if (!new_master(key, id, &old_form, &store->master, err))
        return false;
    if (seal(store, key, NULL, &count, err))
        return true; /* nothing lay in the clear */
    free_master(&store->master);
    /* Two programs may find the old form at once: what the other one sealed is as good. */
    struct clo_digest proof;
    STORE_LOCK(store);
    return find_master(store, &id, &proof, &ignored) && proves(key, &new_form, &proof) &&
           new_master(key, id, &new_form, &store->master, err);
}

bool clo_store_unlock(struct clo_store *store, const struct clo_secret *key, struct clo_error *err)
{
    struct clo_digest proof;
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
        return clo_store_seal(store, key, NULL, &count, err);
    if (proves(key, &new_form, &proof))
        return new_master(key, id, &new_form, &store->master, err);
    if (!proves(key, &old_form, &proof))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: is sealed under another master key",
                        store->folder);
    return seal_anew(store, key, id, err);
}
