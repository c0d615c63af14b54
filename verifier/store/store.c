#include "verifier/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/encoding.h"

#include "verifier/store/store_internal.h"

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

/* By its name, or the one that it was to get when its writer was killed: NAME.XXXXXX.part. */
static bool names_public(const char *name)
{
    static const char *const suffixes[] = { ".pem", ".crt" };
    static const char part[] = ".XXXXXX.part";
    size_t size = strlen(name);

    if (size > strlen(part) && strcmp(name + size - 5, ".part") == 0)
        size -= strlen(part);
    for (size_t i = 0; i < CLO_COUNT(suffixes); i++)
        if (size > 4 && strncmp(name + size - 4, suffixes[i], 4) == 0)
            return true;
    return false;
}

/* Each file by itself: a folder that was open for a while may have let others make or link one. */
static bool check_file(int folder, const char *name, struct clo_error *err)
{
    struct stat status;
    bool is_public = names_public(name);

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", name, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return true;
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
        return clo_fail(err, CLO_ERR_REFUSED, "%s: must be a file of your own", name);
    if ((status.st_mode & (is_public ? 022 : 077)) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "%s: others can %s it: chmod 600", name,
                        is_public ? "write" : "read");
    return true;
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL)
        closedir(*folder);
}

static bool check_files(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(close_folder) DIR *folder = opendir(path);
    const struct dirent *entry;

    if (folder == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' && !check_file(dirfd(folder), entry->d_name, err))
            return clo_wrap(err, "%s", path);
    return true;
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
    sqlite3_busy_timeout(store->database, STORE_BUSY_MS);
    /* Two programs may find the folder empty at once: the schema is made under a lock. */
    if (!execute(store,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                 "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; BEGIN IMMEDIATE",
                 err))
        return false;
    if (store_schema_bring_up(store, err))
        return execute(store, "COMMIT", err);
    struct clo_error ignored;
    (void)!execute(store, "ROLLBACK", &ignored);
    return false;
}

static void make_lock(struct clo_store *store)
{
    pthread_mutexattr_t recursive;

    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&store->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
}

bool clo_store_open(const char *folder, struct clo_store **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return clo_out_of_memory(err);
    make_lock(store);
    if ((store->folder = strdup(folder)) == NULL)
        return clo_out_of_memory(err);
    if (!make_folder(folder, err) || !check_files(folder, err) || !open_database(store, err))
        return false;
    *out = CLO_TAKE(store);
    return true;
}

bool clo_store_open_existing(const char *folder, struct clo_store **out, struct clo_error *err)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/store.db", folder);
    if (access(path, F_OK) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no broker keeps its state there", folder);
    return clo_store_open(folder, out, err);
}

void clo_store_free(struct clo_store *store)
{
    if (store == NULL)
        return;
    if (store->group != NULL)
        clo_store_group_end(store);
    while (store->statements != NULL) {
        struct store_statement *next = store->statements->next;
        sqlite3_finalize(store->statements->statement);
        free(store->statements);
        store->statements = next;
    }
    sqlite3_close(store->database);
    clo_private_key_free(store->audit_key);
    store_master_free(store->master);
    pthread_mutex_destroy(&store->lock);
    free(store->folder);
    free(store);
}

void clo_store_freep(struct clo_store **store)
{
    clo_store_free(*store);
    *store = NULL;
}

/* --- Statements --- */

bool store_prepare(struct clo_store *store, const char *sql, sqlite3_stmt **out,
                   struct clo_error *err)
{
    struct store_statement **recent =
            &store->recent[((uintptr_t)sql / sizeof(void *)) & (STORE_RECENT - 1)];
    struct store_statement *kept = *recent;

    if (kept == NULL || kept->sql != sql)
        for (kept = store->statements; kept != NULL && kept->sql != sql;)
            kept = kept->next;
    if (kept == NULL) {
        kept = calloc(1, sizeof *kept);
        if (kept == NULL)
            return clo_out_of_memory(err);
        kept->sql = sql;
        if (sqlite3_prepare_v3(store->database, sql, -1, SQLITE_PREPARE_PERSISTENT,
                               &kept->statement, NULL) != SQLITE_OK) {
            free(kept);
            return fail_sql(store, err);
        }
        kept->next = store->statements;
        store->statements = kept;
    }
    *recent = kept;
    *out = kept->statement;
    return true;
}

/* --- Resources --- */

/* One key for two disks makes them exchangeable: the holder of both may show one as the other. */
static bool check_secret_is_new(struct clo_store *store, const struct clo_store_entry *entry,
                                const struct clo_digest *name, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (entry->may_repeat_secret)
        return true;
    if (!store_prepare(store,
                       "SELECT path FROM resources WHERE secret_name = ? AND path <> ? LIMIT 1",
                       &statement, err))
        return false;
    sqlite3_bind_blob(statement, 1, name->bytes, 32, SQLITE_STATIC);
    bind_text(statement, 2, entry->path);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "resource \"%s\": the same secret is registered as \"%.200s\": two disks "
                        "under one key can be exchanged; --same-secret if that is meant",
                        entry->path, column_text(statement, 0));
    return result == SQLITE_DONE || fail_sql(store, err);
}

