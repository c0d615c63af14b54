#include "verifier/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "device/file.h"

#include "verifier/store_internal.h"

#define BUSY_MS        10000
#define SCHEMA_VERSION 3
#define KEY_FILE_LIMIT 16384

/* Whether a guest must name the resource, whether it gets it more than once in a boot, what becomes of a second
 * holder, and how long (seconds; 0: until it is given up) the first one holds. */
#define SHARED_COLUMN        "shared INTEGER NOT NULL DEFAULT 0"
#define RELEASES_COLUMN      "releases TEXT NOT NULL DEFAULT 'once-per-boot'"
#define SECOND_HOLDER_COLUMN "second_holder TEXT"
#define LEASE_COLUMN         "lease INTEGER NOT NULL DEFAULT 0"
#define RELEASES_TABLE                                                                          \
    "CREATE TABLE releases (id INTEGER PRIMARY KEY, path TEXT NOT NULL, time INTEGER NOT NULL," \
    " session TEXT NOT NULL, tee TEXT NOT NULL, instance TEXT NOT NULL, boot TEXT NOT NULL,"    \
    " resets INTEGER, restarts INTEGER, tee_key TEXT NOT NULL) STRICT;"                         \
    "CREATE INDEX releases_of_path ON releases (path, boot);"                                   \
    "CREATE INDEX releases_of_boot ON releases (boot);"
/* A lease that was given up: the machine holds it no more, and its boot got it all the same. */
#define GIVEN_UP_COLUMN "ALTER TABLE releases ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;"
/* The last generation of each disk that was ever registered, by its volume key: it outlives the resource. */
#define GENERATIONS_TABLE \
    "CREATE TABLE generations (volume_key TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT;"

static const char schema[] =
        "CREATE TABLE terms (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
        " policy TEXT NOT NULL, reference_values TEXT NOT NULL) STRICT;"
        "CREATE TABLE resources (path TEXT PRIMARY KEY, secret BLOB NOT NULL,"
        " terms INTEGER NOT NULL REFERENCES terms, created INTEGER NOT NULL,"
        " disk TEXT, generation INTEGER, " SHARED_COLUMN ", " RELEASES_COLUMN
        ", " SECOND_HOLDER_COLUMN ", " LEASE_COLUMN
        ") STRICT;" RELEASES_TABLE GIVEN_UP_COLUMN GENERATIONS_TABLE
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, action TEXT NOT NULL,"
        " verdict TEXT NOT NULL, session TEXT NOT NULL, tee TEXT NOT NULL, resource TEXT,"
        " detail TEXT NOT NULL) STRICT;"
        "PRAGMA user_version = 3;";

/* Version 1 knew nothing of disks, holders and boots. What it had is for one machine: a guest that does not name it
 * gets it no more. */
static const char schema_from_1[] =
        "ALTER TABLE resources ADD COLUMN disk TEXT;"
        "ALTER TABLE resources ADD COLUMN generation INTEGER;"
        "ALTER TABLE resources ADD COLUMN " SHARED_COLUMN ";"
        "ALTER TABLE resources ADD COLUMN " RELEASES_COLUMN ";"
        "ALTER TABLE resources ADD COLUMN " SECOND_HOLDER_COLUMN ";"
        "ALTER TABLE resources ADD COLUMN " LEASE_COLUMN ";" RELEASES_TABLE;
/* Version 2 forgot both with the lease and with the resource. */
static const char schema_from_2[] = GIVEN_UP_COLUMN GENERATIONS_TABLE "PRAGMA user_version = 3;";

/* --- Opening --- */

static bool make_folder(const char *folder, struct clo_error *err)
{
    struct stat status;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a folder", folder);
    if ((status.st_mode & 077) != 0 || status.st_uid != geteuid())
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: holds secrets and must be yours alone: chmod 700", folder);
    return true;
}

