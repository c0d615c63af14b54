/* The highest version that was accepted of each set of reference values, and of each policy, by its name.
 *
 * A set that is signed well stays signed well after a newer one took its place. Who brings files to the owner, or to the
 * program that installs them, chooses among all that were ever signed; so the store remembers how far each name has come,
 * also once nothing of it is registered any more. It is the name's, not its signer's: another signature, or none, is not a way around it. */
#include <string.h>

#include "cloister/encoding.h"
#include "verifier/store/store_internal.h"

static bool accepted(struct clo_store *store, const char *kind, const char *name, uint64_t *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT version FROM versions WHERE kind = ? AND name = ?",
                       &statement, err))
        return false;
    bind_text(statement, 1, kind);
    bind_text(statement, 2, name);
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    return result == SQLITE_ROW || result == SQLITE_DONE || fail_sql(store, err);
}

static bool remember(struct clo_store *store, const char *kind, const char *name, uint64_t version,
                     int64_t now, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "INSERT INTO versions (kind, name, version, time) VALUES (?, ?, ?, ?)"
                       " ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version,"
                       " time = excluded.time",
                       &statement, err))
        return false;
    bind_text(statement, 1, kind);
    bind_text(statement, 2, name);
    sqlite3_bind_int64(statement, 3, (int64_t)version);
    sqlite3_bind_int64(statement, 4, now);
    return run(store, statement, err);
}

static bool refuse(const char *what, const char *name, uint64_t version, uint64_t before,
                   struct clo_error *err)
{
    if (version == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s \"%.80s\": has no version, and version %llu was accepted before", what,
                        name, (unsigned long long)before);
    return clo_fail(err, CLO_ERR_REFUSED,
                    "%s \"%.80s\": is version %llu, and version %llu was accepted before", what,
                    name, (unsigned long long)version, (unsigned long long)before);
}

struct counted {
    const char *kind, *what, *name;
    uint64_t version;
};

/* A name is counted within the first part of the path, which is what administrators' roles are confined to: who may put under
 * another one neither sets this one's back nor keeps it from going on. */
static bool accept_one(struct clo_store *store, const struct clo_store_entry *entry,
                       const struct counted *one, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    uint64_t before;

    clo_buffer_printf(&key, "%.*s/%s", (int)strcspn(entry->path, "/"), entry->path, one->name);
    if (clo_buffer_string(&key) == NULL)
        return clo_out_of_memory(err);
    if (!accepted(store, one->kind, clo_buffer_string(&key), &before, err))
        return false;
    if (one->version < before && !entry->accepts_older)
        return refuse(one->what, one->name, one->version, before, err);
    return one->version == before ||
           remember(store, one->kind, clo_buffer_string(&key), one->version, entry->now, err);
}

/* Of several sets of one name, as an update brings them for the running image and the next one, the oldest counts: in either
 * order, and also when the same are brought again. */
static uint64_t oldest_version(const struct clo_terms *terms, const char *name)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < terms->reference_count; i++) {
        uint64_t version = clo_reference_version(terms->references[i]);
        if (strcmp(clo_reference_name(terms->references[i]), name) == 0 && version < oldest)
            oldest = version;
    }
    return oldest;
}

bool store_accept_versions(struct clo_store *store, const struct clo_store_entry *entry,
                           const struct clo_terms *terms, struct clo_error *err)
{
    const struct counted policy = { "policy", "policy", clo_policy_name(terms->policy),
                                    clo_policy_version(terms->policy) };

    if (!accept_one(store, entry, &policy, err))
        return false;
    for (size_t i = 0; i < terms->reference_count; i++) {
        const char *name = clo_reference_name(terms->references[i]);
        const struct counted set = { "reference", "reference values", name,
                                     oldest_version(terms, name) };
        if (!accept_one(store, entry, &set, err))
            return false;
    }
    return true;
}

static bool accept_endorsements(struct clo_store *store, const char *key, uint64_t made,
                                int64_t now, struct clo_error *err)
{
    uint64_t before;

    if (!accepted(store, "endorsements", key, &before, err))
        return false;
    if (made < before)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "bundle: a newer one, made %llu seconds later, was used before",
                        (unsigned long long)(before - made));
    return made == before || remember(store, "endorsements", key, made, now, err);
}

bool clo_store_accept_endorsements(struct clo_store *store, const struct clo_digest *key,
                                   int64_t made, int64_t now, struct clo_error *err)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    if (made < 0)
        return clo_fail(err, CLO_ERR_REFUSED, "bundle: is dated before 1970");
    clo_hex_text(clo_digest_bytes(key), hex);
    return clo_store_begin(store, err) &&
           clo_store_end(store, accept_endorsements(store, hex, (uint64_t)made, now, err), err);
}