/* Never the same twice, also of a path that was removed meanwhile. */
static bool next_version(struct clo_store *store, int64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "UPDATE counts SET value = value + 1 WHERE name = 'secrets'"
                       " RETURNING value",
                       &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = sqlite3_column_int64(statement, 0);
    return run(store, statement, err);
}

/* A store that is sealed takes nothing in the clear. */
static bool check_is_unlocked(struct clo_store *store, struct clo_error *err)
{
    bool is_sealed;

    if (!store_has_master(store, &is_sealed, err))
        return false;
    return !is_sealed || store->master != NULL ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: is sealed under a master key: --master-key",
                    store->folder);
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

/* `sql` has the path as its only parameter. */
static bool run_for_path(struct clo_store *store, const char *sql, const char *path,
                         struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, sql, &statement, err))
        return false;
    bind_text(statement, 1, path);
    return run(store, statement, err);
}

/* What this path's disk has come to is written down before the row goes, or is another disk's. */
static bool remember_generation(struct clo_store *store, const char *path, struct clo_error *err)
{
    return run_for_path(store,
                        "INSERT INTO generations (volume_key, generation)"
                        " SELECT volume_key, generation FROM resources"
                        " WHERE path = ?1 AND disk IS NOT NULL"
                        " ON CONFLICT (volume_key) DO UPDATE"
                        " SET generation = max(generation, excluded.generation)",
                        path, err);
}

static bool forget_generation(struct clo_store *store, const char *key, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "DELETE FROM generations WHERE volume_key = ?", &statement, err))
        return false;
    bind_text(statement, 1, key);
    return run(store, statement, err);
}

/* The last one that was seen of the disk with this volume key, under any path; 0: none was. */
static bool find_generation(struct clo_store *store, const char *key, uint64_t *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store,
                       "SELECT coalesce(max(generation), 0) FROM"
                       " (SELECT generation FROM generations WHERE volume_key = ?1 UNION ALL"
                       "  SELECT generation FROM resources WHERE volume_key = ?1)",
                       &statement, err))
        return false;
    bind_text(statement, 1, key);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = (uint64_t)sqlite3_column_int64(statement, 0);
    return true;
}

/* At least what was ever seen of this disk, unless the owner takes an older copy of it on purpose. */
static bool settle_generation(struct clo_store *store, const struct clo_store_entry *entry,
                              uint64_t *out, struct clo_error *err)
{
    char key[2 * CLO_HASH_SIZE_MAX + 1];
    uint64_t seen = 0;

    clo_hex_text(clo_digest_bytes(&entry->disk->volume_key), key);
    if (entry->forgets_generation ? !forget_generation(store, key, err)
                                  : !find_generation(store, key, &seen, err))
        return false;
    *out = seen > entry->disk->generation ? seen : entry->disk->generation;
    return true;
}