static bool check_schema(const struct clo_store *store, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!prepare(store, "PRAGMA user_version", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    int version = sqlite3_column_int(statement, 0);
    if (version < 0 || version > SCHEMA_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: database: version %d, made by another release", store->folder,
                        version);
    finalize(&statement);
    if (version == 0)
        return execute(store, schema, err);
    return (version > 1 || execute(store, schema_from_1, err)) &&
           (version > 2 || execute(store, schema_from_2, err));
}

static bool open_database(struct clo_store *store, struct clo_error *err)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/store.db", store->folder);
    /* Made here, so that SQLite's own files next to it get the same mode. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    close(fd);
    if (sqlite3_open_v2(path, &store->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path,
                        store->database == NULL ? "out of memory"
                                                : sqlite3_errmsg(store->database));
    sqlite3_busy_timeout(store->database, BUSY_MS);
    /* Two programs may find the folder empty at once: the schema is made under a lock. */
    if (!execute(store,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                 "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; BEGIN IMMEDIATE",
                 err))
        return false;
    if (check_schema(store, err))
        return execute(store, "COMMIT", err);
    struct clo_error ignored;
    (void)!execute(store, "ROLLBACK", &ignored);
    return false;
}

bool clo_store_open(const char *folder, struct clo_store **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = calloc(1, sizeof *store);

    if (store == NULL || (store->folder = strdup(folder)) == NULL)
        return clo_out_of_memory(err);
    if (!make_folder(folder, err) || !open_database(store, err))
        return false;
    *out = CLO_TAKE(store);
    return true;
}

void clo_store_free(struct clo_store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->database);
    free(store->folder);
    free(store);
}

void clo_store_freep(struct clo_store **store)
{
    clo_store_free(*store);
    *store = NULL;
}

/* --- Terms --- */

void clo_terms_free(struct clo_terms *terms)
{
    clo_policy_free(terms->policy);
    for (size_t i = 0; i < terms->reference_count; i++)
        clo_reference_free(terms->references[i]);
    *terms = (struct clo_terms){ 0 };
}

static bool parse_terms(const char *policy, const char *references, struct clo_terms *out,
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

bool clo_store_next_terms(struct clo_store *store, int64_t after, struct clo_terms *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
    struct clo_error why;

    err->status = CLO_OK;
    if (!prepare(store,
                 "SELECT id, policy, reference_values, digest FROM terms WHERE id > ?"
                 " ORDER BY id LIMIT 1",
                 &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, after);
    int result = sqlite3_step(statement);
    if (result == SQLITE_DONE)
        return false;
    if (result != SQLITE_ROW)
        return fail_sql(store, err);
    terms.id = sqlite3_column_int64(statement, 0);
    snprintf(terms.digest, sizeof terms.digest, "%s", column_text(statement, 3));
    /* They could be read when they were put: what is wrong now is ours, and not for who asks. */
    if (!parse_terms(column_text(statement, 1), column_text(statement, 2), &terms, &why))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: terms %lld: %s", store->folder,
                        (long long)terms.id, why.text);
    *out = terms;
    terms = (struct clo_terms){ 0 };
    return true;
}

/* The same policy and references are the same terms. */
static bool put_terms(struct clo_store *store, const struct clo_store_entry *entry, int64_t *id,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer references = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    CLO_CLEANUP(clo_terms_free) struct clo_terms parsed = { 0 };
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest digest;

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
    if (!parse_terms(policy_text, references_text, &parsed, err))
        return false;
    struct clo_bytes parts[] = { clo_bytes(policy_text, policy.size + 1),
                                 clo_bytes(references_text, references.size) };
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    if (!prepare(store,
                 "INSERT INTO terms (digest, policy, reference_values) VALUES (?, ?, ?)"
                 " ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id",
                 &statement, err))
        return false;
    bind_text(statement, 1, hex);
    bind_text(statement, 2, policy_text);
    bind_text(statement, 3, references_text);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *id = sqlite3_column_int64(statement, 0);
    return run(store, statement, err);
}

/* --- Resources --- */

/* One key for two disks makes them exchangeable: the holder of both may show one as the other. */
static bool check_secret_is_new(struct clo_store *store, const struct clo_store_entry *entry,
                                struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (entry->may_repeat_secret)
        return true;
    if (!prepare(store, "SELECT path FROM resources WHERE secret = ? AND path <> ? LIMIT 1",
                 &statement, err))
        return false;
    sqlite3_bind_blob(statement, 1, entry->secret.data, (int)entry->secret.size, SQLITE_STATIC);
    bind_text(statement, 2, entry->path);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "resource \"%s\": the same secret is registered as \"%.200s\": two disks "
                        "under one key can be exchanged; --same-secret if that is meant",
                        entry->path, column_text(statement, 0));
    return result == SQLITE_DONE || fail_sql(store, err);
}

