/* The highest version that was accepted of each set of reference values, and of each policy, by its name.
 *
 * A set that is signed well stays signed well after a newer one took its place. Who brings files to the owner, or to the
 * program that installs them, chooses among all that were ever signed; so the store remembers how far each name has come,
 * also once nothing of it is registered any more. It is the name's, not its signer's: another signature, or none, is not a way around it. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "verifier/store/store_internal.h"

/* What is counted: kind and name are the key. */
struct counted {
    const char *kind, *what, *name;
    uint64_t version;
    char digest[2 * CLO_HASH_SIZE_MAX + 1]; /* of its content, in hex; "": it is not held to any */
};

/* What was accepted of that kind and name; version 0: nothing. */
struct accepted {
    uint64_t version;
    char digest[2 * CLO_HASH_SIZE_MAX + 1];
};

static bool find(struct clo_store *store, const char *kind, const char *name, struct accepted *out,
                 struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    *out = (struct accepted){ 0 };
    if (!store_prepare(store, "SELECT version, digest FROM versions WHERE kind = ? AND name = ?",
                       &statement, err))
        return false;
    bind_text(statement, 1, kind);
    bind_text(statement, 2, name);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        out->version = (uint64_t)sqlite3_column_int64(statement, 0);
        snprintf(out->digest, sizeof out->digest, "%s", column_text(statement, 1));
    }
    return result == SQLITE_ROW || result == SQLITE_DONE || fail_sql(store, err);
}

static bool remember(struct clo_store *store, const char *name, const struct counted *one,
                     int64_t now, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "INSERT INTO versions (kind, name, version, time, digest)"
                       " VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE"
                       " SET version = excluded.version, time = excluded.time,"
                       " digest = excluded.digest",
                       &statement, err))
        return false;
    bind_text(statement, 1, one->kind);
    bind_text(statement, 2, name);
    sqlite3_bind_int64(statement, 3, (int64_t)one->version);
    sqlite3_bind_int64(statement, 4, now);
    bind_text(statement, 5, one->digest);
    return run(store, statement, err);
}

static bool is_other(const struct counted *one, const struct accepted *before)
{
    return one->version == before->version && one->version != 0 && one->digest[0] != '\0' &&
           before->digest[0] != '\0' && strcmp(one->digest, before->digest) != 0;
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

/* A name is counted within the first part of the path, which is what administrators' roles are confined to: who may put under
 * another one neither sets this one's back nor keeps it from going on. */
static bool accept_one(struct clo_store *store, const struct clo_store_entry *entry,
                       const struct counted *one, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    struct accepted before;

    clo_buffer_printf(&key, "%.*s/%s", (int)strcspn(entry->path, "/"), entry->path, one->name);
    if (clo_buffer_string(&key) == NULL)
        return clo_out_of_memory(err);
    if (!find(store, one->kind, clo_buffer_string(&key), &before, err))
        return false;
    if (one->version < before.version && !entry->accepts_older)
        return refuse(one->what, one->name, one->version, before.version, err);
    if (is_other(one, &before) && !entry->accepts_older)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s \"%.80s\": another one of version %llu was accepted before", one->what,
                        one->name, (unsigned long long)one->version);
    return (one->version == before.version && strcmp(one->digest, before.digest) == 0) ||
           remember(store, clo_buffer_string(&key), one, entry->now, err);
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
    struct counted policy = { "policy", "policy", clo_policy_name(terms->policy),
                              clo_policy_version(terms->policy), "" };

    if (policy.version != 0)
        clo_hex_text(clo_digest_bytes(clo_policy_fingerprint(terms->policy)), policy.digest);
    if (!accept_one(store, entry, &policy, err))
        return false;
    for (size_t i = 0; i < terms->reference_count; i++) {
        const char *name = clo_reference_name(terms->references[i]);
        const struct counted set = { "reference", "reference values", name,
                                     oldest_version(terms, name), "" };
        if (!accept_one(store, entry, &set, err))
            return false;
    }
    return true;
}

static bool accept_endorsements(struct clo_store *store, const char *key, const struct counted *one,
                                int64_t now, struct clo_error *err)
{
    struct accepted before;

    if (!find(store, one->kind, key, &before, err))
        return false;
    if (one->version < before.version)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "bundle: a newer one, made %llu seconds later, was used before",
                        (unsigned long long)(before.version - one->version));
    if (is_other(one, &before))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "bundle: another one, made in the same second, was used before");
    return one->version == before.version || remember(store, key, one, now, err);
}

bool clo_store_accept_endorsements(struct clo_store *store, const struct clo_digest *key,
                                   int64_t made, const struct clo_digest *content, int64_t now,
                                   struct clo_error *err)
{
    struct counted one = { "endorsements", "bundle", "", (uint64_t)made, "" };
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    if (made < 0)
        return clo_fail(err, CLO_ERR_REFUSED, "bundle: is dated before 1970");
    clo_hex_text(clo_digest_bytes(key), hex);
    clo_hex_text(clo_digest_bytes(content), one.digest);
    return clo_store_begin(store, err) &&
           clo_store_end(store, accept_endorsements(store, hex, &one, now, err), err);
}