static bool put_resource(struct clo_store *store, const struct clo_store_entry *entry,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    struct store_place place = { .is_shared = entry->is_shared,
                                 .any_releases = entry->any_releases };
    struct clo_digest name;
    struct clo_bytes kept;
    uint64_t generation = 0;
    int64_t terms;

    snprintf(place.path, sizeof place.path, "%s", entry->path);
    store_name_secret(store, entry->secret, &name);
    if (!check_is_unlocked(store, err) || !check_secret_is_new(store, entry, &name, err) ||
        !next_version(store, &place.version, err) ||
        !store_put_terms(store, entry, &terms, place.terms, err) ||
        !store_seal_secret(store, &place, entry->secret, &sealed, &kept, err) ||
        !remember_generation(store, entry->path, err) ||
        (entry->disk != NULL && (!disk_text(entry->disk, &disk, err) ||
                                 !settle_generation(store, entry, &generation, err))) ||
        !store_prepare(
                store,
                "INSERT INTO resources (path, secret, terms, created, disk, generation, shared,"
                " releases, second_holder, lease, sealed, version, secret_name,"
                " release_limit, revoked, volume_key) VALUES (?1, ?, ?, ?, ?5, ?, ?, ?, ?, ?, ?, "
                "?, ?, ?,"
                " (SELECT time FROM revoked_paths WHERE path = ?1),"
                " json_extract(?5, '$.volume_key_hmac'))"
                " ON CONFLICT (path) DO UPDATE SET secret = excluded.secret,"
                " terms = excluded.terms, created = excluded.created,"
                " generation = excluded.generation, disk = excluded.disk,"
                " volume_key = excluded.volume_key, shared = excluded.shared, releases = "
                "excluded.releases,"
                " second_holder = excluded.second_holder, lease = excluded.lease,"
                " sealed = excluded.sealed, version = excluded.version,"
                " secret_name = excluded.secret_name,"
                " release_limit = excluded.release_limit, release_count = 0",
                &statement, err))
        return false;
    bind_text(statement, 1, entry->path);
    sqlite3_bind_blob(statement, 2, kept.data, (int)kept.size, SQLITE_STATIC);
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
    sqlite3_bind_int64(statement, 11, store_master_id(store));
    sqlite3_bind_int64(statement, 12, place.version);
    sqlite3_bind_blob(statement, 13, name.bytes, 32, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 14, entry->release_limit);
    return run(store, statement, err);
}

/* --- Transactions --- */

static bool run_once(struct clo_store *store, const char *sql, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    return store_prepare(store, sql, &statement, err) && run(store, statement, err);
}

bool clo_store_begin(struct clo_store *store, struct clo_error *err)
{
    pthread_mutex_lock(&store->lock);
    if (run_once(store, store->depth == 0 ? "BEGIN IMMEDIATE" : "SAVEPOINT part", err)) {
        store->depth++;
        return true;
    }
    pthread_mutex_unlock(&store->lock);
    return false;
}

/* Where SQLite itself has taken everything back (a full disk), what is around a part fails to commit as well. */
static bool end_part(struct clo_store *store, bool ok, struct clo_error *err)
{
    struct clo_error ignored;

    if (!ok) {
        (void)!run_once(store, "ROLLBACK TO part", &ignored);
        store_trail_ended(store, false);
    }
    return run_once(store, "RELEASE part", ok ? err : &ignored) && ok;
}