/* The disk without its generation, which has a column of its own and only rises. */
static bool disk_text(const struct clo_disk_identity *disk, struct clo_buffer *out,
                      struct clo_error *err)
{
    struct clo_disk_identity still = *disk;

    still.generation = 0;
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_disk_identity_json(&still);
    return json == NULL ? clo_out_of_memory(err) : clo_json_write(json, out, err);
}

/* What this path's disk has come to is written down before the row goes, or is another disk's. */
static bool remember_generation(struct clo_store *store, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!prepare(store,
                 "INSERT INTO generations (volume_key, generation)"
                 " SELECT json_extract(disk, '$.volume_key_hmac'), generation FROM resources"
                 " WHERE path = ? AND disk IS NOT NULL"
                 " ON CONFLICT (volume_key) DO UPDATE"
                 " SET generation = max(generation, excluded.generation)",
                 &statement, err))
        return false;
    bind_text(statement, 1, path);
    return run(store, statement, err);
}

static bool forget_generation(struct clo_store *store, const char *key, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!prepare(store, "DELETE FROM generations WHERE volume_key = ?", &statement, err))
        return false;
    bind_text(statement, 1, key);
    return run(store, statement, err);
}

/* At least what was ever seen of this disk, unless the owner takes an older copy of it on purpose. */
static bool find_generation(struct clo_store *store, const struct clo_store_entry *entry,
                            uint64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    char key[2 * CLO_HASH_SIZE_MAX + 1];

    *out = entry->disk->generation;
    clo_hex_text(clo_digest_bytes(&entry->disk->volume_key), key);
    if (entry->forgets_generation)
        return forget_generation(store, key, err);
    if (!prepare(store,
                 "SELECT coalesce(max(generation), 0) FROM"
                 " (SELECT generation FROM generations WHERE volume_key = ?1 UNION ALL"
                 "  SELECT generation FROM resources"
                 "   WHERE json_extract(disk, '$.volume_key_hmac') = ?1)",
                 &statement, err))
        return false;
    bind_text(statement, 1, key);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    uint64_t seen = (uint64_t)sqlite3_column_int64(statement, 0);
    *out = seen > *out ? seen : *out;
    return true;
}

static bool put_resource(struct clo_store *store, const struct clo_store_entry *entry,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    uint64_t generation = 0;
    int64_t terms;

    if (!check_secret_is_new(store, entry, err) || !remember_generation(store, entry->path, err) ||
        (entry->disk != NULL && (!disk_text(entry->disk, &disk, err) ||
                                 !find_generation(store, entry, &generation, err))) ||
        !put_terms(store, entry, &terms, err) ||
        !prepare(store,
                 "INSERT INTO resources (path, secret, terms, created, disk, generation, shared,"
                 " releases, second_holder, lease) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT (path) DO UPDATE SET secret = excluded.secret,"
                 " terms = excluded.terms, created = excluded.created,"
                 " generation = excluded.generation, disk = excluded.disk, shared = "
                 "excluded.shared, releases = excluded.releases,"
                 " second_holder = excluded.second_holder, lease = excluded.lease",
                 &statement, err))
        return false;
    bind_text(statement, 1, entry->path);
    sqlite3_bind_blob(statement, 2, entry->secret.data, (int)entry->secret.size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, terms);
    sqlite3_bind_int64(statement, 4, entry->now);
    if (entry->disk != NULL) {
        bind_text(statement, 5, clo_buffer_string(&disk));
        sqlite3_bind_int64(statement, 6, (int64_t)generation);
    }
    sqlite3_bind_int(statement, 7, entry->is_shared);
    bind_text(statement, 8, entry->any_releases ? ANY_RELEASES : ONCE_PER_BOOT);
    if (entry->second_holder != CLO_SECOND_HOLDER_DEFAULT)
        bind_text(statement, 9, clo_second_holder_name(entry->second_holder));
    sqlite3_bind_int64(statement, 10, entry->lease_seconds);
    return run(store, statement, err);
}

