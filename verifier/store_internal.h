/* SQLite, as the files of the store use it. */
#ifndef CLOISTER_VERIFIER_STORE_INTERNAL_H
#define CLOISTER_VERIFIER_STORE_INTERNAL_H

#include <sqlite3.h>

#include "verifier/store.h"

/* What stands in resources.releases. */
#define ONCE_PER_BOOT "once-per-boot"
#define ANY_RELEASES  "any"

struct clo_store {
    char *folder;
    sqlite3 *database;
};

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

static inline void finalize(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}

static inline bool prepare(const struct clo_store *store, const char *sql, sqlite3_stmt **out,
                           struct clo_error *err)
{
    return sqlite3_prepare_v2(store->database, sql, -1, out, NULL) == SQLITE_OK ||
           fail_sql(store, err);
}

static inline void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
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