bool clo_store_end(struct clo_store *store, bool ok, struct clo_error *err)
{
    struct clo_error ignored;

    if (--store->depth > 0) {
        ok = end_part(store, ok, err);
    } else {
        ok = ok && run_once(store, "COMMIT", err);
        if (!ok)
            (void)!run_once(store, "ROLLBACK", &ignored);
        else if (store->group != NULL)
            store_group_committed(store->group);
        store_trail_ended(store, ok);
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}

bool clo_store_put(struct clo_store *store, const struct clo_store_entry *entry,
                   struct clo_error *err)
{
    if (!clo_resource_check(entry->path, err))
        return false;
    if (entry->secret.size == 0 || entry->secret.size > CLO_STORE_SECRET_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "secret: %zu bytes, 1 to %zu are allowed",
                        entry->secret.size, CLO_STORE_SECRET_MAX);
    return clo_store_begin(store, err) &&
           clo_store_end(store, put_resource(store, entry, err), err);
}

/* A path that was revoked stays so until that is taken back: neither removing what is there nor putting something else is
 * another way to do it. */
static bool remember_revoked(struct clo_store *store, const char *path, struct clo_error *err)
{
    return run_for_path(store,
                        "INSERT INTO revoked_paths (path, time) SELECT path, revoked FROM resources"
                        " WHERE path = ?1 AND revoked IS NOT NULL"
                        " ON CONFLICT (path) DO UPDATE SET time = excluded.time",
                        path, err);
}

static bool delete_resource(struct clo_store *store, const char *path, struct clo_error *err)
{
    return remember_generation(store, path, err) && remember_revoked(store, path, err) &&
           run_for_path(store, "DELETE FROM resources WHERE path = ?1", path, err) &&
           (sqlite3_changes(store->database) == 1 || fail_none(path, err));
}

bool clo_store_remove(struct clo_store *store, const char *path, struct clo_error *err)
{
    return clo_store_begin(store, err) &&
           clo_store_end(store, delete_resource(store, path, err), err);
}

void clo_store_resource_free(struct clo_store_resource *resource)
{
    clo_secret_free(resource->secret);
    *resource = (struct clo_store_resource){ 0 };
}

static bool read_resource(const struct clo_store *store, sqlite3_stmt *statement, const char *path,
                          struct clo_store_resource *out, struct clo_error *err)
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
    out->release_limit = sqlite3_column_int64(statement, 8);
    out->release_count = sqlite3_column_int64(statement, 9);
    out->is_revoked = sqlite3_column_type(statement, 10) != SQLITE_NULL;
    struct store_place place = { .version = sqlite3_column_int64(statement, 7),
                                 .is_shared = out->is_shared,
                                 .any_releases = out->any_releases };
    snprintf(place.path, sizeof place.path, "%s", path);
    snprintf(place.terms, sizeof place.terms, "%s", out->terms);
    return store_open_secret(store, &place, sqlite3_column_int64(statement, 6),
                             clo_bytes(data, size), &out->secret, err);
}

bool clo_store_get(struct clo_store *store, const char *path, struct clo_store_resource *out,
                   struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(
                store,
                "SELECT digest, secret, shared, releases, second_holder, lease, sealed, version,"
                " release_limit, release_count, revoked FROM resources"
                " JOIN terms ON terms.id = resources.terms WHERE path = ?",
                &statement, err))
        return false;
    return find_row(store, statement, path, err) && read_resource(store, statement, path, out, err);
}

/* --- Disks --- */

