/* Terms: policies with their reference values, each stored once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"

#include "verifier/store/store_internal.h"

void clo_terms_free(struct clo_terms *terms)
{
    clo_policy_free(terms->policy);
    for (size_t i = 0; i < terms->reference_count; i++)
        clo_reference_free(terms->references[i]);
    *terms = (struct clo_terms){ 0 };
}

bool store_parse_terms(const char *policy, const char *references, struct clo_terms *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    json_t *entry;
    size_t i;

    if (!clo_policy_parse(clo_bytes_text(policy), &out->policy, err) ||
        !clo_json_parse(clo_bytes_text(references), &list, err))
        return false;
    json_array_foreach (list, i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        if (i == CLO_STORE_REFERENCES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d references",
                            CLO_STORE_REFERENCES_MAX);
        if (!clo_json_write(entry, &text, err) ||
            !clo_reference_parse(clo_buffer_bytes(&text), &out->references[i], err))
            return clo_wrap(err, "reference %zu", i);
        out->reference_count++;
    }
    return true;
}

/* The digest of policy and references, in hex: the same text is the same terms. */
static void name_terms(const char *policy, const char *references, char out[65])
{
    const struct clo_bytes parts[] = { clo_bytes(policy, strlen(policy) + 1),
                                       clo_bytes_text(references) };
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    snprintf(out, 65, "%.64s", clo_hex_text(clo_digest_bytes(&digest), hex));
}

/* Of the row that the statement stands on: id, policy, references, digest. */
static bool read_terms(const struct clo_store *store, sqlite3_stmt *statement,
                       struct clo_terms *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    struct clo_error why;
    char name[65];

    terms.id = sqlite3_column_int64(statement, 0);
    snprintf(terms.digest, sizeof terms.digest, "%s", column_text(statement, 3));
    /* Secrets are sealed to the digest: the text must be what it says. */
    name_terms(column_text(statement, 1), column_text(statement, 2), name);
    if (strcmp(name, terms.digest) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: terms %lld: are not those of their digest",
                        store->folder, (long long)terms.id);
    /* They could be read when they were put: what is wrong now is ours, and not for who asks. */
    if (!store_parse_terms(column_text(statement, 1), column_text(statement, 2), &terms, &why))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: terms %lld: %s", store->folder,
                        (long long)terms.id, why.text);
    *out = terms;
    terms = (struct clo_terms){ 0 };
    return true;
}

bool clo_store_terms(struct clo_store *store, int64_t id, struct clo_terms *out,
                     struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT id, policy, reference_values, digest FROM terms WHERE id = ?",
                       &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, id);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return clo_fail(err, CLO_ERR_REFUSED, "terms %lld: there are none", (long long)id);
    return result == SQLITE_ROW ? read_terms(store, statement, out, err) : fail_sql(store, err);
}

enum clo_next clo_store_next_terms(struct clo_store *store, int64_t after, struct clo_terms *out,
                                   struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "SELECT id, policy, reference_values, digest FROM terms WHERE id > ?"
                       " ORDER BY id LIMIT 1",
                       &statement, err))
        return CLO_NEXT_FAILED;
    sqlite3_bind_int64(statement, 1, after);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return CLO_NEXT_END;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    return read_terms(store, statement, out, err) ? CLO_NEXT_ITEM : CLO_NEXT_FAILED;
}

bool clo_store_terms_version(struct clo_store *store, uint64_t *out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT value FROM counts WHERE name = 'terms'", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = (uint64_t)sqlite3_column_int64(statement, 0);
    return true;
}

static bool add_row(sqlite3_stmt *statement, struct clo_store_terms_row **rows, size_t *count,
                    struct clo_error *err)
{
    /* Room for twice as many whenever the number is a power of two. */
    if ((*count & (*count - 1)) == 0) {
        struct clo_store_terms_row *more =
                reallocarray(*rows, *count == 0 ? 1 : 2 * *count, sizeof *more);
        if (more == NULL)
            return clo_out_of_memory(err);
        *rows = more;
    }
    struct clo_store_terms_row *row = &(*rows)[(*count)++];
    row->id = sqlite3_column_int64(statement, 0);
    snprintf(row->digest, sizeof row->digest, "%s", column_text(statement, 1));
    return true;
}

bool clo_store_terms_rows(struct clo_store *store, uint64_t *version,
                          struct clo_store_terms_row **out, size_t *count, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_freep) struct clo_store_terms_row *rows = NULL;
    size_t found = 0;
    int result;

    /* The version first: what changes between the two is read once more. */
    if (!clo_store_terms_version(store, version, err) ||
        !store_prepare(store, "SELECT id, digest FROM terms ORDER BY id", &statement, err))
        return false;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        if (!add_row(statement, &rows, &found, err))
            return false;
    if (result != SQLITE_DONE)
        return fail_sql(store, err);
    *out = CLO_TAKE(rows);
    *count = found;
    return true;
}

/* The same policy and references are the same terms. */
bool store_put_terms(struct clo_store *store, const struct clo_store_entry *entry, int64_t *id,
                     char digest_text[65], struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer references = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    CLO_CLEANUP(clo_terms_free) struct clo_terms parsed = { 0 };
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    for (size_t i = 0; i < entry->reference_count; i++) {
        json_t *reference;
        if (!clo_json_parse(entry->references[i], &reference, err) ||
            json_array_append_new(list, reference) != 0)
            return clo_wrap(err, "reference %zu", i);
    }
    clo_buffer_append(&policy, entry->policy);
    if (!clo_json_write(list, &references, err))
        return false;
    const char *policy_text = clo_buffer_string(&policy);
    const char *references_text = clo_buffer_string(&references);
    if (policy_text == NULL || references_text == NULL)
        return clo_out_of_memory(err);
    if (!store_parse_terms(policy_text, references_text, &parsed, err))
        return false;
    name_terms(policy_text, references_text, digest_text);
    if (!store_accept_versions(store, entry, &parsed, err) ||
        !store_prepare(store,
                       "INSERT INTO terms (digest, policy, reference_values) VALUES (?, ?, ?)"
                       " ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id",
                       &statement, err))
        return false;
    bind_text(statement, 1, digest_text);
    bind_text(statement, 2, policy_text);
    bind_text(statement, 3, references_text);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *id = sqlite3_column_int64(statement, 0);
    return run(store, statement, err);
}