/* --- Transactions --- */

bool clo_store_begin(struct clo_store *store, struct clo_error *err)
{
    return execute(store, "BEGIN IMMEDIATE", err);
}

bool clo_store_end(struct clo_store *store, bool ok, struct clo_error *err)
{
    struct clo_error ignored;

    if (ok && execute(store, "COMMIT", err))
        return true;
    (void)!execute(store, "ROLLBACK", &ignored);
    return false;
}

static const char drop_unused_terms[] =
        "DELETE FROM terms WHERE id NOT IN (SELECT terms FROM resources)";

static bool finish(struct clo_store *store, bool ok, struct clo_error *err)
{
    return clo_store_end(store, ok && execute(store, drop_unused_terms, err), err);
}

bool clo_store_put(struct clo_store *store, const struct clo_store_entry *entry,
                   struct clo_error *err)
{
    if (!clo_resource_check(entry->path, err))
        return false;
    if (entry->secret.size == 0 || entry->secret.size > CLO_STORE_SECRET_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "secret: %zu bytes, 1 to %zu are allowed",
                        entry->secret.size, CLO_STORE_SECRET_MAX);
    return execute(store, "BEGIN IMMEDIATE", err) &&
           finish(store, put_resource(store, entry, err), err);
}

static bool delete_resource(struct clo_store *store, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!remember_generation(store, path, err) ||
        !prepare(store, "DELETE FROM resources WHERE path = ?", &statement, err))
        return false;
    bind_text(statement, 1, path);
    return run(store, statement, err) &&
           (sqlite3_changes(store->database) == 1 || fail_none(path, err));
}

bool clo_store_remove(struct clo_store *store, const char *path, struct clo_error *err)
{
    return execute(store, "BEGIN IMMEDIATE", err) &&
           finish(store, delete_resource(store, path, err), err);
}

void clo_store_resource_free(struct clo_store_resource *resource)
{
    clo_secret_free(resource->secret);
    *resource = (struct clo_store_resource){ 0 };
}

static bool read_resource(sqlite3_stmt *statement, const char *path, struct clo_store_resource *out,
                          struct clo_error *err)
{
    const void *data = sqlite3_column_blob(statement, 1);
    size_t size = (size_t)sqlite3_column_bytes(statement, 1);

    if (data == NULL || size == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "resource \"%.200s\": empty", path);
    snprintf(out->terms, sizeof out->terms, "%s", column_text(statement, 0));
    out->is_shared = sqlite3_column_int(statement, 2) != 0;
    out->any_releases = strcmp(column_text(statement, 3), ANY_RELEASES) == 0;
    out->second_holder = clo_second_holder_from_name(column_text(statement, 4));
    out->lease_seconds = sqlite3_column_int64(statement, 5);
    return clo_secret_copy(clo_bytes(data, size), &out->secret, err);
}

bool clo_store_get(struct clo_store *store, const char *path, struct clo_store_resource *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!prepare(store,
                 "SELECT digest, secret, shared, releases, second_holder, lease FROM resources"
                 " JOIN terms ON terms.id = resources.terms WHERE path = ?",
                 &statement, err))
        return false;
    return find_row(store, statement, path, err) && read_resource(statement, path, out, err);
}