bool clo_store_disk(struct clo_store *store, const char *path, bool *has_disk,
                    struct clo_disk_identity *disk, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (!store_prepare(store, "SELECT disk, generation FROM resources WHERE path = ?", &statement,
                       err))
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
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    struct clo_disk_identity disk;
    bool has_disk;

    if (generation > CLO_DISK_GENERATION_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "generation %llu is out of range",
                        (unsigned long long)generation);
    if (!store_prepare(store,
                       "UPDATE resources SET generation = ?1 WHERE path = ?2 AND generation < ?1",
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

/* The four columns from `at` on. */
static bool add_releases(sqlite3_stmt *statement, int at, json_t *entry, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *more = json_pack("{s:I, s:I, s:b, s:b}", "release_limit",
                             (json_int_t)sqlite3_column_int64(statement, at), "release_count",
                             (json_int_t)sqlite3_column_int64(statement, at + 1), "revoked",
                             sqlite3_column_type(statement, at + 2) != SQLITE_NULL, "sealed",
                             sqlite3_column_int64(statement, at + 3) != 0);

    return (more != NULL && json_object_update(entry, more) == 0) || clo_out_of_memory(err);
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
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *list = json_array();
    int result;

    if (!store_prepare(store,
                       "SELECT path, length(secret) - iif(sealed = 0, 0, 28), created, policy, "
                       "reference_values, disk, generation,"
                       " shared, releases, second_holder, lease,"
                       " (SELECT count(DISTINCT instance) FROM releases WHERE path = resources.path"
                       "  AND given_up = 0),"
                       " release_limit, release_count, revoked, sealed"
                       " FROM resources"
                       " JOIN terms ON terms.id = resources.terms ORDER BY path",
                       &statement, err))
        return false;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
        if (!store_parse_terms(column_text(statement, 3), column_text(statement, 4), &terms, err))
            return clo_wrap(err, "%s", column_text(statement, 0));
        json_t *entry =
                json_pack("{s:s, s:I, s:o, s:s, s:o}", "path", column_text(statement, 0), "bytes",
                          (json_int_t)sqlite3_column_int64(statement, 1), "created",
                          clo_json_time(sqlite3_column_int64(statement, 2)), "policy",
                          clo_policy_name(terms.policy), "references", names_of(&terms));
        if (!add_rules(statement, 7, entry, err) || !add_releases(statement, 12, entry, err)) {
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

/* --- Terms and revocation of what is there --- */

static bool set_terms(struct clo_store *store, const struct clo_store_entry *entry,
                      struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    char digest[65];
    int64_t terms;

    if (!check_is_unlocked(store, err) || !store_put_terms(store, entry, &terms, digest, err) ||
        !store_reseal(store, entry->path, digest, err) ||
        !store_prepare(store, "UPDATE resources SET terms = ? WHERE path = ?", &statement, err))
        return false;
    sqlite3_bind_int64(statement, 1, terms);
    bind_text(statement, 2, entry->path);
    return run(store, statement, err) &&
           (sqlite3_changes(store->database) == 1 || fail_none(entry->path, err));
}

bool clo_store_set_terms(struct clo_store *store, const struct clo_store_entry *entry,
                         struct clo_error *err)
{
    return clo_store_begin(store, err) && clo_store_end(store, set_terms(store, entry, err), err);
}

static bool set_revoked(struct clo_store *store, const char *path, bool is_revoked, int64_t now,
                        struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    int changed = 0;

    if (!is_revoked) {
        if (!run_for_path(store, "DELETE FROM revoked_paths WHERE path = ?1", path, err))
            return false;
        changed = sqlite3_changes(store->database);
    }
    if (!store_prepare(store, "UPDATE resources SET revoked = ? WHERE path = ?", &statement, err))
        return false;
    if (is_revoked)
        sqlite3_bind_int64(statement, 1, now);
    bind_text(statement, 2, path);
    return run(store, statement, err) &&
           (changed + sqlite3_changes(store->database) > 0 || fail_none(path, err));
}

/* Is there a row for this text? */
static bool has_row(struct clo_store *store, const char *sql, const char *text, bool *out,
                    struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, sql, &statement, err))
        return false;
    bind_text(statement, 1, text);
    int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW;
    return result == SQLITE_ROW || result == SQLITE_DONE || fail_sql(store, err);
}

bool clo_store_is_revoked(struct clo_store *store, const char *path, bool *out,
                          struct clo_error *err)
{
    return has_row(store,
                   "SELECT 1 FROM resources WHERE path = ?1 AND revoked IS NOT NULL"
                   " UNION ALL SELECT 1 FROM revoked_paths WHERE path = ?1",
                   path, out, err);
}

bool clo_store_revoke(struct clo_store *store, const char *path, bool is_revoked, int64_t now,
                      struct clo_error *err)
{
    return clo_store_begin(store, err) &&
           clo_store_end(store, set_revoked(store, path, is_revoked, now, err), err);
}

/* Another name than evidence proves would be revoked, and nothing with it. */
static bool check_machine(const char *instance, struct clo_error *err)
{
    return (strlen(instance) == 64 && strspn(instance, "0123456789abcdef") == 64) ||
           clo_fail(
                   err, CLO_ERR_USAGE,
                   "machine \"%.64s\": expected its whole name, as 'key lease' and the audit trail "
                   "have it: 64 digits of lower-case hex",
                   instance);
}

bool clo_store_revoke_machine(struct clo_store *store, const char *instance, bool is_revoked,
                              int64_t now, struct clo_error *err)
{
    if (is_revoked && !check_machine(instance, err))
        return false;
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;
    const char *sql = is_revoked ? "INSERT INTO revoked_machines (instance, time) VALUES (?1, ?2)"
                                   " ON CONFLICT DO UPDATE SET time = excluded.time"
                                 : "DELETE FROM revoked_machines WHERE instance = ?1";

    if (!store_prepare(store, sql, &statement, err))
        return false;
    bind_text(statement, 1, instance);
    if (is_revoked)
        sqlite3_bind_int64(statement, 2, now);
    return run(store, statement, err) &&
           (sqlite3_changes(store->database) == 1 ||
            clo_fail(err, CLO_ERR_REFUSED, "machine %.64s: is not revoked", instance));
}

bool clo_store_is_machine_revoked(struct clo_store *store, const char *instance, bool *out,
                                  struct clo_error *err)
{
    return has_row(store, "SELECT 1 FROM revoked_machines WHERE instance = ?1", instance, out, err);
}
