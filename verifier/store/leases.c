/* Who holds a resource: each release with the machine and the boot that the evidence proved. */
#include <stdio.h>
#include <string.h>

#include "verifier/store/store_internal.h"

static const char *const second_holder_names[] = {
    [CLO_SECOND_HOLDER_DEFAULT] = "",
    [CLO_SECOND_HOLDER_REFUSE] = "refuse",
    [CLO_SECOND_HOLDER_FLAG] = "flag",
};

const char *clo_second_holder_name(enum clo_second_holder rule)
{
    return second_holder_names[rule];
}

enum clo_second_holder clo_second_holder_from_name(const char *name)
{
    for (size_t i = 1; i < CLO_COUNT(second_holder_names); i++)
        if (strcmp(name, second_holder_names[i]) == 0)
            return (enum clo_second_holder)i;
    return CLO_SECOND_HOLDER_DEFAULT;
}

/* --- What happened before --- */

static bool look_at_boot(struct clo_store *store, const struct clo_release *release,
                         struct clo_release_history *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (release->holder->boot[0] == '\0')
        return true; /* nothing tells this boot from another */
    if (!store_prepare(store,
                       "SELECT count(*) FILTER (WHERE path = ?), count(*) FROM releases"
                       " WHERE boot = ? AND tee_key <> ?",
                       &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    bind_text(statement, 2, release->holder->boot);
    bind_text(statement, 3, release->tee_key);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    out->is_second_in_boot = sqlite3_column_int64(statement, 0) > 0;
    out->has_another_in_boot = sqlite3_column_int64(statement, 1) > 0;
    return true;
}

/* The counts of a quote carry an offset that is secret and stays: only their distance says something, also where they
 * wrap around. */
static bool is_older(uint32_t now, uint32_t before)
{
    return (int32_t)(now - before) < 0;
}

static bool look_at_counts(struct clo_store *store, const struct clo_release *release,
                           struct clo_release_history *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    const struct clo_holder *holder = release->holder;

    if (!holder->has_counts)
        return true;
    if (!store_prepare(store,
                       "SELECT resets, restarts FROM releases WHERE path = ? AND instance = ?"
                       " AND resets IS NOT NULL AND given_up = 0 ORDER BY id DESC LIMIT 1",
                       &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    bind_text(statement, 2, holder->instance);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return true;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    uint32_t resets = (uint32_t)sqlite3_column_int64(statement, 0);
    uint32_t restarts = (uint32_t)sqlite3_column_int64(statement, 1);
    out->is_older_vtpm =
            is_older(holder->reset_count, resets) ||
            (holder->reset_count == resets && is_older(holder->restart_count, restarts));
    return true;
}

static bool look_at_others(struct clo_store *store, const struct clo_release *release,
                           int64_t lease_seconds, struct clo_release_history *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    int result;

    if (!store_prepare(
                store,
                "SELECT instance, max(time) FROM releases WHERE path = ? AND instance <> ?"
                " AND instance <> '' AND given_up = 0 GROUP BY instance HAVING ? = 0 OR max(time) "
                "> ?"
                " ORDER BY max(time)",
                &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    bind_text(statement, 2, release->holder->instance);
    sqlite3_bind_int64(statement, 3, lease_seconds);
    sqlite3_bind_int64(statement, 4, release->time - lease_seconds);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        out->other_holders++;
        snprintf(out->other, sizeof out->other, "%.8s", column_text(statement, 0));
        out->other_time = sqlite3_column_int64(statement, 1);
    }
    return result == SQLITE_DONE || fail_sql(store, err);
}

bool clo_store_history(struct clo_store *store, const struct clo_release *release,
                       int64_t lease_seconds, struct clo_release_history *out,
                       struct clo_error *err)
{
    STORE_LOCK(store);
    struct clo_release_history history = { 0 };

    if (!look_at_boot(store, release, &history, err) ||
        !look_at_counts(store, release, &history, err) ||
        !look_at_others(store, release, lease_seconds, &history, err))
        return false;
    *out = history;
    return true;
}

/* --- One more --- */

/* The same key again in the same boot is the same release. Those of other keys stay, also where no boot is known: they
 * were counted, and are not once more. */
static bool drop_same(struct clo_store *store, const struct clo_release *release,
                      struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "DELETE FROM releases WHERE path = ? AND instance = ? AND boot = ?"
                       " AND tee_key = ?",
                       &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    bind_text(statement, 2, release->holder->instance);
    bind_text(statement, 3, release->holder->boot);
    bind_text(statement, 4, release->tee_key);
    return run(store, statement, err);
}

/* Of this secret: one that was put anew is another. */
static bool had_it(struct clo_store *store, const struct clo_release *release, bool *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "SELECT 1 FROM releases WHERE path = ?1 AND tee_key = ?2"
                       " AND version = (SELECT version FROM resources WHERE path = ?1) LIMIT 1",
                       &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    bind_text(statement, 2, release->tee_key);
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE || fail_sql(store, err);
}

static bool count_release(struct clo_store *store, const struct clo_release *release,
                          struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    bool again;

    if (!had_it(store, release, &again, err))
        return false;
    if (again)
        return true;
    if (!store_prepare(store,
                       "UPDATE resources SET release_count = release_count + 1 WHERE path = ?"
                       " AND (release_limit = 0 OR release_count < release_limit)",
                       &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    return run(store, statement, err) &&
           (sqlite3_changes(store->database) == 1 ||
            clo_fail(err, CLO_ERR_REFUSED,
                     "resource \"%.200s\": was released as often as it may be (--limit)",
                     release->path));
}

bool clo_store_add_release(struct clo_store *store, const struct clo_release *release,
                           struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    const struct clo_holder *holder = release->holder;

    if (!count_release(store, release, err) || !drop_same(store, release, err) ||
        !store_prepare(
                store,
                "INSERT INTO releases (path, time, session, tee, instance, boot, resets, restarts,"
                " tee_key, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
                " (SELECT version FROM resources WHERE path = ?1))",
                &statement, err))
        return false;
    bind_text(statement, 1, release->path);
    sqlite3_bind_int64(statement, 2, release->time);
    bind_text(statement, 3, release->session);
    bind_text(statement, 4, release->tee);
    bind_text(statement, 5, holder->instance);
    bind_text(statement, 6, holder->boot);
    if (holder->has_counts) {
        sqlite3_bind_int64(statement, 7, holder->reset_count);
        sqlite3_bind_int64(statement, 8, holder->restart_count);
    }
    bind_text(statement, 9, release->tee_key);
    return run(store, statement, err);
}

bool clo_store_was_released(struct clo_store *store, const char *path, const char *boot,
                            const char *session, bool *out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "SELECT 1 FROM releases WHERE path = ? AND boot = ? AND session = ? LIMIT 1",
                       &statement, err))
        return false;
    bind_text(statement, 1, path);
    bind_text(statement, 2, boot);
    bind_text(statement, 3, session);
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE || fail_sql(store, err);
}

/* --- For the operator --- */

static bool find_lease(struct clo_store *store, const char *path, int64_t *seconds,
                       struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT lease FROM resources WHERE path = ?", &statement, err))
        return false;
    if (!find_row(store, statement, path, err))
        return false;
    *seconds = sqlite3_column_int64(statement, 0);
    return true;
}

bool clo_store_holders(struct clo_store *store, const char *path, json_t **out,
                       struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    int64_t seconds;
    int result;

    if (!find_lease(store, path, &seconds, err) ||
        !store_prepare(
                store,
                "SELECT instance, count(DISTINCT boot), max(time) FROM releases WHERE path = ?"
                " AND given_up = 0 GROUP BY instance ORDER BY max(time) DESC",
                &statement, err))
        return false;
    bind_text(statement, 1, path);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t time = sqlite3_column_int64(statement, 2);
        json_t *entry = json_pack("{s:s, s:I, s:o, s:o}", "instance", column_text(statement, 0),
                                  "boots", (json_int_t)sqlite3_column_int64(statement, 1), "time",
                                  clo_json_time(time), "lease_ends",
                                  seconds == 0 ? json_null() : clo_json_time(time + seconds));
        if (json_array_append_new(list, entry) != 0)
            return clo_out_of_memory(err);
    }
    if (result != SQLITE_DONE)
        return fail_sql(store, err);
    *out = CLO_TAKE(list);
    return true;
}

/* Which boots got it stays: a process of a running root gets nothing because its machine's lease was given up. */
static bool give_up(struct clo_store *store, const char *path, size_t *count, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *counted = NULL;
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    int64_t ignored;

    if (!find_lease(store, path, &ignored, err) ||
        !store_prepare(
                store,
                "SELECT count(DISTINCT instance) FROM releases WHERE path = ? AND given_up = 0",
                &counted, err) ||
        !store_prepare(store, "UPDATE releases SET given_up = 1 WHERE path = ?", &statement, err))
        return false;
    bind_text(counted, 1, path);
    bind_text(statement, 1, path);
    if (sqlite3_step(counted) != SQLITE_ROW)
        return fail_sql(store, err);
    *count = (size_t)sqlite3_column_int64(counted, 0);
    return run(store, statement, err);
}

bool clo_store_give_up(struct clo_store *store, const char *path, size_t *count,
                       struct clo_error *err)
{
    return clo_store_begin(store, err) &&
           clo_store_end(store, give_up(store, path, count, err), err);
}
