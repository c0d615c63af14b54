/* SQLite, as the files of the store use it. */
#ifndef CLOISTER_VERIFIER_STORE_INTERNAL_H
#define CLOISTER_VERIFIER_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "verifier/store/store.h"

#define STORE_RECENT  64    /* a power of two */
#define STORE_BUSY_MS 10000 /* how long a statement waits for others */

/* What stands in resources.releases. */
#define ONCE_PER_BOOT "once-per-boot"
#define ANY_RELEASES  "any"

/* A statement that is prepared once, by its text, which is a literal. */
struct store_statement {
    struct store_statement *next;
    const char *sql;
    sqlite3_stmt *statement;
};

struct store_master;

/* While decisions become durable together (store_group.c). */
struct store_group {
    struct clo_store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* of `tried` and `is_ending` */
    pthread_cond_t wanted;
    uint64_t tried;
    bool is_ending;
    /* Numbers of transactions: the last that was made, that is on the disk, that could not be brought there. */
    _Atomic uint64_t made, durable, lost;
    atomic_bool is_failing;
    atomic_int pages;    /* of the log */
    int log;             /* its file */
    int (*sync)(int fd); /* fdatasync(), but in a test */
    sqlite3 *carrier;    /* a connection of the thread's own */
    void (*on_synced)(void *context);
    void *context;
};

/* Under the store's lock, after each transaction. */
void store_group_committed(struct store_group *group);

/* The end of the audit trail as our last decision left it: read anew once anything else was committed. */
struct store_trail {
    bool is_known, is_used; /* … by the transaction under way */
    unsigned version;       /* of the database, by SQLite's own count */
    struct clo_audit_point head;
    int64_t signed_row;
};

struct clo_store {
    char *folder;
    sqlite3 *database;
    /* Recursive. Who uses the database has it; from clo_store_begin() to clo_store_end() it is one's own. */
    pthread_mutex_t lock;
    unsigned depth; /* of transactions: one within another is a part of it */
    struct store_statement *statements;
    struct store_statement *recent[STORE_RECENT]; /* of those, the last one whose text is there */
    struct store_master *master;                  /* NULL: none was given */
    struct store_group *group;         /* NULL: each decision waits for the disk by itself */
    struct clo_private_key *audit_key; /* signs checkpoints; NULL: not opened yet */
    int64_t pruned_for; /* the newest key for which rows of older ones were dropped */
    struct store_trail trail;
};

/* For CLO_CLEANUP: STORE_LOCK(store); holds the lock until the function returns. */
static inline void store_unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
static inline pthread_mutex_t *store_lock(struct clo_store *store)
{
    pthread_mutex_lock(&store->lock);
    return &store->lock;
}
#define STORE_LOCK(store) CLO_CLEANUP(store_unlock) pthread_mutex_t *held_lock = store_lock(store)

/* A policy and a list of references, as rows hold them. */
CLO_MUST_USE bool store_parse_terms(const char *policy, const char *references,
                                    struct clo_terms *out, struct clo_error *err);
/* Within a transaction: the row of an entry's terms. */
CLO_MUST_USE bool store_put_terms(struct clo_store *store, const struct clo_store_entry *entry,
                                  int64_t *id, char digest[65], struct clo_error *err);

/* --- Versions (store_versions.c) --- */

/* Within a transaction: neither the policy nor a set of reference values is older than what was accepted of its name, within the
 * first part of the entry's path; which they raise, or, where the entry accepts older ones, set back. CLO_ERR_REFUSED: one is. */
CLO_MUST_USE bool store_accept_versions(struct clo_store *store,
                                        const struct clo_store_entry *entry,
                                        const struct clo_terms *terms, struct clo_error *err);

/* --- Secrets at rest (store_secrets.c) --- */

void store_master_free(struct store_master *master);
int64_t store_master_id(const struct clo_store *store); /* 0: none */
/* Whether the store is sealed, also where the key was not given. */
CLO_MUST_USE bool store_has_master(struct clo_store *store, bool *out, struct clo_error *err);
/* Where a secret stands and what it is released on: what it is bound to. */
struct store_place {
    char path[CLO_RESOURCE_MAX + 1];
    int64_t version;
    char terms[65]; /* their digest */
    bool is_shared, any_releases;
};
/* What is to be kept of a secret: `sealed`, which it fills, or the secret itself where there is no master key. */
CLO_MUST_USE bool store_seal_secret(const struct clo_store *store, const struct store_place *place,
                                    struct clo_bytes secret, struct clo_buffer *sealed,
                                    struct clo_bytes *out, struct clo_error *err);
CLO_MUST_USE bool store_open_secret(const struct clo_store *store, const struct store_place *place,
                                    int64_t master, struct clo_bytes sealed,
                                    struct clo_secret **out, struct clo_error *err);
/* Within a transaction: what is sealed there goes under the terms of that digest. */
CLO_MUST_USE bool store_reseal(struct clo_store *store, const char *path, const char *terms,
                               struct clo_error *err);
/* The same for the same secret, and telling nothing of it to those who have not the master key. */
void store_name_secret(const struct clo_store *store, struct clo_bytes secret,
                       struct clo_digest *out);
/* Names the secrets of a store that had no names. */
CLO_MUST_USE bool store_name_all(struct clo_store *store, struct clo_error *err);

/* Under the store's lock, after each transaction, and after each part that was taken back. */
void store_trail_ended(struct clo_store *store, bool is_committed);
/* Chains the rows of a trail that had none. */
CLO_MUST_USE bool store_audit_chain_all(struct clo_store *store, struct clo_error *err);

/* Makes the tables, or brings them to the form of this release (store_schema.c). Within a transaction. */
CLO_MUST_USE bool store_schema_bring_up(struct clo_store *store, struct clo_error *err);

/* --- SQLite --- */

static inline bool fail_sql(const struct clo_store *store, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_SYSTEM, "%s: database: %s", store->folder,
                    sqlite3_errmsg(store->database));
}

static inline bool execute(const struct clo_store *store, const char *sql, struct clo_error *err)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK ||
           fail_sql(store, err);
}

/* For CLO_CLEANUP: the statement stays prepared, for its next use. */
static inline void put_back(sqlite3_stmt **statement)
{
    if (*statement == NULL)
        return;
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement);
    *statement = NULL;
}

/* `sql` is a literal. Not twice at once. */
CLO_MUST_USE bool store_prepare(struct clo_store *store, const char *sql, sqlite3_stmt **out,
                                struct clo_error *err);

/* Not copied: it must last until put_back(). */
static inline void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static inline bool run(const struct clo_store *store, sqlite3_stmt *statement,
                       struct clo_error *err)
{
    return sqlite3_step(statement) == SQLITE_DONE || fail_sql(store, err);
}

/* Refuses, since there is no such resource. */
static inline bool fail_none(const char *path, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_REFUSED, "resource \"%.200s\": there is none", path);
}

/* Steps to the one row of a resource; the statement's only parameter is its path. */
static inline bool find_row(const struct clo_store *store, sqlite3_stmt *statement,
                            const char *path, struct clo_error *err)
{
    bind_text(statement, 1, path);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return fail_none(path, err);
    return result == SQLITE_ROW || fail_sql(store, err);
}

static inline const char *column_text(sqlite3_stmt *statement, int index)
{
    const char *text = (const char *)sqlite3_column_text(statement, index);

    return text == NULL ? "" : text;
}

#endif