/* --- Disks --- */

bool clo_store_disk(struct clo_store *store, const char *path, bool *has_disk,
                    struct clo_disk_identity *disk, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (!prepare(store, "SELECT disk, generation FROM resources WHERE path = ?", &statement, err))
        return false;
    if (!find_row(store, statement, path, err))
        return false;
    *has_disk = sqlite3_column_type(statement, 0) != SQLITE_NULL;
    if (!*has_disk)
        return true;
    if (!clo_json_parse(clo_bytes_text(column_text(statement, 0)), &json, err) ||
        !clo_disk_identity_from_json(json, disk, err))
        return clo_wrap(err, "resource \"%.200s\": disk", path);
    disk->generation = (uint64_t)sqlite3_column_int64(statement, 1);
    return true;
}

bool clo_store_raise_generation(struct clo_store *store, const char *path, uint64_t generation,
                                struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    struct clo_disk_identity disk;
    bool has_disk;

    if (generation > CLO_DISK_GENERATION_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "generation %llu is out of range",
                        (unsigned long long)generation);
    if (!prepare(store, "UPDATE resources SET generation = ?1 WHERE path = ?2 AND generation < ?1",
                 &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, (int64_t)generation);
    bind_text(statement, 2, path);
    if (!run(store, statement, err))
        return false;
    if (sqlite3_changes(store->database) == 1)
        return true;
    if (!clo_store_disk(store, path, &has_disk, &disk, err))
        return false;
    if (!has_disk)
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%.200s\": no disk is registered with it",
                        path);
    return clo_fail(err, CLO_ERR_REFUSED,
                    "disk: generation %llu is not new, %llu was seen: another copy of this disk "
                    "was used",
                    (unsigned long long)generation, (unsigned long long)disk.generation);
}

static json_t *names_of(const struct clo_terms *terms)
{
    json_t *names = json_array();

    for (size_t i = 0; i < terms->reference_count; i++)
        json_array_append_new(names, json_string(clo_reference_name(terms->references[i])));
    return names;
}

/* What is registered of its disk, if there is one, with the last generation that was seen. */
static bool add_disk(sqlite3_stmt *statement, int column, json_t *entry)
{
    CLO_CLEANUP(clo_json_freep) json_t *disk = NULL;
    struct clo_error ignored;

    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return true;
    return clo_json_parse(clo_bytes_text(column_text(statement, column)), &disk, &ignored) &&
           json_object_set_new(disk, "generation",
                               json_integer(sqlite3_column_int64(statement, column + 1))) == 0 &&
           json_object_set(entry, "disk", disk) == 0;
}

/* The five columns from `at` on. */
static bool add_rules(sqlite3_stmt *statement, int at, json_t *entry, struct clo_error *err)
{
    const char *second = sqlite3_column_type(statement, at + 2) == SQLITE_NULL
                                 ? NULL
                                 : column_text(statement, at + 2);
    CLO_CLEANUP(clo_json_freep)
    json_t *rules =
            json_pack("{s:b, s:s, s:s*, s:I, s:I}", "shared", sqlite3_column_int(statement, at),
                      "releases", column_text(statement, at + 1), "second_holder", second,
                      "lease_seconds", (json_int_t)sqlite3_column_int64(statement, at + 3),
                      "holders", (json_int_t)sqlite3_column_int64(statement, at + 4));

    return (entry != NULL && rules != NULL && json_object_update(entry, rules) == 0) ||
           clo_out_of_memory(err);
}

