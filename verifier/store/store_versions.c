/* The highest version that was accepted of each set of reference values, and of each policy, by its name.
 *
 * A set that is signed well stays signed well after a newer one took its place. Who brings files to the owner, or to the
 * program that installs them, chooses among all that were ever signed; so the store remembers how far each name has come,
 * also once nothing of it is registered any more. It is the name's, not its signer's: another signature, or none, is not a way around it. */
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

bool store_accept_version(struct clo_store *store, const struct store_versioned *versioned,
                          bool accepts_older, int64_t now, struct clo_error *err)
{
    uint64_t before, version = versioned->version;

    if (!accepted(store, versioned->kind, versioned->name, &before, err))
        return false;
    if (version < before && !accepts_older)
        return refuse(versioned->what, versioned->name, version, before, err);
    return version == before ||
           remember(store, versioned->kind, versioned->name, version, now, err);
}

bool store_accept_versions(struct clo_store *store, const struct clo_terms *terms,
                           bool accepts_older, int64_t now, struct clo_error *err)
{
    const struct store_versioned policy = { .kind = "policy",
                                            .what = "policy",
                                            .name = clo_policy_name(terms->policy),
                                            .version = clo_policy_version(terms->policy) };

    if (!store_accept_version(store, &policy, accepts_older, now, err))
        return false;
    for (size_t i = 0; i < terms->reference_count; i++) {
        const struct store_versioned set = { .kind = "reference",
                                             .what = "reference values",
                                             .name = clo_reference_name(terms->references[i]),
                                             .version =
                                                     clo_reference_version(terms->references[i]) };
        if (!store_accept_version(store, &set, accepts_older, now, err))
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
