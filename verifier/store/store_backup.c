/* A copy of a store as it is at one moment, while it is served from, and a store made of such a copy. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"

#include "verifier/store/store_internal.h"

#define KEY_LIMIT ((size_t)1 << 20)

static void close_folder(DIR **folder)
{
    if (*folder != NULL)
        closedir(*folder);
}

/* Keys and certificates next to the database; not the database itself. */
static bool is_kept(const char *name)
{
    const char *suffix = strrchr(name, '.');

    return name[0] != '.' && suffix != NULL &&
           (strcmp(suffix, ".key") == 0 || strcmp(suffix, ".pem") == 0 ||
            strcmp(suffix, ".crt") == 0);
}

static bool copy_file(const char *from, const char *to, const char *name, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *bytes = NULL;
    char source[4400], target[4400];

    snprintf(source, sizeof source, "%s/%s", from, name);
    snprintf(target, sizeof target, "%s/%s", to, name);
    return clo_file_read_secret(source, KEY_LIMIT, &bytes, err) &&
           clo_file_write(target, clo_secret_bytes(bytes), 0600, err);
}

static bool copy_keys(const char *from, const char *to, struct clo_error *err)
{
    CLO_CLEANUP(close_folder) DIR *folder = opendir(from);
    const struct dirent *entry;

    if (folder == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", from, strerror(errno));
    while ((entry = readdir(folder)) != NULL)
        if (is_kept(entry->d_name) && !copy_file(from, to, entry->d_name, err))
            return false;
    return true;
}

/* --- A folder that is there whole, or not at all --- */

struct folder {
    const char *path;
    struct clo_scratch scratch; /* next to it */
    char work[4400];            /* in there; becomes `path` */
};

static void free_folder(struct folder *folder)
{
    clo_scratch_free(&folder->scratch);
}

static bool fail_there(const char *path, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_REFUSED, "%s: is there already", path);
}

static bool begin_folder(const char *path, struct folder *out, struct clo_error *err)
{
    char parent[4200];
    struct stat status;

    out->path = path;
    if (lstat(path, &status) == 0)
        return fail_there(path, err);
    snprintf(parent, sizeof parent, "%s", path);
    if (!clo_scratch_new(dirname(parent), &out->scratch, err))
        return false;
    snprintf(out->work, sizeof out->work, "%s/state", out->scratch.path);
    return mkdir(out->work, 0700) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", out->work, strerror(errno));
}

static bool sync_folder(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return (fd >= 0 && fsync(fd) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

/* Over nothing that is there. NFS and others do not know the flag: there an empty folder takes the name first, and rename() replaces no
 * folder that has anything in it. */
static bool take_name(const char *work, const char *path)
{
    if (renameat2(AT_FDCWD, work, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL || mkdir(path, 0700) != 0)
        return false;
    if (rename(work, path) == 0)
        return true;
    int why = errno;
    (void)rmdir(path);
    errno = why;
    return false;
}

static bool end_folder(struct folder *folder, struct clo_error *err)
{
    char parent[4200];

    if (!sync_folder(folder->work, err))
        return false;
    if (!take_name(folder->work, folder->path))
        return errno == EEXIST
                       ? fail_there(folder->path, err)
                       : clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder->path, strerror(errno));
    snprintf(parent, sizeof parent, "%s", folder->path);
    return sync_folder(dirname(parent), err);
}

/* --- What is in it --- */

/* The database of `from` at one moment, whole, into a file of its own. */
static bool copy_database(sqlite3 *from, const char *folder, struct clo_error *err)
{
    char path[4400];
    sqlite3 *to = NULL;

    snprintf(path, sizeof path, "%s/store.db", folder);
    mode_t before = umask(077);
    int result = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    umask(before);
    sqlite3_backup *backup =
            result == SQLITE_OK ? sqlite3_backup_init(to, "main", from, "main") : NULL;
    if (backup != NULL) {
        result = sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
        result = result == SQLITE_DONE ? sqlite3_errcode(to) : result;
    }
    bool ok = backup != NULL && result == SQLITE_OK;
    if (!ok)
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path,
                 to == NULL ? "out of memory" : sqlite3_errmsg(to));
    sqlite3_close(to);
    return ok;
}

bool clo_store_backup(struct clo_store *store, const char *folder, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(free_folder) struct folder made = { .path = folder };

    return begin_folder(folder, &made, err) && copy_keys(store->folder, made.work, err) &&
           copy_database(store->database, made.work, err) && end_folder(&made, err);
}

/* --- Back --- */

static bool check_integrity(struct clo_store *store, struct clo_error *err)
{
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "PRAGMA integrity_check", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    return strcmp(column_text(statement, 0), "ok") == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: %s", store->folder, column_text(statement, 0));
}

static bool verify_trail(struct clo_store *store, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_audit_verdict verdict;

    return clo_store_key(store, CLO_AUDIT_KEY, CLO_KEY_P256, &key, err) &&
           clo_private_key_public(key, &public, err) &&
           clo_store_audit_verify(store, public, NULL, &verdict, err);
}

/* What was given out since is unknown to the copy: no nonce and no session of before counts. */
static bool settle(struct clo_store *store, int64_t now, struct clo_error *err)
{
    const struct clo_audit row = { .time = now,
                                   .action = "restore",
                                   .verdict = "restored",
                                   .session = "",
                                   .tee = "",
                                   .detail = "from a backup: what happened since is not known" };

    return execute(store, "DELETE FROM session_keys; DELETE FROM sessions", err) &&
           clo_store_audit_last(store, &row, err);
}

static bool copy_back(const char *backup, const char *folder, struct clo_error *err)
{
    char path[4400];
    sqlite3 *from = NULL;

    snprintf(path, sizeof path, "%s/store.db", backup);
    if (!copy_keys(backup, folder, err))
        return false;
    bool ok = sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK
                      ? copy_database(from, folder, err)
                      : clo_fail(err, CLO_ERR_FORMAT, "%s: cannot be opened", path);
    sqlite3_close(from);
    return ok;
}

/* Of the state that it is to be: whole, with its trail as it was written. */
static bool check_copy(const char *folder, int64_t now, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *copy = NULL;

    return clo_store_open_existing(folder, &copy, err) && check_integrity(copy, err) &&
           verify_trail(copy, err) && settle(copy, now, err);
}

static bool restore(const char *backup, const char *folder, int64_t now, struct clo_error *err)
{
    CLO_CLEANUP(free_folder) struct folder made = { .path = folder };
    char path[4400];

    snprintf(path, sizeof path, "%s/store.db", backup);
    if (access(path, F_OK) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a backup of a broker's state", backup);
    return begin_folder(folder, &made, err) && copy_back(backup, made.work, err) &&
           check_copy(made.work, now, err) && end_folder(&made, err);
}

bool clo_store_restore(const char *backup, const char *folder, int64_t now, struct clo_error *err)
{
    return restore(backup, folder, now, err) || clo_wrap(err, "restore");
}