bool clo_store_list(struct clo_store *store, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    int result;

    if (!prepare(store,
                 "SELECT path, length(secret), created, policy, reference_values, disk, generation,"
                 " shared, releases, second_holder, lease,"
                 " (SELECT count(DISTINCT instance) FROM releases WHERE path = resources.path"
                 "  AND given_up = 0)"
                 " FROM resources"
                 " JOIN terms ON terms.id = resources.terms ORDER BY path",
                 &statement, err))
        return false;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
        if (!parse_terms(column_text(statement, 3), column_text(statement, 4), &terms, err))
            return clo_wrap(err, "%s", column_text(statement, 0));
        json_t *entry =
                json_pack("{s:s, s:I, s:o, s:s, s:o}", "path", column_text(statement, 0), "bytes",
                          (json_int_t)sqlite3_column_int64(statement, 1), "created",
                          clo_json_time(sqlite3_column_int64(statement, 2)), "policy",
                          clo_policy_name(terms.policy), "references", names_of(&terms));
        if (!add_rules(statement, 7, entry, err)) {
            json_decref(entry);
            return false;
        }
        if (clo_policy_accept_weak(terms.policy)[0] != '\0' &&
            json_object_set_new(entry, "accept_weak",
                                json_string(clo_policy_accept_weak(terms.policy))) != 0)
            return clo_out_of_memory(err);
        if (!add_disk(statement, 5, entry) || json_array_append_new(list, entry) != 0)
            return clo_out_of_memory(err);
    }
    if (result != SQLITE_DONE)
        return fail_sql(store, err);
    *out = CLO_TAKE(list);
    return true;
}

/* --- Audit --- */

bool clo_store_audit(struct clo_store *store, const struct clo_audit *entry, struct clo_error *err)
{
    CLO_CLEANUP(finalize) sqlite3_stmt *statement = NULL;

    if (!prepare(store,
                 "INSERT INTO audit (time, action, verdict, session, tee, resource, detail)"
                 " VALUES (?, ?, ?, ?, ?, ?, ?)",
                 &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, entry->time);
    bind_text(statement, 2, entry->action);
    bind_text(statement, 3, entry->verdict);
    bind_text(statement, 4, entry->session);
    bind_text(statement, 5, entry->tee);
    if (entry->resource != NULL)
        bind_text(statement, 6, entry->resource);
    bind_text(statement, 7, entry->detail);
    return run(store, statement, err) || clo_wrap(err, "audit trail");
}

/* --- Keys --- */

static bool make_key(const char *key_path, const char *public_path, enum clo_key_kind kind,
                     struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer public_pem = { 0 };

    /* The private half last: once it is there, everything is. */
    if (!clo_private_key_new(kind, 0, &key, err) || !clo_private_key_public(key, &public, err) ||
        !clo_public_key_spki(public, &der, err) ||
        !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&der), &public_pem, err) ||
        !clo_private_key_pem(key, &pem, err) ||
        !clo_file_write(public_path, clo_buffer_bytes(&public_pem), 0644, err) ||
        !clo_file_write(key_path, clo_secret_bytes(pem), 0600, err))
        return false;
    *out = CLO_TAKE(key);
    return true;
}

bool clo_store_key(const struct clo_store *store, const char *name, enum clo_key_kind kind,
                   struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    char path[4200], public_path[4200];

    snprintf(path, sizeof path, "%s/%s.key", store->folder, name);
    snprintf(public_path, sizeof public_path, "%s/%s.pem", store->folder, name);
    /* One at a time: two programs must not make two keys. */
    if (!execute(store, "BEGIN IMMEDIATE", err))
        return false;
    bool ok = access(path, F_OK) != 0 && errno == ENOENT
                      ? make_key(path, public_path, kind, &key, err)
                      : clo_file_read_secret(path, KEY_FILE_LIMIT, &pem, err) &&
                                (clo_private_key_from_pem(clo_secret_bytes(pem), &key, err) ||
                                 clo_wrap(err, "%s", path));
    struct clo_error ignored;
    (void)!execute(store, "ROLLBACK", &ignored);
    if (!ok)
        return false;
    if (clo_private_key_kind(key) != kind)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: a key of another kind", path);
    *out = CLO_TAKE(key);
    return true;
}
