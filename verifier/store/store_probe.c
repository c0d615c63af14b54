/* Can the store be used at all? For monitoring. */
#include "verifier/store/store_internal.h"

bool clo_store_has_terms(struct clo_store *store, bool *out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT EXISTS (SELECT 1 FROM terms)", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = sqlite3_column_int(statement, 0) != 0;
    return true;
}

/* What is there is written over itself: a full disk refuses that, too. */
bool clo_store_check_writable(struct clo_store *store, struct clo_error *err)
{
    bool is_failing = store->group != NULL && atomic_load(&store->group->is_failing);

    if (!clo_store_begin(store, err) ||
        !clo_store_end(store,
                       execute(store, "UPDATE counts SET value = value WHERE name = 'terms'", err),
                       err))
        return false;
    /* Of the last sync: this one begins another, which may succeed. */
    return !is_failing || clo_fail(err, CLO_ERR_SYSTEM,
                                   "%s: what is written does not reach the disk", store->folder);
}
